#include "door_wire.hpp"

#include "http/target.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rivulet::element {

namespace json = boost::json;

namespace {

constexpr std::string_view live_path = "/live/video-to-video/";
constexpr std::string_view door_path = "/trickle";
constexpr std::size_t longest_reason = 300;

bool fits_a_header(std::string_view text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

std::string without_slash(std::string path) {
    while (!path.empty() && path.back() == '/')
        path.pop_back();
    return path;
}

std::string text_at(const json::object& from, std::string_view key) {
    const auto* found = from.if_contains(key);
    return found && found->is_string() ? std::string(found->as_string()) : std::string();
}

} // namespace

bool is_json_object(std::string_view text) {
    boost::system::error_code bad;
    const auto value = json::parse(text, bad);
    return !bad && value.is_object();
}

std::string refusal_text(std::string_view body) {
    boost::system::error_code bad;
    const auto value = json::parse(body, bad);
    if (const auto* object = bad ? nullptr : value.if_object()) {
        const auto* error = object->if_contains("error");
        if (error && error->is_object())
            return text_at(error->get_object(), "message").substr(0, longest_reason);
        return text_at(*object, "error").substr(0, longest_reason);
    }
    auto line = std::string(body.substr(0, std::min(body.find_first_of("\r\n"), longest_reason)));
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' '
    );
    return line;
}

outcome<door_request> make_door_request(
    const session_settings& settings, const std::string& stream, const std::string& params
) {
    auto gateway = http::parse_http_url(settings.gateway);
    if (!gateway)
        return failure(
            errc::invalid_argument, "gateway: " + gateway.error().detail + " (http://HOST:PORT)"
        );
    if (!gateway->query.empty())
        return failure(errc::invalid_argument, "gateway: the address must have no query");
    if (stream.empty() || stream == "." || stream == "..")
        return failure(errc::invalid_argument, "stream: no name that a gateway takes");
    door_request made;
    json::object body;
    if (!settings.pipeline.empty())
        body["pipeline"] = settings.pipeline;
    if (!params.empty()) {
        boost::system::error_code bad;
        auto value = json::parse(params, bad);
        if (bad || !value.is_object())
            return failure(errc::invalid_argument, "params: not a JSON object");
        body["params"] = std::move(value);
    }
    made.body = json::serialize(body);
    auto asked = *gateway;
    asked.path = without_slash(asked.path);
    asked.path.append(live_path).append(http::percent_encode(stream)).append(door_path);
    made.url = http::to_text(asked);
    made.headers.emplace_back("Content-Type", "application/json");
    if (!settings.token.empty()) {
        if (!fits_a_header(settings.token))
            return failure(errc::invalid_argument, "token: it has characters that can't be sent");
        made.headers.emplace_back("Authorization", "Bearer " + settings.token);
    }
    return made;
}

outcome<http::http_url> as_addressed(const http::http_url& asked, http::http_url told) {
    if (!boost::beast::iequals(asked.host, told.host)) {
        if (asked.secure && !told.secure)
            return failure(
                errc::protocol_violation,
                "http://" + told.authority +
                    ", without TLS, though the gateway was asked over https; start the gateway "
                    "with -gatewayHost " +
                    asked.authority
            );
        return told;
    }
    if (asked.secure && !told.secure) {
        told.secure = true;
        told.port = asked.port;
        told.authority = asked.authority;
    }
    const auto prefix = asked.path.substr(0, asked.path.rfind(live_path));
    if (told.port == asked.port && !prefix.empty() && !told.path.starts_with(prefix + '/'))
        told.path.insert(0, prefix);
    return told;
}

outcome<open_door> read_door_reply(const door_request& request, std::string_view body) {
    const auto asked = http::parse_http_url(request.url);
    if (!asked)
        return asked.error();
    boost::system::error_code bad;
    const auto value = json::parse(body, bad);
    const auto* object = bad ? nullptr : value.if_object();
    if (!object)
        return failure(
            errc::protocol_violation,
            "the answer is not of a gateway's trickle door: no JSON object"
        );
    open_door made;
    const std::pair<const char*, std::string*> addresses[] = {
        {"publish_url", &made.publish_url},
        {"subscribe_url", &made.subscribe_url},
        {"control_url", &made.control_url},
        {"events_url", &made.events_url}};
    for (const auto& [key, into] : addresses) {
        const auto text = text_at(*object, key);
        if (text.empty())
            continue;
        auto told = http::parse_http_url(text);
        if (!told)
            return failure(
                errc::protocol_violation,
                std::string(key) + " in the answer: " + told.error().detail
            );
        auto reached = as_addressed(*asked, std::move(*told));
        if (!reached)
            return failure(
                reached.error().code, std::string(key) + " in the answer: " + reached.error().detail
            );
        *into = http::to_text(*reached);
    }
    if (made.publish_url.empty() || made.subscribe_url.empty())
        return failure(
            errc::protocol_violation,
            "the answer is not of a gateway's trickle door: publish_url or subscribe_url is missing"
        );
    auto update = *asked;
    update.path.resize(update.path.size() - door_path.size());
    update.path += "/update";
    made.update_url = http::to_text(update);
    made.place.gateway = asked->endpoint();
    made.place.stream = text_at(*object, "stream");
    made.place.stream_id = text_at(*object, "stream_id");
    made.place.request_id = text_at(*object, "request_id");
    return made;
}

} // namespace rivulet::element
