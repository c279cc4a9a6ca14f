// The wire shapes of POST /live-video-to-video: the request's JSON and the answer's channel
// addresses. Pure.
// Fails with: protocol_violation and a text that names what the answer lacks.
#pragma once

#include "base/error.hpp"
#include "session/orchestrator_address.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::session {

struct live_request {
    std::string request_id;
    std::string stream_id;
    std::string model_id;
    std::optional<boost::json::object> params; // absent is null on the wire
};

std::string to_json(const live_request& request);

// All four absolute. Named from the gateway's side.
struct live_channels {
    std::string publish_url;   // we write the source here
    std::string subscribe_url; // the result is read here
    std::string control_url;
    std::string events_url;
    std::string manifest_id; // [A-Za-z0-9_-]{1,64}, else empty: it ends up in names
};

outcome<live_channels>
parse_live_answer(std::string_view body, std::string_view base, channel_hosts hosts);

} // namespace rivulet::session
