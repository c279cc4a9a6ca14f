// What one stream tells the event feed, in the feed's words:
//   stream_started  {protocol, remote, pipeline, stream_id, request_id}
//   state           {state, detail}             waiting_for_media … ended, as in /status
//   params          {params}                    new parameters from the API
//   status          the runner's status         as it came, identity stamped
//   runner          {queue_event_type, event}   any other event of the runner
//   error, warning  {message}                   lost for good; tried again
//   viewers         {source, output}            how many players watch, when it changes
//   stream_ended    {cause, reason, seconds, frames_in, frames_out}
// Thread: the stream's home shard.
#pragma once

#include "base/asio.hpp"
#include "ingest/source.hpp"
#include "live/event_hub.hpp"
#include "live/event_merge.hpp"
#include "live/stream_params.hpp"
#include "live/stream_status.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::live {

class stream_events {
  public:
    // Without a hub nothing is told. The hub outlives it.
    stream_events(event_hub* hub, std::string stream) : hub_(hub), stream_(std::move(stream)) {}

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
    // True once a second: worth counting.
    bool viewers_due(time_point now);
    void viewers(std::uint64_t source, std::uint64_t output);
    void ended(
        std::string_view cause,
        const std::string& reason,
        duration lived,
        std::uint64_t frames_in,
        std::uint64_t frames_out
    );

  private:
    void tell(std::string_view type, const boost::json::object& data) const;

    event_hub* hub_;
    std::string stream_;
    std::optional<stream_state> state_;
    std::string detail_;
    time_point next_count_{};
    std::uint64_t source_viewers_ = 0, output_viewers_ = 0;
};

} // namespace rivulet::live
