// Plays a stream of another RTMP server and publishes it here: the connection of MediaMTX's hook.
// Connects again while the source is there, ends when it is gone.
// Thread: the executor's, which is the home shard of the stream's name.
// Owns: its coroutine, connection and pipeline. The sink is told of one continuous publisher.
#pragma once

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "http/stream.hpp"
#include "http/tls.hpp"
#include "ingest/source.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace rivulet::ingest {

struct rtmp_pull_options {
    http::tls_context tls; // for rtmps:// (http::client_tls); null: rtmps is refused
    // Asked for the address of every connection; empty: any may be used.
    http::address_filter allowed;
    // Whether the source is still there, asked before every attempt but the first; empty: yes.
    std::function<awaitable<bool>()> exists;
    // Called once, after the sink was told, unless stop() did it; may destroy the rtmp_pull.
    std::function<void(std::string reason)> ended;
    duration connect_limit = std::chrono::seconds(10);
    duration handshake_limit = std::chrono::seconds(10); // until NetStream.Play.Start
    duration idle_limit = std::chrono::seconds(15);      // without a byte from the server
    duration no_media_limit = std::chrono::seconds(10);  // the server must send media within
    duration audio_only_limit = std::chrono::seconds(5); // audio without any video ends it
    duration stall_limit = std::chrono::seconds(10);     // a server that takes no bytes is left
    duration give_up = std::chrono::seconds(30);         // without a unit for so long
    duration backoff_first = std::chrono::milliseconds(250), backoff_last = std::chrono::seconds(4);
};

enum class pull_state { connecting, playing, backing_off, ended };
std::string_view to_string(pull_state state);

struct rtmp_pull_status {
    pull_state state = pull_state::connecting;
    std::string source; // without credentials, stream key and query
    std::string last_error;
    std::uint64_t connects = 0, units = 0, bytes = 0;
};

class rtmp_pull {
  public:
    // `url` is rtmp://HOST[:PORT]/APP/NAME (or rtmps://); a wrong one ends at once. Begins with the
    // next turn of the executor, so `ended` never runs inside the constructor.
    rtmp_pull(
        asio::any_io_executor executor,
        std::string url,
        std::shared_ptr<unit_sink> sink,
        rtmp_pull_options options,
        logger log
    );
    // stop("cancelled")
    ~rtmp_pull();
    rtmp_pull(const rtmp_pull&) = delete;
    rtmp_pull& operator=(const rtmp_pull&) = delete;

    // Closes the connection and tells the sink `reason`. What the kick of the admission calls.
    // Idempotent; `ended` is not called.
    void stop(std::string reason);
    rtmp_pull_status status() const;

  private:
    struct state;
    static awaitable<void> run(std::shared_ptr<state> self);
    static awaitable<std::string> play_once(std::shared_ptr<state> self);

    std::shared_ptr<state> state_;
    task_group tasks_;
};

} // namespace rivulet::ingest
