// The question that every door asks before it lets somebody in: publish, watch or control a stream.
// Answered by the live side (keys, webhook); doors know no rules.
// Thread: the home shard of the stream's name.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::ingest {

enum class access_action {
    watch,  // WHEP, RTMP play, SRT read, trickle GET
    control // update, status, stop, events
};

struct access_request {
    access_action action = access_action::watch;
    std::string protocol; // "rtmp", "srt", "whep", "http"
    std::string stream;   // the base name: "cam" for "cam-out"
    std::string
        key; // bearer token, "key"/"token"/"pass" of the query, …; empty: none. Never logged
    std::string remote;
};

// Succeeds, or fails with unauthorized and a text for the client. Publishing is decided by
// admit_publisher (source.hpp), which gets the key in publish_request::key.
using check_access = std::function<awaitable<outcome<void>>(access_request)>;

// The key among query parameters: "key", "token", "pass", "jwt" in this order; empty: none.
std::string key_of(const std::vector<std::pair<std::string, std::string>>& query);

} // namespace rivulet::ingest
