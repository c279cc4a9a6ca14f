// Two machines that notice silence: no output although input flows, and no events. Time is given.
#pragma once

#include "base/asio.hpp"

namespace rivulet::live {

// Fires when nothing came out for `limit` while input was sent within the last half of it. Silence
// without recent input starts a new wait: a paused publisher is not the orchestrator's fault.
class output_watchdog {
  public:
    static constexpr auto default_limit = std::chrono::seconds(30);

    output_watchdog(duration limit, time_point now) : limit_(limit), waiting_since_(now) {}

    // Bytes came out, or a read of the output began.
    void output_seen(time_point now) { waiting_since_ = now; }

    // Call at or after next_check(). True: the orchestrator has stalled.
    bool stalled(time_point now, time_point last_input);

    time_point next_check() const { return waiting_since_ + limit_; }

    duration limit() const { return limit_; }

  private:
    duration limit_;
    time_point waiting_since_;
};

// Events double as a sign of life: more than 30 s without one ends the job.
class event_watchdog {
  public:
    static constexpr auto default_limit = std::chrono::seconds(30);

    explicit event_watchdog(time_point now, duration limit = default_limit)
        : limit_(limit), last_(now) {}

    void event_seen(time_point now) { last_ = now; }

    bool silent(time_point now) const { return now - last_ > limit_; }

    // How often to look: 10 s for the usual limit.
    duration interval() const { return limit_ / 3; }

    duration limit() const { return limit_; }

    time_point last() const { return last_; }

  private:
    duration limit_;
    time_point last_;
};

} // namespace rivulet::live
