// What the trickle door of a gateway is asked and what it answers: POST
// /live/video-to-video/{stream}/trickle and its JSON. Pure; any answer is safe to read.
// Fails with: invalid_argument (a setting that can't be sent), protocol_violation (an answer that
// no such door gives).
#pragma once

#include "base/error.hpp"
#include "gateway_session.hpp"
#include "http/client_parser.hpp"
#include "http/client_url.hpp"

#include <string>
#include <string_view>

namespace rivulet::element {

struct door_request {
    std::string url;
    http::header_list headers; // the token is among them
    std::string body;

    door_request() {}
};

// `params`: a JSON object as text, or empty. No failure names the token.
outcome<door_request> make_door_request(
    const session_settings& settings, const std::string& stream, const std::string& params
);

// What the gateway opened.
struct open_door {
    session_place place;
    std::string publish_url, subscribe_url;
    std::string control_url, events_url; // empty: the gateway has none
    std::string update_url;              // POST of parameters, with the token

    open_door() {}
};

// `request`: what the answer is to.
outcome<open_door> read_door_reply(const door_request& request, std::string_view body);

// What a refusal says to a person: the message of {"error":{"message":…}}, or the first line.
std::string refusal_text(std::string_view body);

// The text is a JSON object.
bool is_json_object(std::string_view text);

// An address in a gateway's answer as this client reaches it. A proxy in front may have taken the
// TLS off or may serve the gateway below a path; the gateway then names its own host without them.
// Nothing that was asked for over TLS is sent in the clear to another host.
outcome<http::http_url> as_addressed(const http::http_url& asked, http::http_url told);

} // namespace rivulet::element
