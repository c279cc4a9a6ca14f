// WHEP: viewers ask for a channel with an SDP offer and get it over WebRTC. Decides over a POST
// (access, slots, codecs, whether there is something to watch) and keeps the sessions. The HTTP
// side is webrtc::session_routes.
// Thread: construct, stop and destroy from outside the shards; the rest on the home shard of the
// stream's name. The network, the feeds and the hooks outlive it.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "egress/feed_table.hpp"
#include "egress/rtp_feed.hpp"
#include "egress/whep_session.hpp"
#include "ingest/access.hpp"
#include "webrtc/network.hpp"
#include "webrtc/session_routes.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::egress {

struct whep_options {
    duration wait = std::chrono::seconds(10); // for a stream that has no picture yet
    std::size_t sessions_per_stream = 0;      // 0: no limit
    // Browsers are told to show pictures as they come (playout-delay extension, where offered) as
    // long as there is no sound to keep them with.
    bool show_at_once = true;
    rtp_feed_options feed;
};

struct whep_hooks {
    // The channel that a path of the URL asks for: "cam-out" for "cam-1a2b3c4d-out". Nothing while
    // there is no such stream; asked again until options.wait has passed.
    std::function<std::optional<std::string>(const std::string& path)> resolve;
    ingest::check_access access;
    rtp_feed::request_keyframe request_keyframe; // may be empty
    // The session ended by itself: session_routes::session_ended.
    std::function<void(const std::string& id)> session_ended;
    // For events; may be empty. `stream` is the base name.
    std::function<void(const std::string& stream, const std::string& id)> joined;
    std::function<void(const std::string& stream, const std::string& id, const std::string& reason)>
        left;
};

struct whep_channel_stats {
    rtp_feed_stats feed;
    std::vector<whep_session_stats> viewers;
};

class whep_door {
  public:
    whep_door(
        shards& shards,
        webrtc::network& network,
        feed_table& feeds,
        whep_hooks hooks,
        whep_options options,
        logger log
    );
    ~whep_door(); // stop()
    whep_door(const whep_door&) = delete;
    whep_door& operator=(const whep_door&) = delete;

    // For session_routes::add(); the door outlives its use.
    webrtc::session_door door();

    // Of the channel's viewers, "cam" and "cam-out" apart; nothing when there are none.
    std::optional<whep_channel_stats> stats(const std::string& channel) const;
    // Any thread.
    std::size_t sessions() const;
    // Ends every session and refuses new ones. Blocks; idempotent.
    void stop();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::egress
