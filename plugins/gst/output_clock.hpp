// Brings the times of the output, which its MPEG-TS carries modulo 2^33, to the turn of the clock
// that the input is in. All tracks of a stream share one shift, so their distances stay. Pure.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::element {

class output_clock {
  public:
    static constexpr std::int64_t period = std::int64_t{1} << 33;
    // Times that are further apart than this belong to another clock: it is placed anew.
    static constexpr std::int64_t jump = 10 * media::clock_rate;

    // A time of the input; the newest one counts.
    void input(std::int64_t pts);
    // Moves pts and dts by whole turns.
    void place(media::access_unit& unit);
    // Another connection: what the last one carried says nothing about the next.
    void reset();

    std::optional<std::int64_t> newest_input() const { return input_; }

  private:
    std::optional<std::int64_t> input_, last_;
    std::int64_t shift_ = 0;
};

} // namespace rivulet::element
