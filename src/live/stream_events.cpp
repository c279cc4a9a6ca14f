#include "live/stream_events.hpp"

#include "live/json_object.hpp"
#include "live/media_stats.hpp"

#include <cmath>
#include <utility>

namespace rivulet::live {

namespace json = boost::json;

namespace {

constexpr duration count_interval = std::chrono::seconds(1);
constexpr duration ingest_interval = std::chrono::seconds(5);
constexpr std::string_view capability = "live-video-to-video";

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

} // namespace

void stream_events::tell(std::string_view type, const boost::json::object& data) const {
    if (hub_)
        hub_->publish(stream_, type, data);
}

// The keys that every trace event carries.
void stream_events::stamp(json::object& data, const orchestrator_name& who) const {
    data["stream_id"] = stream_id_;
    data["pipeline_id"] = ""; // nobody gives streams one yet
    data["request_id"] = request_id_;
    data["orchestrator_info"] = {{"address", who.address}, {"url", who.url}};
}

void stream_events::trace(std::string_view type, const orchestrator_name& who) const {
    if (!queue_)
        return;
    json::object data{{"type", type}, {"timestamp", unix_ms()}};
    stamp(data, who);
    queue_->send("stream_trace", std::move(data));
}

void stream_events::started(
    const ingest::publish_request& request,
    const stream_params& params,
    const std::string& request_id
) {
    stream_id_ = params.stream_id;
    request_id_ = request_id;
    pipeline_ = params.pipeline;
    if (wanted_metrics_)
        metrics_ = stream_metrics(
            *wanted_metrics_, {stream_id_, pipeline_, request.protocol, request.remote}
        );
    tell(
        "stream_started",
        {{"protocol", request.protocol},
         {"remote", request.remote},
         {"pipeline", params.pipeline},
         {"stream_id", params.stream_id},
         {"request_id", request_id}}
    );
    trace("gateway_receive_stream_request", {});
}

void stream_events::state(stream_state now, const std::string& detail) {
    if (state_ == now && detail_ == detail)
        return;
    state_ = now;
    detail_ = detail;
    tell("state", {{"state", to_string(now)}, {"detail", detail}});
}

void stream_events::params(std::string_view body) {
    auto parsed = parse_json_object(body, {.bytes = body.size(), .depth = 64});
    if (!parsed)
        return;
    tell("params", {{"params", *parsed}});
    if (!queue_)
        return;
    json::object data{{"type", "params_update"}, {"pipeline", pipeline_}};
    stamp(data, orchestrator_);
    data["params"] = std::move(*parsed);
    queue_->send("ai_stream_events", std::move(data));
}

void stream_events::runner(const stream_event& event) {
    if (event.type == "status")
        tell("status", event.event);
    else
        tell("runner", {{"queue_event_type", event.queue_type}, {"event", event.event}});
    if (queue_)
        queue_->send(event.queue_type, event.event);
}

void stream_events::error(const std::string& message) {
    tell("error", {{"message", message}});
    if (!queue_)
        return;
    json::object data{
        {"type", "error"},
        {"timestamp", unix_ms()},
        {"pipeline", pipeline_},
        {"capability", capability},
        {"message", message}};
    stamp(data, orchestrator_);
    queue_->send("ai_stream_events", std::move(data));
}

void stream_events::warning(const std::string& message) {
    tell("warning", {{"message", message}});
}

// --- the job -------------------------------------------------------------------------------------

void stream_events::job_started(time_point now) {
    job_start_ = now;
}

void stream_events::no_orchestrator(const std::string& message) {
    metrics_.job_error("no_orchestrators_available", {});
    if (!queue_)
        return;
    json::object data{
        {"type", "gateway_no_orchestrators_available"},
        {"timestamp", unix_ms()},
        {"message", message}};
    stamp(data, {});
    queue_->send("stream_trace", std::move(data));
}

void stream_events::connected(const orchestrator_name& orchestrator) {
    orchestrator_ = orchestrator;
    sent_first_ = false;
    output_segments_ = 0;
}

void stream_events::segment_sent() {
    if (std::exchange(sent_first_, true))
        return;
    trace("gateway_send_first_ingest_segment", orchestrator_);
}

void stream_events::output_segment(time_point now) {
    ++output_segments_;
    if (output_segments_ == 1) {
        trace("gateway_receive_first_processed_segment", orchestrator_);
        if (job_start_ != time_point{})
            metrics_.first_segment(orchestrator_, now - job_start_);
    } else if (output_segments_ == 3) {
        trace("gateway_receive_few_processed_segments", orchestrator_);
    }
}

void stream_events::job_failed(job_end_cause cause) {
    metrics_.job_error(to_string(cause), orchestrator_);
}

void stream_events::swap_begun(job_end_cause cause, const std::string& message) {
    metrics_.swap_begun(cause);
    metrics_.job_error(to_string(cause), orchestrator_);
    swap_from_ = orchestrator_.url;
    swap_cause_ = to_string(cause);
    swap_message_ = message;
    if (!queue_)
        return;
    // No timestamp of its own: those who read this queue today do not expect one.
    json::object data{
        {"type", "orchestrator_swap"},
        {"pipeline", pipeline_},
        {"cause", swap_cause_},
        {"message", message}};
    stamp(data, orchestrator_);
    queue_->send("stream_trace", std::move(data));
}

void stream_events::swap_over(const std::string& to, duration gap) {
    if (!swap_from_)
        return;
    metrics_.swap_over(gap);
    tell(
        "swap",
        {{"cause", swap_cause_},
         {"message", swap_message_},
         {"from", *swap_from_},
         {"to", to},
         {"gap_ms", std::chrono::duration_cast<std::chrono::milliseconds>(gap).count()}}
    );
    swap_from_.reset();
}

// --- once in a while -----------------------------------------------------------------------------

bool stream_events::viewers_due(time_point now) {
    if ((!hub_ && !wanted_metrics_) || now < next_count_)
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

void stream_events::sample(const stream_snapshot& now) {
    metrics_.sample(now);
    if (now.orchestrator && now.orchestrator->segments_sent > 0)
        segment_sent();
}

bool stream_events::ingest_metrics_due(time_point now) {
    if ((!queue_ && !wanted_metrics_) || now < next_ingest_)
        return false;
    const bool first = next_ingest_ == time_point{};
    next_ingest_ = now + ingest_interval;
    return !first; // there is nothing to tell of a publisher's first frame
}

void stream_events::ingest_metrics(const json::object& session) {
    const auto stats = media_stats(session);
    if (!stats)
        return;
    metrics_.transport_bytes(stats->at("peer_conn_stats").at("BytesReceived").to_number<double>());
    if (!queue_)
        return;
    json::object data{
        {"timestamp", unix_ms()},
        {"stream_id", stream_id_},
        {"pipeline_id", ""},
        {"request_id", request_id_}};
    data["stats"] = *stats;
    queue_->send("stream_ingest_metrics", std::move(data));
}

// --- the end -------------------------------------------------------------------------------------

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
    metrics_.ended(cause);
    trace("gateway_ingest_stream_closed", {});
}

} // namespace rivulet::live
