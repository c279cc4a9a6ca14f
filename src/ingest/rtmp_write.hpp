// Writes what was gathered, piece by piece: the deadline is for progress, not for the whole batch,
// so that a peer on a slow line is told from one that takes nothing.
// Thread: the connection's shard.
#pragma once

#include "http/stream.hpp"
#include "ingest/rtmp_chunk.hpp"

namespace rivulet::ingest {

inline constexpr std::size_t rtmp_write_piece = 64u << 10;

// `to` and `what` stay valid until the call returns. Fails with timed_out when a piece of
// rtmp_write_piece bytes takes longer than `stall_limit`, or the socket's error.
awaitable<error_code>
write_in_pieces(http::stream& to, const rtmp_gather& what, duration stall_limit);

} // namespace rivulet::ingest
