// One rising clock for a stream that is spliced from several: while sources take turns (an
// orchestrator, a filler, the next orchestrator) every unit's time stays what it is as long as it
// rises. Video that comes again after a change of source is squeezed into the next moments instead
// of turning the clock back, and catches up with its own times: no shift stays. A source with a
// clock of its own is moved to where the last one ended; so is one that restarts its clock midway.
// Per track the dts handed out rises strictly, and video of a new source has no pts below one that
// was handed out before. Pure.
#pragma once

#include "media/access_unit.hpp"
#include "media/timestamps.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace rivulet::media {

class timeline {
  public:
    // A source whose first time lies further than this from the clock has a clock of its own.
    static constexpr std::int64_t foreign = 10 * clock_rate;
    // Time that was shown already goes by so much faster when it comes again.
    static constexpr std::int64_t squeeze = 32;
    // Sound that lies further than this behind the clock at the change is not heard any more.
    static constexpr std::int64_t late_sound = clock_rate / 10;

    enum class source_clock {
        by_its_first_time, // ours unless its first time is far away
        its_own
    };

    // The next unit comes from another source.
    void change_source(source_clock whose = source_clock::by_its_first_time);
    // Moves the unit's pts and dts. `since_last`: how long ago the last unit was handed out, which
    // is how far the first time of a foreign clock lies behind it. False: leave it out (audio that
    // was heard already or is late, video before the new source's first keyframe).
    bool adjust(access_unit& unit, std::int64_t since_last = clock_rate / 30);

    // Newest time handed out (pts, any track); nothing before the first.
    std::optional<std::int64_t> last() const { return newest_; }

    // What was added to the newest unit's pts.
    std::int64_t shift() const { return shift_; }

    // The newest unit was squeezed: its time was shown before the change already.
    bool squeezed() const { return squeezed_; }

  private:
    struct again {
        std::int64_t first; // the source's first time
        std::int64_t shown; // the clock at the change
    };

    void begin_source(const access_unit& unit, std::int64_t since_last);
    std::int64_t place(std::int64_t time) const;

    std::optional<std::int64_t> newest_;
    std::array<std::optional<std::int64_t>, 2> last_dts_; // per track
    std::int64_t shift_ = 0;
    bool squeezed_ = false;

    // Of the source.
    std::optional<continuous_clock> clock_; // closes its jumps; null until its first unit
    source_clock whose_ = source_clock::by_its_first_time;
    std::int64_t offset_ = 0;
    std::optional<again> again_;
    bool awaits_keyframe_ = false;
};

} // namespace rivulet::media
