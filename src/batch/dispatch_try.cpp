#include "batch/dispatch_try.hpp"

#include "batch/completion_stream.hpp"
#include "batch/json_footprint.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rivulet::batch {

namespace json = boost::json;
using payment::payment_session;
using session::fault;
using session::fault_kind;

namespace {

constexpr std::size_t refusal_bytes = 64 * 1024;
// Parsing more than this takes milliseconds, which the shard has better use for.
constexpr std::size_t parsed_at_once = 512 * 1024;
// What still comes behind a conversation's end, so that its connection can be kept.
constexpr auto rest_of_stream = std::chrono::milliseconds(50);

std::optional<std::int64_t> total_tokens(const json::object& body) {
    const auto* usage = body.if_contains("usage");
    if (!usage || !usage->is_object())
        return std::nullopt;
    const auto* total = usage->get_object().if_contains("total_tokens");
    if (!total || !total->is_int64())
        return std::nullopt;
    return total->get_int64();
}

// A whole answer where a stream was asked for: one chunk that says all of it.
std::string as_chunk(json::object body) {
    if (auto* choices = body.if_contains("choices"); choices && choices->is_array())
        for (auto& each : choices->get_array())
            if (auto* choice = each.if_object())
                if (const auto* message = choice->if_contains("message")) {
                    auto delta = *message;
                    choice->erase("message");
                    choice->emplace("delta", std::move(delta));
                }
    return json::serialize(body);
}

} // namespace

try_end try_end::failed(fault why) {
    try_end out;
    out.said.why = std::move(why);
    return out;
}

try_end try_end::no_memory() {
    try_end out;
    out.went = how::refused;
    out.said.client = memory_is_full();
    out.said.client->answer_lost = true;
    out.said.why = fault(fault_kind::client_gone, out.said.client->message);
    return out;
}

// An answer, and what it takes.
class dispatch_try::parsed_answer {
  public:
    // Fails with: protocol_violation; no_capacity (others hold the memory).
    static outcome<parsed_answer> of(std::string_view text, byte_share held) {
        // Many small values take more than their text does, which is too late to know afterwards.
        const auto needed = parsing_footprint(text);
        if (needed > held.most())
            return failure(
                errc::protocol_violation,
                "its answer takes more than " + std::to_string(held.most()) + " bytes in memory"
            );
        if (needed > held.held() && !held.hold(needed))
            return failure(errc::no_capacity, "there is no memory for its answer");
        error_code broken;
        auto value = json::parse(text, broken);
        if (broken)
            return failure(errc::protocol_violation, "its answer is not JSON: " + broken.message());
        auto* object = value.if_object();
        if (!object)
            return failure(errc::protocol_violation, "its answer is JSON, but no object");
        parsed_answer out;
        if (!held.hold(json_footprint(*object)))
            return failure(errc::no_capacity, "there is no memory for its answer");
        out.held = std::move(held);
        out.body = std::move(*object);
        return out;
    }

    json::object body;
    byte_share held;

  private:
    parsed_answer() = default;
};

// The payer hears how it went, also when this coroutine just ends because the client left.
class dispatch_try::account {
  public:
    account(std::unique_ptr<payment_session> with, const orchestrator_call& call)
        : with_(std::move(with)), call_(call) {}

    account(const account&) = delete;
    account& operator=(const account&) = delete;

    ~account() {
        using sent = payment_session::sent;
        settle(call_.sent() ? sent::lost : sent::not_sent, 0);
    }

    void settle(payment_session::sent how, payment::work_units used) {
        if (!settled_)
            with_->settle(how, used);
        settled_ = true;
    }

    payment_session& operator*() const { return *with_; }

  private:
    const std::unique_ptr<payment_session> with_;
    const orchestrator_call& call_;
    bool settled_ = false;
};

dispatch_try::dispatch_try(
    payment::payments& payments,
    http::connection_pool& connections,
    blocking_threads& disk,
    const dispatch_options& options,
    const request& from,
    const forwarded_body& body,
    completion_sink* sink
)
    : payments_(payments), connections_(connections), disk_(disk), options_(options), from_(from),
      body_(body), sink_(sink) {}

awaitable<try_end> dispatch_try::run(session::attempt& at, time_point until) {
    orchestrator_call call(connections_, disk_, options_.memory, body_);
    account paid(payments_.open(at), call);
    auto out = try_end();
    auto headers = co_await (*paid).start(from_.units());
    const auto begun = steady_clock::now();
    if (!headers) {
        out.said.why = session::to_payment_fault(headers.error());
    } else {
        auto url = at.url();
        url.append("/").append(from_.kind->name);
        const auto limit = std::min(until, begun + options_.attempt);
        auto sent = co_await call.send(std::move(url), std::move(*headers), limit);
        if (sent) {
            out = co_await answered(call, paid);
        } else if (call.own_failure()) {
            out.went = try_end::how::refused;
            out.said.client = api_error(
                http::status::internal_server_error, "Internal Server Error: " + sent.error().detail
            );
            out.said.why = fault(fault_kind::client_gone, sent.error().detail);
        } else {
            out.said.why = session::to_fault(sent.error());
            // One that was started anew has made itself a new certificate; discovery learns it.
            out.said.refresh = sent.error().code == errc::tls_failed;
        }
    }
    const auto now = steady_clock::now();
    out.took = now - begun;
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        out.went = try_end::how::gone;
    else if (out.went == try_end::how::failed && out.said.why.kind == fault_kind::timed_out && now >= until)
        out.went = try_end::how::too_late;
    co_return out;
}

