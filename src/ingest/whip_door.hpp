// WHIP: publishers offer video (and sound) with an SDP and send it over WebRTC. Decides over a POST
// (codecs, then whether the stream may be published, then the answer) and keeps the sessions. The
// HTTP side is webrtc::session_routes.
// Thread: construct, stop and destroy from outside the shards; the rest on the home shard of the
// stream's name, unless said. The network and the hooks outlive it.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "ingest/source.hpp"
#include "ingest/whip_publisher.hpp"
#include "webrtc/network.hpp"
#include "webrtc/session_routes.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::ingest {

struct whip_options {
    whip_publisher_options publisher;
    // In front of {stream}-{request}-out/whep in Livepeer-Playback-URL, with the slash at its end;
    // empty: this gateway, below /live/video-to-video/.
    std::string playback_prefix;
    duration admission_limit = std::chrono::seconds(30); // for the answer of whip_hooks::publish
};

struct whip_hooks {
    admit_publisher publish;
    // The session ended by itself: session_routes::session_ended.
    std::function<void(const std::string& id)> session_ended;
};

class whip_door {
  public:
    whip_door(
        shards& shards, webrtc::network& network, whip_hooks hooks, whip_options options, logger log
    );
    ~whip_door(); // stop()
    whip_door(const whip_door&) = delete;
    whip_door& operator=(const whip_door&) = delete;

    // For session_routes::add(); the door outlives its use.
    webrtc::session_door door();

    // Of the stream's publishers; more than one only while one takes over from another.
    std::vector<whip_session_stats> stats(const std::string& stream) const;
    // Any thread.
    std::size_t sessions() const;
    // Ends every session and refuses new ones. Blocks; idempotent.
    void stop();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::ingest
