// Where events for the operator's message queue go (docs/events.md). Sending never waits.
// Thread: any.
#pragma once

#include <boost/json/value.hpp>

#include <string_view>

namespace rivulet::observe {

class event_queue {
  public:
    virtual ~event_queue() = default;
    // `type` and `data` of the envelope: "stream_trace", "ai_stream_events", …
    virtual void send(std::string_view type, boost::json::value data) = 0;
};

} // namespace rivulet::observe
