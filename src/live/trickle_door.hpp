// The door for programs that speak trickle: POST /live/video-to-video/{stream}/trickle admits a
// publisher and answers with the URLs of its own input, output, control and events channels.
// docs/trickle-door.md is the page for those who write such a program.
// Thread: construct, stop and destroy from outside the shards; handlers run on any shard.
// Owns: the sessions.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/server.hpp"
#include "live/door_channels.hpp"
#include "live/gate.hpp"
#include "live/trickle_session.hpp"

#include <memory>
#include <string>

namespace rivulet::live {

struct trickle_door_options {
    std::string channel_path = "/ai/trickle/"; // where the trickle server is
    std::string playback_prefix;               // of WHEP addresses; empty: this gateway
    duration admission_limit = std::chrono::seconds(30);
    trickle_session_options session;
};

class trickle_door {
  public:
    // What it is given outlives it.
    trickle_door(
        shards& threads,
        trickle::channel_table& table,
        door_channels& channels,
        gate& access,
        std::shared_ptr<event_hub> events,
        trickle_door_options options,
        logger log
    );
    ~trickle_door(); // stop()
    trickle_door(const trickle_door&) = delete;
    trickle_door& operator=(const trickle_door&) = delete;

    // Before the server listens; the door outlives the server's connections.
    void add_route(http::server& server);

    // Refuses publishers and waits until readers have the end of those that ended, for a moment.
    // After the streams, before the channels. Blocks; idempotent.
    void stop();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::live
