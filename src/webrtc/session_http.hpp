// The rules of RFC 9725's resources as far as they are HTTP: content types, preconditions, headers,
// which failure is which status. Pure.
#pragma once

#include "http/message.hpp"
#include "webrtc/session_routes.hpp"

#include <string>
#include <string_view>

namespace rivulet::webrtc {

inline constexpr std::string_view sdp_type = "application/sdp";
inline constexpr std::string_view fragment_type = "application/trickle-ice-sdpfrag";

// Parameters ("; charset=…") and case do not matter.
bool is_content_type(std::string_view header, std::string_view type);

enum class precondition {
    missing, // no If-Match: 428
    any,     // "*"
    met,
    failed // 412
};

precondition check_if_match(std::string_view header, std::string_view etag);

// "Bearer abc" → "abc"; empty otherwise.
std::string bearer_of(std::string_view authorization);
// "http://host:port" of the Host header, https behind TLS of our own or a proxy's; empty without a
// usable Host.
std::string base_of(const http::request& asked);

// One value of a Link header (RFC 9725, 4.6), credentials included.
std::string link_text(const ice_server& server);

// `key_given`: the client named a key, so that another one is needed, not just one.
http::response reply_of(const failure& why, bool key_given);
// 415, with the type that is taken in the header of that name.
http::response wrong_type(std::string_view header, std::string_view wanted);
// The client named a key, in the query or as a bearer token.
bool names_key(const session_request& request);

} // namespace rivulet::webrtc
