// The WebSocket handshake's first half: is this request an upgrade, is it a good one, and what does
// the WebSocket library get to see of it. The library never reads what a stranger wrote: it gets a
// request of our own that carries only checked values. Pure.
#pragma once

#include "base/error.hpp"
#include "http/message.hpp"

#include <string>
#include <string_view>

namespace rivulet::http {

struct websocket_offer {
    std::string key;     // Sec-WebSocket-Key, checked
    std::string deflate; // the extension offer in our words; empty: none that we take
};

// True when the request asks for a WebSocket, well or badly.
bool wants_websocket(const beast_http::request_header<>& header);

// Fails with unsupported (a version of the protocol other than 13; 426) or invalid_argument (400).
outcome<websocket_offer> check_upgrade(const beast_http::request_header<>& header);

// The first permessage-deflate offer of a Sec-WebSocket-Extensions value that can be taken.
std::string deflate_offer(std::string_view extensions);

// What the library reads instead of the peer's request.
std::string upgrade_request(const websocket_offer& offer);

// True when `origin` (of a browser) names the same authority as `host`. Browsers let every page
// open WebSockets to every host, so a page of somewhere else must be refused here.
bool same_origin(std::string_view origin, std::string_view host);

} // namespace rivulet::http
