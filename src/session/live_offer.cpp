#include "session/live_offer.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {

namespace json = boost::json;

std::string to_json(const live_request& request) {
    json::object body;
    body["gateway_request_id"] = request.request_id;
    body["model_id"] = request.model_id;
    if (request.params)
        body["params"] = *request.params;
    else
        body["params"] = nullptr;
    body["publish_url"] = "";
    body["stream_id"] = request.stream_id;
    body["subscribe_url"] = "";
    return json::serialize(body);
}

outcome<live_channels>
parse_live_answer(std::string_view body, std::string_view base, channel_hosts hosts) {
    error_code ec;
    json::parse_options options;
    options.max_depth = 16;
    const auto value = json::parse(body, ec, {}, options);
    const auto* object = ec ? nullptr : value.if_object();
    if (!object)
        return failure(
            errc::protocol_violation,
            body.empty() ? "the answer is empty: the orchestrator did not understand the request"
                         : "the answer is not a JSON object"
        );
    const auto text = [object](std::string_view key) -> std::string_view {
        const auto* member = object->if_contains(key);
        const auto* string = member ? member->if_string() : nullptr;
        return string ? std::string_view(*string) : std::string_view();
    };
    live_channels out;
    const std::pair<std::string_view, std::string*> urls[] = {
        {"publish_url", &out.publish_url},
        {"subscribe_url", &out.subscribe_url},
        {"control_url", &out.control_url},
        {"events_url", &out.events_url},
    };
    for (const auto& [key, target] : urls) {
        auto url = resolve_channel_url(base, text(key), hosts);
        if (!url)
            return failure(
                errc::protocol_violation,
                fmt::format("the answer's {} can't be used: {}", key, url.error().detail)
            );
        *target = std::move(*url);
    }
    const auto manifest = text("manifest_id");
    if (manifest.size() <= 64 && std::ranges::all_of(manifest, [](unsigned char c) {
            return std::isalnum(c) || c == '-' || c == '_';
        }))
        out.manifest_id = manifest;
    return out;
}

} // namespace rivulet::session