// The network's nodes don't label every answer; what isn't JSON shows when it is read.
bool dispatch_try::json_expected() const {
    return from_.kind->reply != reply_kind::video && from_.kind->reply != reply_kind::chunks &&
           from_.kind->reply != reply_kind::completion;
}

awaitable<try_end> dispatch_try::answered(orchestrator_call& call, account& paid) {
    using sent = payment_session::sent;
    const auto status = call.status();
    if (status != 200) {
        auto said = co_await call.text(refusal_bytes);
        paid.settle(sent::refused, 0);
        try_end out;
        out.said = judge(status, said ? std::string_view(*said) : std::string_view());
        if (out.said.client)
            out.went = try_end::how::refused;
        co_return out;
    }
    paid.settle(sent::accepted, from_.units());
    const std::string type(call.content_type());
    if (sink_ && !boost::algorithm::icontains(type, "json"))
        co_return co_await relay(call);
    if (json_expected() && !boost::algorithm::icontains(type, "json"))
        co_return try_end::failed(
            {fault_kind::protocol,
             "answered with " + (type.empty() ? "something untyped" : type) + " instead of JSON",
             status}
        );
    co_return co_await take_json(call);
}

awaitable<outcome<dispatch_try::parsed_answer>>
dispatch_try::parse(std::string text, byte_share held) {
    if (text.size() <= parsed_at_once)
        co_return parsed_answer::of(text, std::move(held));
    auto work = [whole = std::move(text), room = std::move(held)]() mutable {
        return parsed_answer::of(whole, std::move(room));
    };
    co_return co_await disk_.run(std::move(work));
}

awaitable<try_end> dispatch_try::take_json(orchestrator_call& call) {
    // What could never fit is too long, however empty the memory is.
    const auto most = std::min<std::uint64_t>(options_.reply_bytes, options_.memory->most());
    auto text = co_await call.text(static_cast<std::size_t>(most));
    if (call.memory_full())
        co_return try_end::no_memory();
    if (!text)
        co_return try_end::failed(session::to_fault(text.error()));
    auto held = call.take_held();
    auto answer = co_await parse(std::move(*text), std::move(held));
    if (!answer && answer.error().code == errc::no_capacity)
        co_return try_end::no_memory();
    if (!answer)
        co_return try_end::failed(session::to_fault(answer.error()));
    auto& body = answer->body;
    const auto good = check_reply(from_.kind->reply, body);
    if (!good)
        co_return try_end::failed({fault_kind::protocol, good.error().detail, call.status()});
    try_end out;
    out.went = try_end::how::worked;
    out.tokens = total_tokens(body);
    if (sink_) {
        const auto chunk = as_chunk(std::move(body));
        const bool there = co_await sink_->chunk(chunk);
        if (!there)
            out.went = try_end::how::gone;
    } else {
        out.body = std::move(body);
        out.held = std::move(answer->held);
    }
    co_return out;
}

awaitable<try_end> dispatch_try::relay(orchestrator_call& call) {
    completion_stream stream;
    try_end out;
    std::size_t taken = 0;
    for (;;) {
        auto got = co_await call.pieces(options_.stream_silence);
        auto fed = outcome<void>();
        if (!got)
            fed = got.error();
        else if (got->empty())
            fed = stream.end();
        else
            for (const auto& piece : *got) {
                taken += piece.size();
                fed = stream.feed(piece.text());
                if (!fed)
                    break;
            }
        while (auto chunk = stream.next()) {
            const bool there = co_await sink_->chunk(*chunk);
            if (!there) {
                out.went = try_end::how::gone;
                co_return out;
            }
        }
        if (stream.finished()) {
            // The end of the body, so that the connection can be used again; not at any price.
            for (int rest = 0; rest < 8 && got && !got->empty(); ++rest)
                got = co_await call.pieces(rest_of_stream);
            out.went = try_end::how::worked;
            out.tokens = stream.total_tokens();
            co_return out;
        }
        if (fed && taken > options_.reply_bytes)
            fed = failure(errc::too_large, "its stream is longer than any answer may be");
        if (!fed)
            co_return try_end::failed(session::to_fault(fed.error()));
    }
}

} // namespace rivulet::batch
