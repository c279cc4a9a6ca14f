#include "live/stream_status.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/core.h>

#include <cmath>

namespace rivulet::live {

namespace json = boost::json;

namespace {

std::string_view name_of(media::codec c) {
    switch (c) {
    case media::codec::none:
        return "none";
    case media::codec::h264:
        return "h264";
    case media::codec::h265:
        return "h265";
    case media::codec::vp8:
        return "vp8";
    case media::codec::vp9:
        return "vp9";
    case media::codec::av1:
        return "av1";
    case media::codec::aac:
        return "aac";
    case media::codec::opus:
        return "opus";
    case media::codec::mp3:
        return "mp3";
    }
    return "none";
}

double rounded(double value) {
    return std::round(value * 100) / 100;
}

json::value maybe(const std::optional<double>& value) {
    return value ? json::value(rounded(*value)) : json::value(nullptr);
}

json::object ingest_json(const ingest_status& in) {
    json::object out;
    out["protocol"] = in.protocol;
    out["remote"] = in.remote;
    if (const auto& v = in.format.video)
        out["video"] = {{"codec", name_of(v->type)}, {"width", v->width}, {"height", v->height}};
    else
        out["video"] = nullptr;
    if (const auto& a = in.format.audio)
        out["audio"] = {
            {"codec", name_of(a->type)},
            {"sample_rate", a->sample_rate},
            {"channels", a->channels}};
    else
        out["audio"] = nullptr;
    out["fps"] = rounded(in.video_fps);
    out["bitrate"] = std::llround(in.bits_per_second);
    out["keyframe_interval_s"] = rounded(in.keyframe_interval_s);
    out["video_frames"] = in.video_frames;
    out["audio_frames"] = in.audio_frames;
    out["keyframes"] = in.keyframes;
    out["bytes"] = in.bytes;
    out["dropped_frames"] = in.dropped_frames;
    out["unusable_frames"] = in.unusable_frames;
    out["segments"] = in.segments;
    out["clock_jumps"] = in.clock_jumps;
    out["idle_s"] = maybe(in.idle_s);
    return out;
}

json::object orchestrator_json(const orchestrator_status& o) {
    json::object out;
    out["url"] = o.url;
    out["manifest_id"] = o.manifest_id;
    out["segments_sent"] = o.segments_sent;
    out["segments_dropped"] = o.segments_dropped;
    out["segments_in_flight"] = o.segments_in_flight;
    out["bytes_sent"] = o.bytes_sent;
    out["events"] = o.events;
    out["last_event_s"] = maybe(o.last_event_s);
    out["updates_waiting"] = o.control_waiting;
    out["standby"] = o.standby.empty() ? json::value(nullptr) : json::value(o.standby);
    if (!o.payment.empty())
        out["payment"] = o.payment;
    return out;
}

json::object swaps_json(const stream_snapshot& s) {
    json::object out;
    out["count"] = s.swaps;
    out["filling"] = s.filling;
    if (const auto& last = s.last_swap)
        out["last"] = {
            {"cause", last->cause},
            {"message", last->text},
            {"from", last->from},
            {"to", last->to.empty() ? json::value(nullptr) : json::value(last->to)},
            {"at", last->at_ms},
            {"gap_ms", maybe(last->gap_ms)}};
    else
        out["last"] = nullptr;
    return out;
}

json::object output_json(const output_status& o) {
    json::object out;
    out["segments"] = o.segments;
    out["frames"] = o.frames;
    out["bytes"] = o.bytes;
    out["fps"] = rounded(o.fps);
    out["bitrate"] = std::llround(o.bits_per_second);
    out["latency_ms"] = maybe(o.latency_p50_ms);
    out["latency_p99_ms"] = maybe(o.latency_p99_ms);
    out["idle_s"] = maybe(o.idle_s);
    out["first_output_s"] = maybe(o.first_output_s);
    return out;
}

json::object error_json(const logged_error& e) {
    return {{"error_message", e.message}, {"error_time", e.last_ms}, {"count", e.count}};
}

} // namespace

std::string_view to_string(stream_state state) {
    switch (state) {
    case stream_state::waiting_for_media:
        return "waiting_for_media";
    case stream_state::starting:
        return "starting";
    case stream_state::connected:
        return "connected";
    case stream_state::live:
        return "live";
    case stream_state::failed:
        return "failed";
    case stream_state::ended:
        return "ended";
    }
    return "unknown";
}

std::string summary(const stream_snapshot& s) {
    constexpr auto no_keyframe =
        "Video arrives, but its last keyframe is too far back: it is dropped until the next one. "
        "Set the encoder's keyframe interval to 2 s.";
    switch (s.state) {
    case stream_state::waiting_for_media:
        return s.ingest.video_frames == 0 ? "The publisher is connected but has sent no video yet."
                                          : "Video arrives, but no keyframe yet.";
    case stream_state::starting:
        if (s.swaps > 0)
            return fmt::format(
                "The orchestrator was lost, looking for another one: {}. Viewers stay connected.",
                s.state_detail
            );
        return s.state_detail.empty()
                   ? "Looking for an orchestrator that takes the job."
                   : fmt::format(
                         "No orchestrator has taken the job so far, they are asked again: {}. The "
                         "source can be watched.",
                         s.state_detail
                     );
    case stream_state::connected:
        if (s.ingest.awaits_keyframe && s.ingest.video_fps > 0)
            return no_keyframe;
        return fmt::format(
            "The orchestrator {} took the job; no processed video yet{}.",
            s.orchestrator ? s.orchestrator->url : "",
            s.orchestrator && s.orchestrator->segments_sent == 0
                ? ", the first segment is under way"
                : ""
        );
    case stream_state::live:
        if (s.ingest.awaits_keyframe && s.ingest.video_fps > 0)
            return no_keyframe;
        if (s.output.idle_s && *s.output.idle_s > 3)
            return s.ingest.idle_s && *s.ingest.idle_s > 3
                       ? fmt::format(
                             "The publisher has sent nothing for {:.0f} s.", *s.ingest.idle_s
                         )
                       : fmt::format(
                             "The orchestrator has sent nothing for {:.0f} s although video goes "
                             "in.",
                             *s.output.idle_s
                         );
        return fmt::format("Processed video flows at {:.1f} frames a second.", s.output.fps);
    case stream_state::failed:
        return fmt::format(
            "No processed video: {}. The source can still be watched.", s.state_detail
        );
    case stream_state::ended:
        return fmt::format("The stream has ended: {}.", s.state_detail);
    }
    return {};
}

json::object to_json(const stream_snapshot& s) {
    json::object gateway;
    gateway["stream"] = s.name;
    gateway["stream_id"] = s.stream_id;
    gateway["request_id"] = s.request_id;
    gateway["pipeline"] = s.pipeline;
    gateway["state"] = to_string(s.state);
    gateway["summary"] = summary(s);
    if (!s.end_cause.empty())
        gateway["end_cause"] = s.end_cause;
    gateway["started_at"] = s.started_ms;
    if (s.ended_ms)
        gateway["ended_at"] = s.ended_ms;
    gateway["param_updates"] = s.updates;
    gateway["ingest"] = ingest_json(s.ingest);
    gateway["orchestrator"] =
        s.orchestrator ? json::value(orchestrator_json(*s.orchestrator)) : json::value(nullptr);
    gateway["swaps"] = swaps_json(s);
    gateway["output"] = output_json(s.output);
    if (!s.whep_url.empty())
        gateway["whep_url"] = s.whep_url;
    if (s.ingest_metrics)
        gateway["ingest_metrics"] = {{"stats", *s.ingest_metrics}};
    if (!s.viewers.empty())
        gateway["viewers"] = s.viewers;
    gateway["players"] = {{"source", s.source_players}, {"output", s.output_players}};
    json::array pushes;
    for (const auto& p : s.pushes)
        pushes.push_back(json::object{
            {"target", p.target},
            {"state", p.state},
            {"last_error", p.last_error},
            {"reconnects", p.reconnects}});
    gateway["rtmp_outputs"] = std::move(pushes);
    if (s.first_error)
        gateway["error"] = {
            {"error_message", s.first_error->message}, {"error_time", s.first_error->first_ms}};
    json::array errors;
    for (const auto& e : s.last_errors)
        errors.push_back(error_json(e));
    gateway["last_errors"] = std::move(errors);

    auto out = s.runner_status.value_or(json::object());
    out["gateway_status"] = std::move(gateway);
    return out;
}

json::object to_list_entry(const stream_snapshot& s) {
    json::object out;
    out["stream"] = s.name;
    out["stream_id"] = s.stream_id;
    out["request_id"] = s.request_id;
    out["pipeline"] = s.pipeline;
    out["state"] = to_string(s.state);
    out["summary"] = summary(s);
    out["orchestrator"] = s.orchestrator ? json::value(s.orchestrator->url) : json::value(nullptr);
    out["started_at"] = s.started_ms;
    out["input_fps"] = rounded(s.ingest.video_fps);
    out["output_fps"] = rounded(s.output.fps);
    out["latency_ms"] = maybe(s.output.latency_p50_ms);
    out["players"] = s.source_players + s.output_players;
    return out;
}

} // namespace rivulet::live
