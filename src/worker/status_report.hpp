// The status of one job as orchestrators report it on the events channel, and the other events of a
// runner. Counters go in, JSON comes out; parameters are sent once and are null after that.
// Thread: any one; pure. Times are Unix milliseconds and come in as arguments.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::worker {

using unix_ms = std::int64_t;

unix_ms unix_now();

enum class job_state { loading, online, degraded_input, degraded_inference, error, offline };

std::string_view to_string(job_state state); // "DEGRADED_INPUT"

// Totals since the job began.
struct frame_counters {
    std::uint64_t in = 0;      // frames (passthrough: seen; transcoding: decoded or left undecoded)
    std::uint64_t out = 0;     // frames written to the output
    std::uint64_t skipped = 0; // decoded, but not encoded to stay in real time
    std::uint64_t dropped = 0; // not even decoded
    bool operator==(const frame_counters&) const = default;
};

class status_report {
  public:
    status_report(std::string pipeline, unix_ms now);

    // Takes a sample; call it about once a second. True when the state changed.
    bool sample(const frame_counters& totals, unix_ms now);
    // New parameters are in force.
    void params_applied(boost::json::object params, unix_ms now);
    // Something failed, the job goes on.
    void failed(std::string_view message, unix_ms now);
    // Final states.
    void end(job_state state, unix_ms now);

    job_state state() const { return state_; }

    double input_fps() const { return input_fps_; }

    double output_fps() const { return output_fps_; }

    const std::string& last_error() const { return last_error_; }

    // The status event, without its wrapper. Parameters that were not sent yet are in it, once.
    boost::json::object event(unix_ms now);
    // The same for a page of the worker itself: parameters always included.
    boost::json::object describe(unix_ms now) const;

  private:
    struct sample_point {
        unix_ms at;
        std::uint64_t in, out;
    };

    void enter(job_state state, unix_ms now);
    boost::json::object build(unix_ms now, bool with_params) const;

    std::string pipeline_;
    unix_ms started_;
    job_state state_ = job_state::loading;
    unix_ms state_since_;
    frame_counters totals_;
    std::deque<sample_point> samples_; // of the last few seconds, oldest first
    double input_fps_ = 0, output_fps_ = 0;
    std::optional<unix_ms> last_input_, last_output_, first_output_;
    boost::json::object params_;
    std::string params_hash_;
    std::optional<unix_ms> params_at_;
    bool params_sent_ = true;
    std::string last_error_;
    std::optional<unix_ms> last_error_at_;
    std::optional<unix_ms> last_event_at_;
};

// {"event": EVENT, "queue_event_type": TYPE}
boost::json::object wrap_event(boost::json::object event, std::string_view queue_type);

inline constexpr std::string_view ai_stream_events = "ai_stream_events";
inline constexpr std::string_view stream_trace = "stream_trace";

boost::json::object trace_event(std::string_view type, unix_ms now);
boost::json::object error_event(std::string_view pipeline, std::string_view message, unix_ms now);

} // namespace rivulet::worker
