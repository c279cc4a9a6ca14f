#include "live/event_merge.hpp"

#include "live/json_object.hpp"

#include <utility>

namespace rivulet::live {

namespace json = boost::json;

namespace {

std::string text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string(*text) : std::string();
}

// A present value is remembered; a null or missing one is filled in from memory.
void carry(json::object& object, std::string_view key, json::value& memory) {
    auto& slot = object[key];
    if (slot.is_null())
        slot = memory;
    else
        memory = slot;
}

} // namespace

outcome<stream_event> event_merge::take(std::string_view body, const event_identity& identity) {
    auto parsed = parse_json_object(body, {body_bytes, 32});
    if (!parsed)
        return parsed.error();
    auto& whole = *parsed;
    stream_event out;
    if (auto* inner = whole.if_contains("event"); inner && inner->is_object()) {
        out.queue_type = text_of(whole, "queue_event_type");
        out.event = std::move(inner->get_object());
    } else {
        out.event = std::move(whole);
    }
    if (out.queue_type.empty())
        out.queue_type = "ai_stream_events";
    out.event["stream_id"] = identity.stream_id;
    out.event["request_id"] = identity.request_id;
    out.event["pipeline_id"] = identity.pipeline_id;
    out.event["orchestrator_info"] = {
        {"address", identity.orchestrator_address}, {"url", identity.orchestrator_url}};
    out.type = text_of(out.event, "type");
    if (out.type == "status") {
        out.queue_type = "ai_stream_status";
        merge(out.event);
        out.error = new_error(out.event);
        status_ = out.event;
    } else if (out.type == "error") {
        auto text = text_of(out.event, "message");
        out.error = text.empty() ? "error" : text;
        told_error_ = std::move(text);
    }
    return out;
}

void event_merge::merge(json::object& event) {
    auto* value = event.if_contains("inference_status");
    auto* inference = value ? value->if_object() : nullptr;
    if (!inference)
        return;
    carry(*inference, "last_params", last_params_);
    carry(*inference, "last_restart_logs", last_restart_logs_);
}

std::optional<std::string> event_merge::new_error(const json::object& status) {
    const auto* value = status.if_contains("inference_status");
    const auto* inference = value ? value->if_object() : nullptr;
    auto text = inference ? text_of(*inference, "last_error") : std::string();
    if (text.empty())
        return std::nullopt;
    const auto* time = inference->if_contains("last_error_time");
    auto at = time ? *time : json::value();
    if (text == last_error_ && at == last_error_time_)
        return std::nullopt;
    last_error_ = text;
    last_error_time_ = std::move(at);
    // The status that follows an error event says the same again.
    if (std::exchange(told_error_, {}) == text)
        return std::nullopt;
    return text;
}

} // namespace rivulet::live
