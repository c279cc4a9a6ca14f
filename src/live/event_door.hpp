// The event feed for browsers and scripts: WebSockets at /live/video-to-video/events (all streams)
// and /live/video-to-video/{stream}/events. Each message is one event,
//   {"seq":N,"time":MS,"stream":NAME,"type":T,"data":{…}}
// `?after=SEQ` resumes behind that number, `?after=0` begins with all that is kept; without it only
// what is new is sent. What a client says is ignored.
// Thread: add before the server listens.
#pragma once

#include "http/server.hpp"
#include "http/websocket_host.hpp"
#include "ingest/access.hpp"
#include "live/event_hub.hpp"

#include <memory>

namespace rivulet::live {

struct event_door_options {
    ingest::check_access check; // asked with action control; empty: everybody may
};

void add_event_door(
    http::websocket_host& host,
    http::server& server,
    std::shared_ptr<event_hub> hub,
    event_door_options options = {}
);

} // namespace rivulet::live
