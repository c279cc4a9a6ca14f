#include "live/stream_events.hpp"

#include "live/json_object.hpp"

#include <cmath>
#include <utility>

namespace rivulet::live {
namespace {

constexpr duration count_interval = std::chrono::seconds(1);

} // namespace

void stream_events::tell(std::string_view type, const boost::json::object& data) const {
    if (hub_)
        hub_->publish(stream_, type, data);
}

void stream_events::started(
    const ingest::publish_request& request,
    const stream_params& params,
    const std::string& request_id
) {
    tell(
        "stream_started",
        {{"protocol", request.protocol},
         {"remote", request.remote},
         {"pipeline", params.pipeline},
         {"stream_id", params.stream_id},
         {"request_id", request_id}}
    );
}

void stream_events::state(stream_state now, const std::string& detail) {
    if (state_ == now && detail_ == detail)
        return;
    state_ = now;
    detail_ = detail;
    tell("state", {{"state", to_string(now)}, {"detail", detail}});
}

void stream_events::params(std::string_view body) {
    if (auto parsed = parse_json_object(body, {.bytes = body.size(), .depth = 64}))
        tell("params", {{"params", std::move(*parsed)}});
}

void stream_events::runner(const stream_event& event) {
    if (event.type == "status")
        tell("status", event.event);
    else
        tell("runner", {{"queue_event_type", event.queue_type}, {"event", event.event}});
}

void stream_events::error(const std::string& message) {
    tell("error", {{"message", message}});
}

void stream_events::warning(const std::string& message) {
    tell("warning", {{"message", message}});
}

bool stream_events::viewers_due(time_point now) {
    if (!hub_ || now < next_count_)
        return false;
    next_count_ = now + count_interval;
    return true;
}

void stream_events::viewers(std::uint64_t source, std::uint64_t output) {
    if (source == source_viewers_ && output == output_viewers_)
        return;
    source_viewers_ = source;
    output_viewers_ = output;
    tell("viewers", {{"source", source}, {"output", output}});
}

void stream_events::ended(
    std::string_view cause,
    const std::string& reason,
    duration lived,
    std::uint64_t frames_in,
    std::uint64_t frames_out
) {
    const auto seconds = std::chrono::duration<double>(lived).count();
    tell(
        "stream_ended",
        {{"cause", cause},
         {"reason", reason},
         {"seconds", std::round(seconds * 10) / 10},
         {"frames_in", frames_in},
         {"frames_out", frames_out}}
    );
}

} // namespace rivulet::live
