// The access question for HTTP requests: where the key stands in one, and what a refusal looks
// like. Trickle GETs included.
// Thread: any shard.
#pragma once

#include "http/message.hpp"
#include "ingest/access.hpp"
#include "live/door_channels.hpp"
#include "trickle/server.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::live {

// The token of "Authorization: Bearer KEY"; empty: none.
std::string bearer_of(std::string_view authorization);

// "Authorization: Bearer KEY", else the query's (ingest::key_of); empty: none.
std::string key_of(
    std::string_view authorization, const std::vector<std::pair<std::string, std::string>>& query
);
std::string key_of(const http::request& request);

// 401 with WWW-Authenticate when there was no key, 403 when there was a wrong one, 503 when nobody
// could be asked.
http::response access_refused(const failure& why, bool had_key);

// Asks; absent when the request may go on. Without `check` everything may.
awaitable<std::optional<http::response>> ask_access(
    const ingest::check_access& check,
    ingest::access_action action,
    const http::request& request,
    std::string stream
);

// Lets the trickle server ask `check` before every read of a channel. Those of open trickle doors
// need no key: their names are the leave, to read what is for reading. `doors` outlives the server.
void guard_reads(
    trickle::server_options& options,
    ingest::check_access check,
    const door_channels* doors = nullptr
);

} // namespace rivulet::live
