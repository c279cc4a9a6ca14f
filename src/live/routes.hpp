// The HTTP face of the live streams: update, status, stop, list; and the first page of the gateway.
// Thread: add before the server listens; handlers run on the connection's shard.
#pragma once

#include "http/server.hpp"
#include "ingest/access.hpp"
#include "live/registry.hpp"
#include "trickle/server.hpp"

#include <string>

namespace rivulet::live {

inline constexpr std::size_t update_bytes = 1024 * 1024;

// All of them outlive the server's connections. `check` is asked before anything is told or
// changed; empty: everybody may.
void add_routes(http::server& server, registry& streams, ingest::check_access check = {});

// Hooks for the trickle server that shares the channel table with the live streams: nobody may
// write, create or delete channels over HTTP. guard_reads() says who may read them.
void forbid_writes(trickle::server_options& options);

// Escapes text for HTML.
std::string html_text(std::string_view text);

} // namespace rivulet::live
