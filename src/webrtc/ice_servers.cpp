#include "http/target.hpp"
#include "webrtc/sdp_line.hpp"
#include "webrtc/session_http.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::webrtc {
namespace {

// Names the entry without its password.
failure refuse(std::string_view entry, std::string_view why) {
    const auto at = entry.rfind('@');
    const auto colon = std::min(entry.find(':'), entry.size());
    std::string shown(entry.substr(0, at == std::string_view::npos ? entry.size() : colon));
    if (at != std::string_view::npos)
        shown += ":…" + std::string(entry.substr(at));
    return {
        errc::invalid_argument,
        fmt::format(
            "the ICE server '{}' {}; expected stun:HOST:PORT or "
            "turn:USER:PASSWORD@HOST:PORT?transport=udp",
            shown,
            why
        )};
}

bool good_host_and_port(std::string_view text) {
    const auto query = text.find('?');
    if (query != std::string_view::npos) {
        const auto transport = text.substr(query);
        if (transport != "?transport=udp" && transport != "?transport=tcp")
            return false;
    }
    auto host = text.substr(0, query);
    // "[v6]:3478", "host:3478", "host"
    const auto bracket = host.rfind(']');
    const auto colon = host.rfind(':');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
        const auto port = decimal(host.substr(colon + 1), 65'535);
        if (!port || *port == 0)
            return false;
        host = host.substr(0, colon);
    }
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    });
}

outcome<ice_server> parse_one(std::string_view entry) {
    const auto colon = entry.find(':');
    if (!printable(entry) || colon == std::string_view::npos)
        return refuse(entry, "can't be read");
    const auto scheme = lower_case(entry.substr(0, colon));
    const bool stun = scheme == "stun" || scheme == "stuns";
    const bool turn = scheme == "turn" || scheme == "turns";
    if (!stun && !turn)
        return refuse(entry, "is of no known kind");
    auto rest = entry.substr(colon + 1);
    ice_server made;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const auto login = rest.substr(0, at);
        rest = rest.substr(at + 1);
        const auto divider = login.find(':');
        if (stun || divider == std::string_view::npos || divider == 0)
            return refuse(entry, "has a login that can't be used");
        // '@' and ':' inside are escaped as in a URL.
        const auto user = http::percent_decode(login.substr(0, divider));
        const auto password = http::percent_decode(login.substr(divider + 1));
        if (!user || !password || !printable(*user) || !printable(*password))
            return refuse(entry, "has a login that can't be used");
        made.username = *user;
        made.credential = *password;
    } else if (turn) {
        return refuse(entry, "needs a login");
    }
    if (!good_host_and_port(rest))
        return refuse(entry, "has no usable host and port");
    made.url = scheme + ":" + std::string(rest);
    return made;
}

std::string quoted(const std::string& text) {
    return boost::json::serialize(boost::json::string(text));
}

} // namespace

outcome<std::vector<ice_server>> parse_ice_servers(const std::vector<std::string>& entries) {
    std::vector<ice_server> made;
    for (const auto& entry : entries) {
        auto one = parse_one(trimmed(entry));
        if (!one)
            return one.error();
        made.push_back(std::move(*one));
    }
    return made;
}

std::string link_text(const ice_server& server) {
    auto text = "<" + server.url + ">; rel=\"ice-server\"";
    if (!server.username.empty())
        text += "; username=" + quoted(server.username) +
                "; credential=" + quoted(server.credential) + "; credential-type=\"password\"";
    return text;
}

} // namespace rivulet::webrtc
