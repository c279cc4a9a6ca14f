// Two clocks. Stamps are what the gateway sees: 90 kHz, rising over flushes. stamp_clock makes them
// of running times; stamp_match brings the output's stamps back onto the input's clock, also when a
// pipeline stamps by a clock of its own. Pure.
// Thread: any one at a time.
#pragma once

#include "media/access_unit.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace rivulet::element {

using stamp_period = std::chrono::duration<std::int64_t, std::ratio<1, media::clock_rate>>;

inline std::int64_t to_ticks(std::chrono::nanoseconds time) {
    // Rounded, so that there and back is the same tick.
    const auto count = time.count() * 9;
    return (count + (count < 0 ? -50'000 : 50'000)) / 100'000;
}

inline std::chrono::nanoseconds to_time(std::int64_t ticks) {
    return std::chrono::nanoseconds(ticks * 100'000 / 9);
}

class stamp_clock {
  public:
    // Far from zero, where clocks of their own begin (0, 1.4 s and 10 s are common), and with room
    // below for the decoding times of the first frames.
    static constexpr std::int64_t start = std::int64_t{1} << 32;

    std::int64_t stamp(std::chrono::nanoseconds time) {
        const auto at = base_ + to_ticks(time - base_time_);
        newest_ = std::max(newest_, at);
        return at;
    }

    std::chrono::nanoseconds time(std::int64_t stamp) const {
        return base_time_ + to_time(stamp - base_);
    }

    // Running time begins anew with `time`: stamps go on a second after the newest.
    void restart(std::chrono::nanoseconds time) {
        base_ = newest_ + media::clock_rate;
        base_time_ = time;
    }

    // Stamps below are of before the restart.
    std::int64_t begin() const { return base_; }

  private:
    std::int64_t base_ = start, newest_ = start;
    std::chrono::nanoseconds base_time_{};
};

class stamp_match {
  public:
    // What comes back within this time of its input carries the input's clock.
    static constexpr std::int64_t memory = 60 * media::clock_rate;
    // A clock of its own may run ahead of the input by jitter only.
    static constexpr std::int64_t jitter = media::clock_rate;

    void sent(std::int64_t stamp) {
        oldest_ = oldest_ ? std::min(*oldest_, stamp) : stamp;
        newest_ = newest_ ? std::max(*newest_, stamp) : stamp;
    }

    // The stamp on the input's clock; nothing before the first input. `window`: how far behind the
    // newest input a foreign clock may fall before it is taken for the newest again.
    std::optional<std::int64_t> place(std::int64_t stamp, std::int64_t window) {
        if (!newest_)
            return std::nullopt;
        const auto floor = std::max(*newest_ - memory, *oldest_ - jitter);
        if (stamp >= floor && stamp <= *newest_ + jitter) {
            foreign_.reset();
            return stamp;
        }
        auto placed = foreign_ ? stamp + *foreign_ : *newest_;
        if (!foreign_ || placed > *newest_ + jitter || placed < *newest_ - window) {
            foreign_ = *newest_ - stamp;
            placed = *newest_;
        }
        return std::min(placed, *newest_);
    }

    bool foreign() const { return foreign_.has_value(); }

  private:
    std::optional<std::int64_t> oldest_, newest_;
    std::optional<std::int64_t> foreign_; // input's clock minus the output's
};

} // namespace rivulet::element
