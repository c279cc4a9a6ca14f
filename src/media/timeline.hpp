// One rising clock for a stream that is spliced from several: while sources take turns (an
// orchestrator, a filler, the next orchestrator) every unit's time stays what it is as long as it
// rises; what comes again after a change of source is squeezed into the next moments instead of
// turning the clock back; a source with a clock of its own is moved to where the last one ended.
// Audio and video share every rule, so they stay together. Pure.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::media {

class timeline {
  public:
    // A source whose first time lies further than this from the clock has a clock of its own.
    static constexpr std::int64_t foreign = 10 * clock_rate;

    // The next unit comes from another source.
    void change_source();
    // Moves the unit's pts and dts. False: leave it out (audio that was heard already, video before
    // the new source's first keyframe).
    bool adjust(access_unit& unit);

    // Newest dts handed out; nothing before the first.
    std::optional<std::int64_t> last() const { return last_; }

    // What was added to the newest unit's pts.
    std::int64_t shift() const { return shift_; }

  private:
    std::optional<std::int64_t> last_;
    std::int64_t shift_ = 0;
    // Of the source: an offset for a foreign clock; times below `caught_up_` are squeezed, from
    // `again_` on.
    std::int64_t offset_ = 0;
    std::optional<std::int64_t> again_, caught_up_;
    bool changed_ = false;
};

} // namespace rivulet::media
