#include "doors_route.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace rivulet {

namespace json = boost::json;

namespace {

json::value url(std::string_view scheme, std::string_view host, std::uint16_t port) {
    if (port == 0)
        return nullptr;
    return json::value(fmt::format("{}://{}:{}", scheme, host, port));
}

json::array ice_servers(const door_list& doors) {
    json::array list;
    for (const auto& server : doors.ice_servers) {
        json::object entry;
        entry["urls"] = server.url;
        // Who needs a key gets the credentials with the answer to WHIP or WHEP, after the check.
        if (!doors.auth && !server.username.empty()) {
            entry["username"] = server.username;
            entry["credential"] = server.credential;
        }
        list.push_back(std::move(entry));
    }
    return list;
}

} // namespace

std::string host_of(std::string_view host_header) {
    const auto bracket = host_header.find(']');
    const auto colon = host_header.find(':', bracket == host_header.npos ? 0 : bracket);
    const auto host = host_header.substr(0, colon);
    const bool plain = !host.empty() && std::ranges::all_of(host, [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' ||
               c == ']';
    });
    return plain ? std::string(host) : std::string();
}

json::object to_json(const door_list& doors, std::string_view host) {
    json::object body;
    body["http"] = url("http", host, doors.http);
    body["https"] = url("https", host, doors.https);
    body["ws"] = url("ws", host, doors.http);
    body["wss"] = url("wss", host, doors.https);
    body["rtmp"] = url("rtmp", host, doors.rtmp);
    body["rtmps"] = url("rtmps", host, doors.rtmps);
    body["srt"] = url("srt", host, doors.srt);
    const auto webrtc = [&](std::string_view ending) {
        return doors.webrtc ? json::value(fmt::format("/live/video-to-video/{{stream}}/{}", ending))
                            : json::value(nullptr);
    };
    body["whip"] = webrtc("whip");
    body["whep"] = webrtc("whep");
    body["trickle"] = "/live/video-to-video/{stream}/trickle";
    body["ice_servers"] = ice_servers(doors);
    body["auth"] = doors.auth;
    body["pipelines"] = json::array(doors.pipelines.begin(), doors.pipelines.end());
    return body;
}

void door_notice::put(door_list doors) {
    auto made = std::make_shared<const door_list>(std::move(doors));
    const std::lock_guard lock(mutex_);
    doors_.swap(made);
}

std::shared_ptr<const door_list> door_notice::get() const {
    const std::lock_guard lock(mutex_);
    return doors_;
}

void add_doors_route(http::server& server, std::shared_ptr<const door_notice> notice) {
    server.route(
        http::verb::get,
        "/doors",
        [notice = std::move(notice)](const http::request& request) -> awaitable<http::response> {
            const auto doors = notice->get();
            if (!doors) {
                auto early = http::error_response(
                    http::status::service_unavailable, "the gateway is starting"
                );
                early.headers.emplace_back("Retry-After", "1");
                co_return early;
            }
            auto host = doors->host.empty() ? host_of(request["Host"]) : host_of(doors->host);
            if (host.empty())
                host = "localhost";
            auto reply = http::json_response(to_json(*doors, host));
            reply.headers.emplace_back("Cache-Control", "no-store");
            co_return reply;
        }
    );
}

} // namespace rivulet
