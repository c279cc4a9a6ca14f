// Publishes a feed to an rtmp:// or rtmps:// server, in process, and reconnects until stopped.
// Thread: the feed's home shard.
// Owns: its coroutine and connection.
#pragma once

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "egress/feed_table.hpp"
#include "http/stream.hpp"
#include "http/tls.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace rivulet::egress {

struct rtmp_push_options {
    http::tls_context tls; // for rtmps:// (http::client_tls); null: rtmps is refused
    // Asked for the address of every connection; empty: any may be used.
    http::address_filter allowed;
    // Push this channel only and end with it; null: whatever has the name, now and later.
    trickle::channel_ptr source;
    duration connect_limit = std::chrono::seconds(10);
    duration handshake_limit = std::chrono::seconds(10); // until NetStream.Publish.Start
    duration stall_limit = std::chrono::seconds(10);     // a server that takes no bytes is left
    duration backoff_first = std::chrono::seconds(1), backoff_last = std::chrono::seconds(5);
};

enum class push_state { waiting_for_feed, connecting, publishing, backing_off, ended };
std::string_view to_string(push_state state);

struct rtmp_push_status {
    push_state state = push_state::waiting_for_feed;
    std::string target; // without credentials, stream key and query
    std::string last_error;
    std::uint64_t reconnects = 0, bytes = 0, video_units = 0, audio_units = 0, dropped_units = 0;
    bool watching = false; // it is a subscriber of the feed now
};

// Checks an address that a user gave: scheme rtmp or rtmps, a host, an application and a name.
// Fails with invalid_argument and a text for the user.
outcome<void> check_push_url(const std::string& url);

class rtmp_push {
  public:
    // Looks the feed up by `name` again and again until it exists, connects when there is a
    // keyframe to send, and ends when stop() is called or, with options.source, when that channel
    // has ended. `find` as for rtmp_play.
    rtmp_push(
        asio::any_io_executor executor,
        std::string url,
        std::string name,
        find_feed find,
        rtmp_push_options options,
        logger log
    );
    ~rtmp_push();
    rtmp_push(const rtmp_push&) = delete;
    rtmp_push& operator=(const rtmp_push&) = delete;

    // At once, without a word to the server.
    void stop();
    // The channel has ended: sends the rest and unpublishes, for at most `limit`, then stops.
    awaitable<void> finish(duration limit);
    rtmp_push_status status() const;

  private:
    struct state;
    static awaitable<void> run(std::shared_ptr<state> self);
    static awaitable<std::string>
    publish_from(std::shared_ptr<state> self, std::shared_ptr<channel_feed> feed);
    static awaitable<std::string> publish_once(
        std::shared_ptr<state> self,
        std::shared_ptr<channel_feed> feed,
        std::shared_ptr<feed_subscription> waiting
    );

    std::shared_ptr<state> state_;
    task_group tasks_;
};

} // namespace rivulet::egress
