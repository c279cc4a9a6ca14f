#include "egress/frame_order.hpp"

#include "media/h264.hpp"

#include <algorithm>

namespace rivulet::egress {
namespace {

bool cannot_reorder(const media::video_format* format) {
    if (!format || format->type != media::codec::h264)
        return false;
    const auto sps = media::h264::parse_sps(format->sps);
    constexpr int baseline = 66;
    return sps && (sps->profile == baseline || sps->reorder_frames == 0);
}

} // namespace

frame_order
frame_order_watch::step(const media::access_unit& unit, const media::video_format* format) {
    if (verdict_ == frame_order::reordered)
        return verdict_;
    // A clock that jumps back at a keyframe is a new beginning, not a B-frame.
    if (unit.keyframe)
        newest_pts_.reset();
    else if (newest_pts_ && unit.pts < *newest_pts_)
        return verdict_ = frame_order::reordered;
    newest_pts_ = std::max(newest_pts_.value_or(unit.pts), unit.pts);
    ++units_;
    delayed_ = delayed_ || unit.pts != unit.dts;
    if (verdict_ == frame_order::unknown &&
        (cannot_reorder(format) || units_ >= (delayed_ ? enough_delayed : enough_undelayed)))
        verdict_ = frame_order::in_order;
    return verdict_;
}

} // namespace rivulet::egress
