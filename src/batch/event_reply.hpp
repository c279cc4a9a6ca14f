// A conversation's answer as an event stream to its client: one event a chunk, sent at once;
// comments while it is quiet, so that nobody between takes the connection for dead; then [DONE], or
// an error event. Nothing is sent before there is something to say, so that a request that fails
// at once gets a real status.
// Thread: the connection's shard.
#pragma once

#include "base/notifier.hpp"
#include "batch/completion_dialect.hpp"
#include "batch/dispatcher.hpp"
#include "http/body_writer.hpp"

#include <functional>
#include <string>

namespace rivulet::batch {

struct event_reply_options {
    duration heartbeat = std::chrono::seconds(15); // of silence, then ": keep-alive"
    bool done_event = true;                        // "data: [DONE]" ends a good answer

    event_reply_options() {}
};

class event_reply final : public completion_sink {
  public:
    // All of them outlive it.
    event_reply(
        http::exchange& peer,
        completion_dialect& dialect,
        const std::string& request_id,
        event_reply_options options
    );

    // Runs `work` with this as its sink (dispatcher::run_stream) and ends the reply as it went.
    // True when the client got a good answer to its end. Cancelled by whoever notices that the
    // client left; a write that fails ends the work, too.
    using work = std::function<awaitable<answer<void>>(completion_sink& to)>;
    awaitable<bool> serve(work what);

    awaitable<bool> chunk(std::string_view json) override;

    // A heartbeat alone doesn't count: another orchestrator may still begin.
    bool begun() const override { return begun_; }

  private:
    class turn;

    awaitable<answer<void>> run(work what);
    awaitable<void> heartbeats();
    awaitable<bool> send(std::string text);
    void start();
    awaitable<bool> finish(answer<void> how);

    http::exchange& peer_;
    completion_dialect& dialect_;
    const std::string& request_id_;
    const event_reply_options options_;
    http::body_writer body_;
    bool begun_ = false, writing_ = false, gone_ = false, over_ = false;
    time_point last_;
    notifier changed_;
};

} // namespace rivulet::batch
