// The HTTP side of WHIP and WHEP alike (RFC 9725): POST an offer, get an answer and a resource;
// PATCH it (trickle ICE, ICE restart), DELETE it, OPTIONS; HEAD and the rest 405. Checks content
// types, sizes and ETags, writes Location, ETag, Link and the exposed headers, keeps the table of
// resources. What a session does is its door's (ingest/whip_door, egress/whep_door).
// Thread: add() before the server listens; open_session runs on the home shard of the stream, and
// so does everything of the session after.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/server.hpp"
#include "webrtc/sdp_offer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::webrtc {

// A STUN or TURN server for clients, from "stun:host:3478" or
// "turn:user:password@host:3478?transport=tcp".
struct ice_server {
    std::string url;
    std::string username, credential; // never logged
};

// Fails with invalid_argument and a text that names the entry.
outcome<std::vector<ice_server>> parse_ice_servers(const std::vector<std::string>& entries);

// A POST, as a door sees it.
struct session_request {
    std::string id;     // the resource's; names the session on log lines
    std::string stream; // the route's {stream} or {path}, percent-decoded
    std::vector<std::pair<std::string, std::string>> query;
    std::string bearer; // of Authorization: Bearer; empty: none
    std::string user_agent;
    std::string remote; // "127.0.0.1:50123"
    std::string base;   // "http://host:port" as the client sees this gateway
    sdp_offer offer;
};

struct open_session {
    std::string answer;
    std::shared_ptr<peer> transport; // for PATCH
    std::vector<std::pair<std::string, std::string>>
        headers; // besides the common ones; exposed too
    // DELETE, or the gateway ends: on the home shard; the door frees everything. Not called after
    // session_ended().
    std::function<void(std::string reason)> close;
};

// Decides over a POST; runs on the home shard of the stream. A failure becomes a JSON error with
// the status of its code: invalid_argument 400, unauthorized 401 (or 403 when a key was given),
// not_found 404, unsupported 406, too_many 429, no_capacity and timed_out 503 with Retry-After.
using session_door = std::function<awaitable<outcome<open_session>>(session_request)>;

struct session_routes_options {
    std::vector<ice_server> ice_servers;
    std::size_t body_bytes = max_sdp_bytes;
};

class session_routes {
  public:
    // `ending` is "whip" or "whep".
    session_routes(shards& shards, std::string ending, session_routes_options options, logger log);
    ~session_routes();
    session_routes(const session_routes&) = delete;
    session_routes& operator=(const session_routes&) = delete;

    // `pattern` as http::server takes it, with one {stream}: "/live/video-to-video/{stream}/whip".
    // Resources live below it: pattern + "/{session}". `locate` names the stream whose home shard
    // a {stream} belongs to ("cam" for "cam-1a2b3c4d-out"); empty: the text itself.
    using locate = std::function<awaitable<std::string>(std::string stream)>;
    void add(http::server& server, const std::string& pattern, locate where, session_door door);

    // The session ended by itself: its resource is 404 from now on. Home shard.
    void session_ended(const std::string& id);

    std::size_t sessions() const;
    // Closes every session. Blocks; from outside the shards.
    void stop();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::webrtc
