#include "live/gate.hpp"

#include "base/ids.hpp"
#include "http/target.hpp"
#include "live/playback.hpp"

#include <algorithm>

namespace rivulet::live {
namespace {

constexpr std::string_view api = "/live/video-to-video/";
constexpr std::size_t remembered = 10'000;
constexpr std::size_t most_foreseen = 1'000;
constexpr duration foresight = std::chrono::seconds(30); // from a handshake to its connection

key_use use_of(ingest::access_action action) {
    return action == ingest::access_action::watch ? key_use::watch : key_use::control;
}

std::string_view word_of(ingest::access_action action) {
    return action == ingest::access_action::watch ? "watch" : "control";
}

failure refusal(std::string_view to_do, const std::string& stream, const std::string& key) {
    const auto what = stream.empty() ? std::string("all streams") : "'" + stream + "'";
    return failure(
        errc::unauthorized,
        key.empty() ? fmt::format("a key is needed to {} {}", to_do, what)
                    : fmt::format("this key does not allow to {} {}", to_do, what)
    );
}

std::string session_key(const ingest::publish_request& request) {
    return request.protocol + " " + request.session_id + " " + request.stream;
}

// Doors where a path names a channel and nothing else: "a-1a2b3c4d-out" is of the stream
// "a-1a2b3c4d" there, whatever other streams there are.
bool names_channels(std::string_view protocol) {
    return protocol == "trickle" || protocol == "rtmp" || protocol == "rtmps";
}

} // namespace

std::string
playback_url(std::string_view prefix, std::string_view stream, std::string_view request) {
    return fmt::format("{}{}-{}-out/whep", prefix, http::percent_encode(stream), request);
}

gate::gate(registry& streams, gate_options options, logger log)
    : streams_(streams), options_(std::move(options)), log_(std::move(log)),
      memory_(options_.remember_yes, options_.remember_no, remembered) {}

void gate::set_base(std::string base) {
    const std::lock_guard lock(mutex_);
    base_ = std::move(base);
}

std::string gate::own_base() const {
    const std::lock_guard lock(mutex_);
    return base_;
}

std::string gate::public_base(std::string base) const {
    if (!options_.gateway_host.empty())
        base = options_.gateway_host.find("://") == std::string::npos
                   ? "https://" + options_.gateway_host
                   : options_.gateway_host;
    else if (base.empty())
        base = own_base();
    while (base.ends_with('/'))
        base.pop_back();
    return base;
}

webhook_question gate::question(const std::string& stream, const std::string& base) const {
    webhook_question asked;
    asked.stream = stream;
    const auto host = base.find("://");
    asked.gateway_host = host == std::string::npos ? base : base.substr(host + 3);
    if (stream.empty())
        return asked;
    const auto path = base + std::string(api) + http::percent_encode(stream);
    asked.update_url = path + "/update";
    // By name: the id may be the webhook's to choose.
    asked.status_url = path + "/status";
    return asked;
}

// What the door left open.
void gate::complete(ingest::publish_request& request) const {
    if (request.key.empty())
        request.key = ingest::key_of(request.query);
    if (request.request_id.empty())
        request.request_id = random_hex(4);
    if (!request.whep_url.empty())
        return;
    const auto prefix = options_.playback_prefix.empty()
                            ? public_base(request.base) + std::string(api)
                            : options_.playback_prefix;
    request.whep_url = playback_url(prefix, request.stream, request.request_id);
}

awaitable<outcome<webhook_answer>> gate::decide(const ingest::publish_request& request) {
    // What can't be published anyway is not worth a question.
    auto wanted = parse_stream_params(request.stream, request.query);
    if (!wanted)
        co_return wanted.error();
    if (options_.keys) {
        const auto keys = options_.keys->keys(steady_clock::now());
        if (keys->allow(key_use::publish, request.stream, request.key))
            co_return webhook_answer();
    }
    if (!options_.webhook)
        co_return refusal("publish", request.stream, request.key);
    auto asked = question(request.stream, public_base(request.base));
    asked.action = "publish";
    asked.type = webhook_type(request.protocol);
    asked.key = request.key;
    asked.remote = request.remote;
    asked.whep_url = request.whep_url;
    auto query = request.query;
    if (request.protocol == "whip")
        std::ranges::stable_sort(query, {}, &query_list::value_type::first);
    asked.query = to_query_text(query);
    co_return co_await options_.webhook->ask(std::move(asked));
}

awaitable<outcome<void>> gate::check_publish(ingest::publish_request request) {
    if (!closed())
        co_return outcome<void>();
    complete(request);
    auto answer = co_await decide(request);
    if (!answer)
        co_return answer.error();
    const auto now = steady_clock::now();
    const std::lock_guard lock(mutex_);
    if (foreseen_.size() >= most_foreseen)
        std::erase_if(foreseen_, [now](const auto& kept) { return kept.second.until <= now; });
    // Whoever was left out is asked about again.
    if (foreseen_.size() < most_foreseen)
        foreseen_.insert_or_assign(
            session_key(request), foreseen{std::move(*answer), request.request_id, now + foresight}
        );
    co_return outcome<void>();
}

std::optional<std::string> gate::passphrase(const ingest::publish_request& request) const {
    const std::lock_guard lock(mutex_);
    const auto it = foreseen_.find(session_key(request));
    if (it == foreseen_.end() || it->second.answer.srt_passphrase.empty())
        return std::nullopt;
    return it->second.answer.srt_passphrase;
}

std::optional<gate::foreseen> gate::take_foreseen(const ingest::publish_request& request) {
    const std::lock_guard lock(mutex_);
    auto taken = foreseen_.extract(session_key(request));
    if (taken.empty() || taken.mapped().until <= steady_clock::now())
        return std::nullopt;
    return std::move(taken.mapped());
}

awaitable<outcome<std::shared_ptr<ingest::unit_sink>>>
gate::publish(ingest::publish_request request, ingest::kick kick) {
    const auto known = take_foreseen(request);
    if (known)
        request.request_id = known->request_id;
    complete(request);
    if (known) {
        override_query(known->answer, request.query);
    } else if (closed()) {
        auto answer = co_await decide(request);
        if (!answer)
            co_return answer.error();
        override_query(*answer, request.query);
    }
    co_return co_await streams_.admit(std::move(request), std::move(kick));
}

awaitable<outcome<void>> gate::check(ingest::access_request request) {
    if (!closed())
        co_return outcome<void>();
    if (names_channels(request.protocol))
        request.stream = playback_readings(request.stream).back().stream;
    else if (!request.stream.empty())
        request.stream = co_await streams_.locate_playback(request.stream);
    const auto to_do = word_of(request.action);
    if (options_.keys) {
        const auto keys = options_.keys->keys(steady_clock::now());
        if (keys->allow(use_of(request.action), request.stream, request.key))
            co_return outcome<void>();
    }
    const bool ask = options_.webhook && !options_.webhook_publish_only && !request.key.empty() &&
                     request.key.size() <= most_key_bytes;
    if (!ask) {
        auto why = refusal(to_do, request.stream, request.key);
        log_.debug("{} {}: {}", request.protocol, request.remote, why.detail);
        co_return why;
    }
    const auto subject =
        fmt::format("{} {} {} {}", to_do, request.stream.size(), request.stream, request.key);
    {
        const std::lock_guard lock(mutex_);
        if (auto known = memory_.find(subject, steady_clock::now()))
            co_return *known;
    }
    auto asked = question(request.stream, public_base({}));
    asked.action = to_do;
    asked.type = webhook_type(request.protocol);
    asked.key = request.key;
    asked.remote = request.remote;
    auto answer = co_await options_.webhook->ask(std::move(asked));
    outcome<void> decision;
    if (!answer)
        decision = answer.error();
    const std::lock_guard lock(mutex_);
    memory_.keep(subject, decision, steady_clock::now());
    co_return decision;
}

ingest::admit_publisher gate::admission() {
    return [this](ingest::publish_request request, ingest::kick kick) {
        return publish(std::move(request), std::move(kick));
    };
}

ingest::check_access gate::access() {
    return [this](ingest::access_request request) { return check(std::move(request)); };
}

} // namespace rivulet::live
