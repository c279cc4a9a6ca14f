#include "batch/access_question.hpp"
#include "batch/event_reply.hpp"
#include "batch/job_routes.hpp"
#include "batch/openai.hpp"
#include "batch/public_url.hpp"
#include "batch/service_parts.hpp"

#include <ctime>

namespace rivulet::batch {
namespace {

// Counted for a client that left before it had a reply.
constexpr auto nobody_there = "499";

// What an unread body may have to keep its connection alive: it is here already, or nearly.
constexpr std::uint64_t short_body = 64 * 1024;
constexpr auto short_time = std::chrono::seconds(2);

// A refusal that leaves a short body unread would cost the client its connection.
awaitable<void> drain_short_body(http::exchange& peer) {
    auto& reader = peer.reader();
    if (reader.body_done() || !peer["Expect"].empty() ||
        reader.content_length().value_or(short_body + 1) > short_body)
        co_return;
    peer.connection().expires_after(short_time);
    const http::body_sink drop = [](std::span<const std::uint8_t>) {};
    error_code failed;
    while (!failed && !reader.body_done())
        failed = co_await reader.read_body(drop);
    peer.connection().expires_after(duration::max());
}

// One more on its way, as long as the work lasts.
template <class T>
awaitable<T> counted_reading(std::atomic<std::size_t>& count, awaitable<T> work) {
    struct one {
        std::atomic<std::size_t>& of;

        explicit one(std::atomic<std::size_t>& o) : of(o) { ++of; }

        ~one() { --of; }
    };

    const one counted(count);
    co_return co_await std::move(work);
}

} // namespace

service::impl::visit::visit(
    const http::request& h,
    http::exchange& p,
    completion_dialect& d,
    std::string_view n,
    std::string i
)
    : head(h), peer(p), dialect(d), name(n), id(std::move(i)) {}

std::string service::impl::base_for(const http::request& head) const {
    if (!base.empty() || !options.absolute_urls)
        return base;
    return base_of(head);
}

void service::impl::count(const visit& now, std::string status) const {
    replies.with({{"pipeline", now.name}, {"status", std::move(status)}}).add();
}

awaitable<void> service::impl::reply(visit& now, http::response message) {
    now.peer.reader().unwatch_peer();
    now.place = {}; // its client may take long to read it
    count(now, std::to_string(static_cast<unsigned>(message.status)));
    co_await now.peer.reply(std::move(message));
}

awaitable<void> service::impl::refuse(visit& now, const api_error& why) {
    if (why.status == client_left) {
        count(now, nobody_there);
        co_return;
    }
    log.debug("{} {}: {} {}", now.id, now.name, static_cast<unsigned>(why.status), why.message);
    co_await reply(now, now.dialect.refusal(why, now.id));
}

awaitable<bool> service::impl::take_turn(visit& now) {
    if (auto place = doors.enter_now()) {
        now.place = std::move(*place);
        co_return true;
    }
    client_watch watch(now.peer);
    auto entered = co_await watch.run(doors.enter());
    if (entered && *entered) {
        now.place = std::move(**entered);
        co_return true;
    }
    const auto why = entered ? entered->error() : api_error(client_left, "the client left");
    co_await refuse(now, why);
    co_return false;
}

awaitable<bool> service::impl::let_in(visit& now) {
    std::optional<api_error> no;
    if (stopping) {
        no.emplace(http::status::service_unavailable, "the gateway is stopping");
        no->retry_after = std::chrono::seconds(2);
    } else {
        no = co_await ask_access(check, now.head);
    }
    if (!no)
        no = doors.refusal(); // before all of the body came in vain
    if (!no)
        co_return true;
    co_await drain_short_body(now.peer);
    co_await refuse(now, *no);
    co_return false;
}

awaitable<void> service::impl::answer_pipeline(
    const pipeline& kind, const http::request& head, http::exchange& peer
) {
    network_dialect plain;
    visit now(head, peer, plain, kind.name);
    const bool in = co_await let_in(now);
    if (!in)
        co_return;
    auto body = co_await counted_reading(reading, read_body(kind, peer, options.reading, *threads));
    if (!body) {
        co_await refuse(now, body.error());
        co_return;
    }
    const bool begun = co_await take_turn(now);
    if (!begun)
        co_return;
    auto what = co_await check_body(kind, std::move(*body), options.reading, *threads);
    if (!what) {
        co_await refuse(now, what.error());
        co_return;
    }
    if (asks_async(head.header))
        co_await answer_later(now, std::move(*what));
    else if ((*what)->stream)
        co_await answer_stream(now, std::move(*what));
    else
        co_await answer_whole(now, std::move(*what));
}

awaitable<void> service::impl::answer_whole(visit& now, std::shared_ptr<const request> what) {
    client_watch watch(now.peer);
    auto done = co_await watch.run(
        process(orchestrators, media, std::move(what), now.id, base_for(now.head))
    );
    if (!done) {
        count(now, nobody_there);
        co_return;
    }
    if (!*done) {
        co_await refuse(now, done->error());
        co_return;
    }
    auto& body = (*done)->body;
    now.dialect.whole(body);
    auto made = http::json_response(std::move(body));
    made.headers.emplace_back("X-Request-Id", now.id);
    co_await reply(now, std::move(made));
}

awaitable<void> service::impl::answer_stream(visit& now, std::shared_ptr<const request> what) {
    event_reply_options wanted;
    wanted.heartbeat = options.heartbeat;
    wanted.done_event = options.done_event;
    event_reply events(now.peer, now.dialect, now.id, wanted);
    event_reply::work work = [this, &now, what](completion_sink& to) {
        return orchestrators.run_stream(*what, now.id, to);
    };
    client_watch watch(now.peer);
    auto served = co_await watch.run(events.serve(std::move(work)));
    count(now, !served ? nobody_there : *served ? "200" : "failed");
}

// Nobody waits for pieces of an answer that comes later.
awaitable<void> service::impl::answer_later(visit& now, std::shared_ptr<request> what) {
    if (what->stream) {
        what->stream = false;
        what->fields["stream"] = false;
    }
    const auto where = base_for(now.head);
    std::string webhook(now.head[webhook_header]);
    auto accepted = co_await jobs->accept(std::move(what), where, std::move(webhook));
    if (!accepted) {
        co_await refuse(now, accepted.error());
        co_return;
    }
    auto made = accepted_reply(*accepted, where);
    made.headers.emplace_back("X-Request-Id", now.id);
    co_await reply(now, std::move(made));
}

awaitable<answer<openai_request>> service::impl::check_openai(raw_body body) {
    const auto parse = [&rules = options.reading.rules,
                        held = body.held](const std::string& text) -> answer<openai_request> {
        // Anything may be in it, and all of it becomes values.
        if (auto room = make_room_to_parse(text, held->memory); !room)
            return room.error();
        return parse_openai(text, rules);
    };
    answer<openai_request> asked = openai_request();
    if (body.text.size() <= quickly_parsed) {
        asked = parse(body.text);
    } else {
        auto work = [parse, text = std::move(body.text)] { return parse(text); };
        asked = co_await threads->run(std::move(work));
    }
    if (!asked)
        co_return asked.error();
    auto settled = settle_holding(asked->checked, std::move(body.held));
    if (!settled)
        co_return settled.error();
    co_return std::move(asked);
}

awaitable<void> service::impl::answer_chat(const http::request& head, http::exchange& peer) {
    // Until the request is read nothing of it is known.
    openai_dialect nameless({}, {}, 0, false);
    visit now(head, peer, nameless, "llm");
    const bool in = co_await let_in(now);
    if (!in)
        co_return;
    auto body = co_await counted_reading(reading, read_json_body(peer, options.reading));
    if (!body) {
        co_await refuse(now, body.error());
        co_return;
    }
    const bool begun = co_await take_turn(now);
    if (!begun)
        co_return;
    auto asked = co_await check_openai(std::move(*body));
    if (!asked) {
        co_await refuse(now, asked.error());
        co_return;
    }
    openai_dialect speaks(now.id, asked->checked.model, std::time(nullptr), asked->include_usage);
    visit named(head, peer, speaks, "llm", now.id);
    named.place = std::move(now.place);
    auto what = std::make_shared<const request>(std::move(asked->checked));
    if (what->stream)
        co_await answer_stream(named, std::move(what));
    else
        co_await answer_whole(named, std::move(what));
}

} // namespace rivulet::batch
