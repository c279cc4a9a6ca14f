#include "media/dts_repair.hpp"

#include <algorithm>

namespace rivulet::media {

namespace {

// A step of the clock larger than this is a new beginning.
constexpr std::int64_t far = 10 * clock_rate;

} // namespace

void dts_repair::reorder_frames(int count) {
    if (count > 0)
        depth_ = std::max(depth_, std::min<std::size_t>(std::size_t(count), max_depth));
}

void dts_repair::operator()(access_unit& unit) {
    if (last_pts_ && std::abs(unit.pts - *last_pts_) > far) {
        waiting_.clear();
        last_dts_.reset();
        last_pts_.reset();
    }
    if (last_pts_ && unit.pts > *last_pts_)
        interval_ = std::clamp<std::int64_t>(unit.pts - *last_pts_, 90, clock_rate);
    last_pts_ = unit.pts;

    const auto place = std::upper_bound(waiting_.begin(), waiting_.end(), unit.pts);
    // As many pictures as were sent before this one and are shown after it.
    const auto overtaken = std::size_t(waiting_.end() - place);
    if (overtaken > depth_)
        depth_ = std::min(overtaken, max_depth);
    waiting_.insert(place, unit.pts);

    std::int64_t dts = 0;
    if (waiting_.size() > depth_ + max_depth) {
        waiting_.erase(waiting_.begin(), waiting_.end() - std::int64_t(depth_ + max_depth));
    }
    // The picture `depth_` places before the newest in order of display.
    if (waiting_.size() > depth_)
        dts = waiting_[waiting_.size() - 1 - depth_];
    else
        dts = waiting_.front() - std::int64_t(depth_ + 1 - waiting_.size()) * interval_;
    if (depth_ == 0)
        dts = unit.pts;
    dts = std::min(dts, unit.pts);
    if (last_dts_ && dts <= *last_dts_)
        dts = *last_dts_ + 1;
    last_dts_ = dts;
    unit.dts = dts;
    unit.pts = std::max(unit.pts, dts);
}

} // namespace rivulet::media
