// What external runners say and want to hear (spec/live-video.md 11): ai-runner on one side, the
// pytrickle family (ComfyStream) on the other. Pure.
#pragma once

#include "session/orchestrator_info.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::worker {

enum class runner_kind {
    ai,     // ai-runner: POST /live-video-to-video and the batch pipelines
    stream, // pytrickle, ComfyStream: POST /stream/start, /stream/params, /stream/stop
};

// "ai-runner", "pytrickle"; nothing for "auto" and all else.
std::optional<runner_kind> parse_kind(std::string_view text);

enum class runner_word { ok, idle, loading, error };

// A runner's answer to GET /health; nothing when it is none.
std::optional<runner_word> parse_health(std::string_view body);

struct runner_facts {
    std::string pipeline = "live-video-to-video";
    std::string model; // may be empty
    std::string version;
};

// GET /version; what is missing or strange is left as it was.
runner_facts parse_version(std::string_view body);
// GET /hardware/info.
std::optional<session::hardware_info> parse_hardware(std::string_view body);

struct runner_start {
    std::string subscribe_url, publish_url, control_url, events_url;
    std::string model, request_id, manifest_id, stream_id;
    boost::json::object params;
};

std::string_view start_path(runner_kind kind);
std::string start_body(runner_kind kind, const runner_start& start);

// Parameters of an update as the kind reads them: the stream family takes a workflow at the start
// as "prompt" or "prompts", later only as "prompts".
boost::json::object update_for(runner_kind kind, boost::json::object params);

// The reason inside a failure's body, printable and at most 300 bytes.
std::string complaint_of(std::string_view body);

// The model that a batch request in JSON names ("model_id", or a conversation's "model"); empty
// when none.
std::string model_of_batch(std::string_view body);

} // namespace rivulet::worker
