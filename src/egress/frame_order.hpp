// Tells from the first units of a video stream, and ever after, whether its frames are shown in
// another order than they are decoded in (B-frames): browsers can't show such a stream. Pure.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::egress {

enum class frame_order {
    unknown,  // not enough seen yet
    in_order, // as far as seen
    reordered // for good
};

class frame_order_watch {
  public:
    // Units of one stream in decoding order, from a keyframe on.
    frame_order step(const media::access_unit& unit, const media::video_format* format);

    frame_order verdict() const { return verdict_; }

  private:
    // Without a delay of the first pictures nothing can follow that is shown before them.
    static constexpr int enough_undelayed = 3;
    // An encoder may delay every picture alike; then reordering must show within so many.
    static constexpr int enough_delayed = 12;

    frame_order verdict_ = frame_order::unknown;
    std::optional<std::int64_t> newest_pts_;
    int units_ = 0;
    bool delayed_ = false;
};

} // namespace rivulet::egress
