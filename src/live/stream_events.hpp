// What one stream tells those who watch it: the event feed (/live/video-to-video/.../events), the
// operator's message queue and the metrics. The stream says what happened, once; who hears it in
// which words is decided here. Without listeners nothing is told.
//
// In the feed's words:
//   stream_started  {protocol, remote, pipeline, stream_id, request_id}
//   state           {state, detail}             waiting_for_media … ended, as in /status
//   params          {params}                    new parameters from the API
//   status          the runner's status         as it came, identity stamped
//   runner          {queue_event_type, event}   any other event of the runner
//   error, warning  {message}                   lost for good; tried again
//   swap            {cause, message, from, to, gap_ms}   `to` has taken over, its video flows
//   viewers         {source, output}            how many players watch, when it changes
//   stream_ended    {cause, reason, seconds, frames_in, frames_out}
// What the queue hears is in docs/metrics.md.
// Thread: the stream's home shard.
#pragma once

#include "base/asio.hpp"
#include "ingest/source.hpp"
#include "live/event_hub.hpp"
#include "live/event_merge.hpp"
#include "live/job_end.hpp"
#include "live/stream_metrics.hpp"
#include "live/stream_params.hpp"
#include "live/stream_status.hpp"
#include "observe/event_queue.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::live {

// Any may be absent; those that are there outlive the streams.
struct stream_listeners {
    event_hub* hub = nullptr;
    observe::event_queue* queue = nullptr;
    const live_metrics* metrics = nullptr;

    stream_listeners() {}

    stream_listeners(event_hub* h) : hub(h) {}

    stream_listeners(event_hub* h, observe::event_queue* q, const live_metrics* m)
        : hub(h), queue(q), metrics(m) {}
};

class stream_events {
  public:
    stream_events(stream_listeners to, std::string stream)
        : hub_(to.hub), queue_(to.queue), wanted_metrics_(to.metrics), stream_(std::move(stream)) {}

    // The publisher was let in. Before every other call.
    void started(
        const ingest::publish_request& request,
        const stream_params& params,
        const std::string& request_id
    );
    // Told when it is another state, or another reason for the same.
    void state(stream_state now, const std::string& detail);
    void params(std::string_view body);
    void runner(const stream_event& event);
    void error(const std::string& message);
    void warning(const std::string& message);

    // The job, from the stream's job_… calls. A job begins (its clock starts here) …
    void job_started(time_point now);
    // … finds nobody …
    void no_orchestrator(const std::string& message);
    // … or somebody: the events that follow name it.
    void connected(const orchestrator_name& orchestrator);
    // A whole source segment has arrived there. Only the first one is told; when nobody calls it,
    // sample() notices.
    void segment_sent();
    // A processed segment is there whole. The first and the third are told.
    void output_segment(time_point now);
    // The job failed for good, without another try.
    void job_failed(job_end_cause cause);
    // The orchestrator of connected() is given up, another one is looked for …
    void swap_begun(job_end_cause cause, const std::string& message);
    // … and `to` has delivered its first keyframe, `gap` after the last frame of the old one.
    void swap_over(const std::string& to, duration gap);

    // The way of a video frame, for the metrics: from the publisher's door into the source channel;
    // from the orchestrator's bytes into the output channel; from door to output channel.
    void ingest_to_publish(duration d) { metrics_.ingest_to_publish(d); }

    void subscribe_to_egress(duration d) { metrics_.subscribe_to_egress(d); }

    void end_to_end(duration d) { metrics_.end_to_end(d); }

    // True once a second: worth counting viewers() and taking a sample(snapshot(list_entry)).
    bool viewers_due(time_point now);
    void viewers(std::uint64_t source, std::uint64_t output);
    // Once more right before ended().
    void sample(const stream_snapshot& now);
    // True every 5 s while somebody hears it: ask session_stats, if there is one.
    bool ingest_metrics_due(time_point now);
    void ingest_metrics(const boost::json::object& session);

    void ended(
        std::string_view cause,
        const std::string& reason,
        duration lived,
        std::uint64_t frames_in,
        std::uint64_t frames_out
    );

  private:
    void tell(std::string_view type, const boost::json::object& data) const;
    void trace(std::string_view type, const orchestrator_name& who) const;
    void stamp(boost::json::object& data, const orchestrator_name& who) const;

    // given
    event_hub* hub_;
    observe::event_queue* queue_;
    const live_metrics* wanted_metrics_;
    std::string stream_;

    // state
    stream_metrics metrics_;
    std::string stream_id_, request_id_, pipeline_;
    orchestrator_name orchestrator_;
    time_point job_start_{};
    std::uint64_t output_segments_ = 0;
    bool sent_first_ = false;
    std::optional<std::string> swap_from_;
    std::string swap_cause_, swap_message_;
    std::optional<stream_state> state_;
    std::string detail_;
    time_point next_count_{}, next_ingest_{};
    std::uint64_t source_viewers_ = 0, output_viewers_ = 0;
};

} // namespace rivulet::live
