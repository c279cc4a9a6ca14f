// Everything that /status tells about one stream, as a value, and its JSON. The JSON answers "why
// is my stream black?" in words (`summary`) and in numbers. Pure.
#pragma once

#include "live/error_log.hpp"
#include "media/access_unit.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::live {

enum class stream_state {
    waiting_for_media, // the publisher is there, no frame yet
    starting,          // looking for an orchestrator
    connected,         // the orchestrator took the job, no output yet
    live,              // processed video flows
    failed,            // the job ended; the source can still be watched
    ended              // the publisher is gone
};

std::string_view to_string(stream_state state);

struct ingest_status {
    std::string protocol, remote;
    media::stream_format format;
    double video_fps = 0, bits_per_second = 0;
    double keyframe_interval_s = 0; // between the last two; 0 until there were two
    std::uint64_t video_frames = 0, audio_frames = 0, keyframes = 0, bytes = 0;
    std::uint64_t dropped_frames = 0;  // before the first keyframe, or past a segment's limit
    std::uint64_t unusable_frames = 0; // the muxer refused them
    std::uint64_t segments = 0, clock_jumps = 0;
    bool awaits_keyframe = false; // past a segment's limit: video is dropped until the next one
    std::optional<double> idle_s; // since the last frame
};

struct orchestrator_status {
    std::string url, manifest_id;
    std::uint64_t segments_sent = 0, segments_dropped = 0, segments_in_flight = 0, bytes_sent = 0;
    std::uint64_t events = 0;
    std::optional<double> last_event_s; // ago
    std::uint64_t control_waiting = 0;  // updates not delivered yet
    std::string standby;                // who would be next; empty when nobody is known
    boost::json::object payment;
};

struct output_status {
    std::uint64_t segments = 0, frames = 0, bytes = 0;
    double fps = 0, bits_per_second = 0;
    std::optional<double> latency_p50_ms, latency_p99_ms;
    std::optional<double> idle_s;         // since the last byte
    std::optional<double> first_output_s; // from the job's start to the first byte
};

// A change of the orchestrator while the stream goes on.
struct swap_status {
    std::string cause, text, from, to; // `to` is empty while nobody has taken over
    std::int64_t at_ms = 0;            // when the old one was given up
    std::optional<double> gap_ms;      // between processed frames; absent while it lasts
};

struct push_status {
    std::string target, state, last_error; // the target without its key
    std::uint64_t reconnects = 0;
};

struct stream_snapshot {
    std::string name, stream_id, request_id, pipeline;
    stream_state state = stream_state::waiting_for_media;
    std::string state_detail; // why it failed, ended or still looks for an orchestrator
    std::string end_cause;    // job_end_cause of the last job; empty while none ended
    std::int64_t started_ms = 0, ended_ms = 0;
    std::uint64_t updates = 0;
    ingest_status ingest;
    std::optional<orchestrator_status> orchestrator;
    std::uint64_t swaps = 0;
    std::optional<swap_status> last_swap;
    bool filling = false; // viewers see the filler now
    output_status output;
    std::uint64_t source_players = 0, output_players = 0;
    std::string whep_url;
    std::optional<boost::json::object> ingest_metrics; // of the publisher's connection
    boost::json::object viewers;                       // by protocol, of source and output
    std::vector<push_status> pushes;
    std::optional<logged_error> first_error;
    std::vector<logged_error> last_errors;
    std::optional<boost::json::object> runner_status;
};

// One sentence for a person who sees no picture.
std::string summary(const stream_snapshot& s);
// The runner's last status with `gateway_status` added.
boost::json::object to_json(const stream_snapshot& s);
// The short form of the stream list.
boost::json::object to_list_entry(const stream_snapshot& s);

} // namespace rivulet::live
