// Reads what an orchestrator's event channel says and keeps the last status, merged as the
// reference does: a runner sends `last_params` and `last_restart_logs` once and then null. Pure. A
// body that is not a JSON object is refused and changes nothing.
#pragma once

#include "base/error.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::live {

// Stamped into every event: the gateway's word, not the runner's.
struct event_identity {
    std::string stream_id;
    std::string request_id;
    std::string pipeline_id;
    std::string orchestrator_address; // on-chain; empty off-chain
    std::string orchestrator_url;
};

struct stream_event {
    std::string queue_type; // "ai_stream_events", "ai_stream_status", …
    std::string type;       // event.type; may be empty
    boost::json::object event;
    // What went wrong: of an error event, or of a status that tells an error for the first time.
    // Error events that were sent before the gateway listened are heard of that way.
    std::optional<std::string> error;
};

class event_merge {
  public:
    static constexpr std::size_t body_bytes = 1024 * 1024;

    outcome<stream_event> take(std::string_view body, const event_identity& identity);

    // The last status event, merged; absent until one came.
    const std::optional<boost::json::object>& status() const { return status_; }

  private:
    void merge(boost::json::object& event);
    std::optional<std::string> new_error(const boost::json::object& status);

    std::optional<boost::json::object> status_;
    boost::json::value last_params_;
    boost::json::value last_restart_logs_;
    std::string told_error_; // by the newest error event
    std::string last_error_; // by the newest status that told one
    boost::json::value last_error_time_;
};

} // namespace rivulet::live
