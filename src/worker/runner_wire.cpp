#include "worker/runner_wire.hpp"

#include "base/utf8.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rivulet::worker {

namespace {

constexpr std::size_t text_limit = 256;
constexpr std::size_t gpu_limit = 64;

std::string printable(std::string_view text, std::size_t limit) {
    auto out = valid_utf8(text, limit);
    std::replace_if(
        out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' '
    );
    return out;
}

boost::json::object object_of(std::string_view body) {
    error_code bad;
    auto value = boost::json::parse(body, bad);
    if (bad || !value.is_object())
        return {};
    return std::move(value.as_object());
}

std::string text_of(const boost::json::object& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? printable(*text, text_limit) : std::string();
}

std::int64_t number_of(const boost::json::object& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    const auto* number = value ? value->if_int64() : nullptr;
    return number ? std::max<std::int64_t>(*number, 0) : 0;
}

} // namespace

std::optional<runner_kind> parse_kind(std::string_view text) {
    if (text == "ai-runner")
        return runner_kind::ai;
    if (text == "pytrickle")
        return runner_kind::stream;
    return std::nullopt;
}

std::optional<runner_word> parse_health(std::string_view body) {
    const auto word = text_of(object_of(body), "status");
    if (word == "OK")
        return runner_word::ok;
    if (word == "IDLE")
        return runner_word::idle;
    if (word == "LOADING")
        return runner_word::loading;
    if (word == "ERROR")
        return runner_word::error;
    return std::nullopt;
}

runner_facts parse_version(std::string_view body) {
    const auto said = object_of(body);
    runner_facts made;
    if (auto pipeline = text_of(said, "pipeline"); !pipeline.empty())
        made.pipeline = std::move(pipeline);
    made.model = text_of(said, "model_id");
    made.version = text_of(said, "version");
    return made;
}

std::optional<session::hardware_info> parse_hardware(std::string_view body) {
    const auto said = object_of(body);
    const auto* gpus = said.if_contains("gpu_info");
    if (!gpus || !gpus->is_object())
        return std::nullopt;
    session::hardware_info made;
    made.pipeline = text_of(said, "pipeline");
    made.model_id = text_of(said, "model_id");
    for (const auto& [key, value] : gpus->get_object()) {
        if (!value.is_object() || made.gpus.size() == gpu_limit)
            continue;
        const auto& from = value.get_object();
        auto& gpu = made.gpus[printable(key, text_limit)];
        gpu.id = text_of(from, "id");
        gpu.name = text_of(from, "name");
        gpu.major = static_cast<std::uint32_t>(number_of(from, "major"));
        gpu.minor = static_cast<std::uint32_t>(number_of(from, "minor"));
        gpu.memory_free = number_of(from, "memory_free");
        gpu.memory_total = number_of(from, "memory_total");
    }
    return made;
}

std::string_view start_path(runner_kind kind) {
    return kind == runner_kind::ai ? "/live-video-to-video" : "/stream/start";
}

std::string start_body(runner_kind kind, const runner_start& start) {
    boost::json::object body{
        {"subscribe_url", start.subscribe_url},
        {"publish_url", start.publish_url},
        {"control_url", start.control_url},
        {"events_url", start.events_url},
        {"gateway_request_id", start.request_id.empty() ? start.manifest_id : start.request_id},
        {"params", start.params},
    };
    if (kind == runner_kind::ai) {
        body["model_id"] = start.model;
        body["manifest_id"] = start.manifest_id;
        body["stream_id"] = start.stream_id;
    }
    return boost::json::serialize(body);
}

boost::json::object update_for(runner_kind kind, boost::json::object params) {
    if (kind == runner_kind::stream && !params.contains("prompts"))
        if (const auto* prompt = params.if_contains("prompt")) {
            auto workflow = *prompt;
            params.erase("prompt");
            params["prompts"] = std::move(workflow);
        }
    return params;
}

std::string complaint_of(std::string_view body) {
    constexpr std::size_t limit = 300;
    const auto said = object_of(body.substr(0, 64 * 1024));
    for (const char* key : {"detail", "error", "message"}) {
        const auto* value = said.if_contains(key);
        if (!value)
            continue;
        if (const auto* text = value->if_string())
            return printable(*text, limit);
        for (const char* inner : {"msg", "message"})
            if (const auto* object = value->if_object())
                if (const auto* text = object->if_contains(inner); text && text->is_string())
                    return printable(text->get_string(), limit);
        return printable(boost::json::serialize(*value), limit);
    }
    return printable(body.substr(0, body.find_last_not_of(" \r\n") + 1), limit);
}

std::string model_of_batch(std::string_view body) {
    const auto asked = object_of(body);
    auto named = text_of(asked, "model_id");
    return named.empty() ? text_of(asked, "model") : named;
}

} // namespace rivulet::worker
