// Two machines that notice silence: no output although input flows, and no events. Both learn how
// often something usually comes, so that a stop is noticed within seconds where the rhythm allows
// it and never later than the configured limit. Time is given.
#pragma once

#include "base/asio.hpp"

#include <cstddef>
#include <deque>

namespace rivulet::live {

struct output_limits {
    duration first = std::chrono::seconds(60);   // to the first byte: models are loaded
    duration silence = std::chrono::seconds(30); // afterwards, whatever the rhythm

    output_limits() {}

    output_limits(duration f, duration s) : first(f), silence(s) {}
};

// Fires when nothing came out for long while input flowed. How long: the configured limit, and once
// `enough` of output was seen, four of its usual gaps but at least `least`. Silence without input
// starts a new wait: a paused publisher is not the orchestrator's fault.
class output_watchdog {
  public:
    static constexpr duration enough = std::chrono::seconds(5);
    static constexpr duration least = std::chrono::milliseconds(1500);
    static constexpr int gaps = 4;
    // Shorter gaps never matter to the limit.
    static constexpr duration noted_gap = std::chrono::milliseconds(250);
    static constexpr duration memory = std::chrono::seconds(60);
    // Of the time that output was watched, this share may lie in gaps longer than the usual one.
    static constexpr int unusual_percent = 10;
    // Input that rests for longer does not flow.
    static constexpr duration input_pause = std::chrono::milliseconds(500);
    static constexpr duration calm = std::chrono::seconds(3);
    static constexpr duration look_every = std::chrono::milliseconds(250);

    output_watchdog(output_limits limits, time_point now);

    void output_seen(time_point now);

    // New parameters, or a model is being loaded: the rhythm means nothing until output has gone on
    // for `calm` afterwards.
    void disturbed(time_point now) { calm_from_ = now + calm; }

    // Call at or after next_check(). True: the orchestrator has stalled.
    bool stalled(time_point now, time_point last_input);
    time_point next_check() const;

    // Of the wait that goes on.
    duration limit() const;
    // The gap that is usual; zero while output comes more often than is noted.
    duration usual_gap() const;

    time_point waiting_since() const { return waiting_since_; }

  private:
    struct gap {
        time_point end;
        duration length;
    };

    duration configured() const { return any_output_ ? limits_.silence : limits_.first; }

    bool knows_rhythm() const {
        return seen_until_ - seen_from_ >= enough && seen_until_ >= calm_from_;
    }

    output_limits limits_;
    time_point waiting_since_; // the last output, or the start of the wait
    time_point flowing_since_; // input has come without a pause
    time_point looked_;
    time_point calm_from_{};
    time_point seen_from_, seen_until_; // the output that was learnt from
    std::deque<gap> long_gaps_;         // newest last
    bool any_output_ = false;
};

// Events double as a sign of life. While output flows only the configured silence counts; without
// output three of the usual intervals between status events are enough.
class event_watchdog {
  public:
    static constexpr auto default_limit = std::chrono::seconds(30);
    static constexpr duration least = std::chrono::seconds(10);
    static constexpr std::size_t learnt_from = 3; // intervals

    explicit event_watchdog(time_point now, duration limit = default_limit)
        : limit_(limit), last_(now) {}

    void event_seen(time_point now) { last_ = now; }

    // A status, which comes at regular intervals; an event too.
    void status_seen(time_point now);

    bool silent(time_point now, bool output_flows = true) const {
        return now - last_ > limit(output_flows);
    }

    // How often to look: 10 s for the usual limit.
    duration interval() const { return limit(false) / 3; }

    duration limit(bool output_flows = true) const;

    time_point last() const { return last_; }

  private:
    duration limit_;
    time_point last_;
    time_point last_status_{};
    std::deque<duration> intervals_; // the newest few
};

} // namespace rivulet::live
