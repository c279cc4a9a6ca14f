// The HTTP face of the live streams: update, status, stop, list; and the first page of the gateway.
// Thread: add before the server listens; handlers run on the connection's shard.
#pragma once

#include "http/server.hpp"
#include "ingest/access.hpp"
#include "live/door_channels.hpp"
#include "live/registry.hpp"
#include "trickle/server.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace rivulet::live {

inline constexpr std::size_t update_bytes = 1024 * 1024;

// New parameters of a stream, wherever they come from: at most `update_bytes`, and a JSON object.
outcome<boost::json::object> parse_update(std::string_view body);

// All of them outlive the server's connections. `check` is asked before anything is told or
// changed; empty: everybody may.
void add_routes(http::server& server, registry& streams, ingest::check_access check = {});

// Hooks for the trickle server that shares the channel table with the live streams: nobody may
// write, create or delete channels over HTTP, but for those of the trickle doors that are open,
// which outlive the server; null: there are none. guard_reads() says who may read.
void forbid_writes(trickle::server_options& options, const door_channels* doors = nullptr);

// Escapes text for HTML.
std::string html_text(std::string_view text);

} // namespace rivulet::live
