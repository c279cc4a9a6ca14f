#include "batch/public_url.hpp"

#include <algorithm>
#include <cctype>

namespace rivulet::batch {
namespace {

constexpr std::size_t longest_host = 255 + 6; // with a port

// What goes into a JSON answer and from there into pages: nothing but a host and a port.
bool is_host(std::string_view text) {
    return !text.empty() && text.size() <= longest_host && std::ranges::all_of(text, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' ||
               c == '_' || c == ':' || c == '[' || c == ']';
    });
}

} // namespace

std::string public_base(std::string_view gateway_host) {
    while (gateway_host.ends_with('/'))
        gateway_host.remove_suffix(1);
    if (gateway_host.empty())
        return {};
    std::string base(gateway_host);
    return base.find("://") == std::string::npos ? "http://" + base : base;
}

std::string base_of(const http::request& head) {
    const auto host = head["Host"];
    if (!is_host(host))
        return {};
    const bool secure = head.secure || head["X-Forwarded-Proto"] == "https";
    return (secure ? "https://" : "http://") + std::string(host);
}

} // namespace rivulet::batch
