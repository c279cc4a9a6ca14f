#include "media/timestamps.hpp"

#include <algorithm>

namespace rivulet::media {

namespace {

// A frame's worth of time put in place of a jump.
constexpr std::int64_t jump_step = clock_rate / 30;
// Rounded timestamps and reordering publishers make a track step back a little.
constexpr std::int64_t max_backstep = clock_rate;

} // namespace

bool continuous_clock::adjust(access_unit& unit) {
    track& own = tracks_[static_cast<std::size_t>(unit.kind)];
    if (!offset_)
        offset_ = next_ - unit.dts;

    // A unit fits an offset when it goes on where its own track stopped or, for the first unit of a
    // track and after a pause of one track, where the stream is.
    auto fits = [&](std::int64_t offset) {
        std::int64_t at = unit.dts + offset;
        if (!own.last)
            return at >= next_ - max_gap && at <= next_ + max_gap;
        return at >= *own.last - max_backstep &&
               (at <= *own.last + max_gap || at <= next_ + max_gap);
    };

    // The track's own offset first: after a jump the two tracks change over one after the other.
    bool jumped = false;
    std::int64_t offset = own.offset.value_or(*offset_);
    if (!fits(offset)) {
        if (!fits(*offset_)) {
            offset_ = next_ + jump_step - unit.dts;
            jumped = true;
        }
        offset = *offset_;
    }
    unit.pts += offset;
    unit.dts += offset;
    own.offset = offset;
    own.last = unit.dts;
    next_ = std::max(next_, unit.dts);
    return jumped;
}

} // namespace rivulet::media
