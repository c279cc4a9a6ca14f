// RTMP players: sequence headers, the group from the newest keyframe at once, then live. Bodies are
// built once per unit and shared by all players.
// Thread: the home shard of the stream's name.
#pragma once

#include "egress/feed_table.hpp"
#include "ingest/access.hpp"
#include "ingest/rtmp_server.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace rivulet::egress {

struct rtmp_play_options {
    duration wait_for_stream = std::chrono::seconds(10); // for a name that is not there yet
    duration poll = std::chrono::milliseconds(100);      // while waiting for it
    std::size_t write_bytes = 256u << 10;                // at most so much in one gather write
    ingest::check_access access;                         // asked first; empty: everybody may watch
};

struct rtmp_play_stats {
    std::atomic<std::uint64_t> served{0}, dropped_units{0}, cut_slow{0}, not_found{0}, refused{0};
};

// The callback for ingest::rtmp_callbacks::play. A player that may not watch is answered with
// NetStream.Play.Failed, a name that never appears with NetStream.Play.StreamNotFound, the
// channel's end with NetStream.Play.UnpublishNotify and Stop.
ingest::serve_player
rtmp_play(find_feed find, rtmp_play_options options, std::shared_ptr<rtmp_play_stats> stats);

} // namespace rivulet::egress
