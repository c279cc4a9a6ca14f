#include "webrtc/session_http.hpp"

#include "webrtc/sdp_line.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::webrtc {
namespace {

http::status status_of(const error_code& code, bool key_given) {
    if (code == errc::invalid_argument || code == errc::protocol_violation)
        return http::status::bad_request;
    if (code == errc::unauthorized)
        return key_given ? http::status::forbidden : http::status::unauthorized;
    if (code == errc::not_found)
        return http::status::not_found;
    if (code == errc::unsupported)
        return http::status::not_acceptable;
    if (code == errc::already_exists)
        return http::status::conflict;
    if (code == errc::too_large)
        return http::status::payload_too_large;
    if (code == errc::too_many)
        return http::status::too_many_requests;
    if (code == errc::no_capacity || code == errc::timed_out || code == errc::closed ||
        code == errc::cancelled)
        return http::status::service_unavailable;
    return http::status::internal_server_error;
}

bool good_host(std::string_view host) {
    return !host.empty() && host.size() <= 255 && printable(host) &&
           host.find_first_of(" /\\\"'<>@?#") == std::string_view::npos;
}

} // namespace

bool is_content_type(std::string_view header, std::string_view type) {
    return same_without_case(trimmed(header.substr(0, header.find(';'))), type);
}

precondition check_if_match(std::string_view header, std::string_view etag) {
    if (trimmed(header).empty())
        return precondition::missing;
    while (!header.empty()) {
        const auto comma = std::min(header.find(','), header.size());
        auto one = trimmed(header.substr(0, comma));
        header.remove_prefix(std::min(comma + 1, header.size()));
        if (one == "*")
            return precondition::any;
        if (one == etag)
            return precondition::met;
    }
    return precondition::failed;
}

std::string bearer_of(std::string_view authorization) {
    const auto scheme = take_word(authorization);
    if (!same_without_case(scheme, "Bearer"))
        return {};
    return std::string(trimmed(authorization));
}

std::string base_of(const http::request& asked) {
    const auto host = trimmed(asked["Host"]);
    if (!good_host(host))
        return {};
    const bool tls = asked.secure || same_without_case(asked["X-Forwarded-Proto"], "https");
    return (tls ? "https://" : "http://") + std::string(host);
}

http::response reply_of(const failure& why, bool key_given) {
    const auto status = status_of(why.code, key_given);
    const bool ours = status == http::status::internal_server_error;
    auto reply =
        http::error_response(status, ours && why.detail.empty() ? why.code.message() : why.detail);
    if (status == http::status::unauthorized)
        reply.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (status == http::status::service_unavailable)
        reply.headers.emplace_back("Retry-After", "1");
    return reply;
}

http::response wrong_type(std::string_view header, std::string_view wanted) {
    auto reply = http::error_response(
        http::status::unsupported_media_type, fmt::format("the Content-Type must be {}", wanted)
    );
    reply.headers.emplace_back(header, wanted);
    return reply;
}

bool names_key(const session_request& request) {
    if (!request.bearer.empty())
        return true;
    return std::any_of(request.query.begin(), request.query.end(), [](const auto& entry) {
        return !entry.second.empty() && (entry.first == "key" || entry.first == "token" ||
                                         entry.first == "pass" || entry.first == "jwt");
    });
}

} // namespace rivulet::webrtc
