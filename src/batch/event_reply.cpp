#include "batch/event_reply.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/json/serialize.hpp>

namespace rivulet::batch {

namespace {

// A client that takes nothing for so long is gone.
constexpr auto write_limit = std::chrono::seconds(60);

} // namespace

event_reply::event_reply(
    http::exchange& peer,
    completion_dialect& dialect,
    const std::string& request_id,
    event_reply_options options
)
    : peer_(peer), dialect_(dialect), request_id_(request_id), options_(options),
      body_(peer, write_limit), last_(steady_clock::now()), changed_(peer.connection().executor()) {
}

awaitable<bool> event_reply::serve(work what) {
    using namespace asio::experimental::awaitable_operators;
    // Both end by themselves: a write is never cut in the middle by the end of the other.
    auto how = co_await (run(std::move(what)) && heartbeats());
    co_return co_await finish(std::move(how));
}

awaitable<answer<void>> event_reply::run(work what) {
    auto how = co_await what(*this);
    over_ = true;
    changed_.notify_all();
    co_return how;
}

awaitable<void> event_reply::heartbeats() {
    // The coroutine beside this one says that they were cancelled.
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    while (!over_ && cancelled.cancelled() == asio::cancellation_type::none) {
        const auto due = last_ + options_.heartbeat;
        // Whether the client takes a chunk shows when its write has ended.
        if (writing_)
            co_await changed_.wait();
        else if (gone_)
            break;
        else if (steady_clock::now() < due)
            co_await changed_.wait_until(due);
        else
            co_await send(": keep-alive\n\n");
    }
}

awaitable<bool> event_reply::chunk(std::string_view json) {
    auto said = dialect_.chunk(json);
    if (!said)
        co_return !gone_;
    begun_ = true;
    co_return co_await send("data: " + *said + "\n\n");
}

// A write that is cancelled leaves by an exception; nobody may wait for its turn for ever.
class event_reply::turn {
  public:
    explicit turn(event_reply& of) : of_(of) {}

    ~turn() {
        of_.writing_ = false;
        of_.changed_.notify_all();
    }

    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

  private:
    event_reply& of_;
};

awaitable<bool> event_reply::send(std::string text) {
    while (writing_)
        co_await changed_.wait();
    if (gone_)
        co_return false;
    start();
    // Also when the write is cancelled: nobody knows then how much of it went.
    gone_ = writing_ = true;
    const turn ends_with_this_call(*this);
    const auto failed = co_await body_.write(text);
    gone_ = bool(failed);
    last_ = steady_clock::now();
    co_return !gone_;
}

void event_reply::start() {
    if (body_.started())
        return;
    http::response head;
    head.content_type = "text/event-stream";
    head.headers = {
        {"Cache-Control", "no-cache"},
        // Proxies that collect answers before they pass them on leave this one alone.
        {"X-Accel-Buffering", "no"},
        {"X-Request-Id", request_id_}};
    body_.start(head);
}

awaitable<bool> event_reply::finish(answer<void> how) {
    if (gone_)
        co_return false;
    if (!how && !body_.started()) {
        auto refusal = dialect_.refusal(how.error(), request_id_);
        co_await peer_.reply(std::move(refusal));
        co_return false;
    }
    std::string last;
    if (how) {
        if (const auto closing = dialect_.closing())
            last = "data: " + *closing + "\n\n";
        if (options_.done_event)
            last += "data: [DONE]\n\n";
    } else {
        const auto body = dialect_.error(how.error(), request_id_);
        last = "event: error\ndata: " + boost::json::serialize(body) + "\n\n";
    }
    start();
    const auto failed = co_await body_.end(last);
    if (failed)
        co_return false;
    co_return how.has_value();
}

} // namespace rivulet::batch
