// Clocks that wrap, and clocks that jump. Pure.
#pragma once

#include "media/access_unit.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace rivulet::media {

// Widens a counter of `Bits` bits: each value is placed nearest to the one before.
template <int Bits>
class unwrapper {
  public:
    std::int64_t operator()(std::uint64_t wrapped) {
        constexpr std::int64_t period = std::int64_t{1} << Bits;
        auto value = static_cast<std::int64_t>(wrapped & (period - 1));
        if (last_) {
            std::int64_t distance = (value - *last_) % period;
            if (distance < -period / 2)
                distance += period;
            else if (distance >= period / 2)
                distance -= period;
            value = *last_ + distance;
        }
        last_ = value;
        return value;
    }

    void reset() { last_.reset(); }

  private:
    std::optional<std::int64_t> last_;
};

using unwrap32 = unwrapper<32>; // RTMP milliseconds
using unwrap33 = unwrapper<33>; // MPEG-TS 90 kHz

// Makes one rising clock of a publisher's: the first unit gets dts 0, a jump (backwards, or
// forwards by more than `max_gap`) is closed. Audio and video share every offset, so their distance
// stays exactly the publisher's; units of the other track that still carry the old clock after a
// jump are recognised.
class continuous_clock {
  public:
    static constexpr std::int64_t max_gap = 10 * clock_rate;

    // `start`: the dts that the first unit gets.
    explicit continuous_clock(std::int64_t start = 0) : next_(start) {}

    // Moves the unit's pts and dts. True when a jump was closed with it.
    bool adjust(access_unit& unit);

    // Newest dts handed out, of any track.
    std::int64_t last() const { return next_; }

  private:
    struct track {
        std::optional<std::int64_t> offset;
        std::optional<std::int64_t> last; // dts handed out
    };

    std::int64_t next_;
    std::optional<std::int64_t> offset_; // the newest
    std::array<track, 2> tracks_;
};

} // namespace rivulet::media
