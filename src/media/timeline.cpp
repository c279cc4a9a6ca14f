#include "media/timeline.hpp"

#include <algorithm>
#include <cstdlib>

namespace rivulet::media {
namespace {

constexpr std::int64_t wrap = std::int64_t{1} << 33;

// Demultiplexers unwrap each from the first time they see: what has to be added so that `time` lies
// nearest to `clock`.
std::int64_t whole_wraps(std::int64_t time, std::int64_t clock) {
    const auto distance = clock - time;
    const auto half = distance >= 0 ? wrap / 2 : -wrap / 2;
    return (distance + half) / wrap * wrap;
}

} // namespace

void timeline::change_source(source_clock whose) {
    clock_.reset();
    whose_ = whose;
    again_.reset();
    offset_ = 0;
    awaits_keyframe_ = newest_.has_value();
}

void timeline::begin_source(const access_unit& unit, std::int64_t since_last) {
    clock_.emplace(unit.dts);
    if (!newest_)
        return;
    const auto clock = *newest_;
    offset_ = whole_wraps(unit.dts, clock);
    if (whose_ == source_clock::its_own || std::abs(unit.dts + offset_ - clock) > foreign)
        offset_ = clock + std::max<std::int64_t>(since_last, 1) - unit.dts;
    // Also when the source begins later: its other track may begin before.
    again_ = again{unit.dts + offset_, clock};
}

// Rises with `time`, and meets it shortly behind the clock of the change.
std::int64_t timeline::place(std::int64_t time) const {
    if (!again_)
        return time;
    const auto since_first = std::max<std::int64_t>(time - again_->first, 0);
    return std::max(time, again_->shown + 1 + since_first / squeeze);
}

bool timeline::adjust(access_unit& unit, std::int64_t since_last) {
    const bool video = unit.kind == track_kind::video;
    if (awaits_keyframe_ && video) {
        if (!unit.keyframe)
            return false;
        awaits_keyframe_ = false;
    }
    if (!clock_)
        begin_source(unit, since_last);
    const auto given = unit.pts;
    clock_->adjust(unit);
    auto pts = unit.pts + offset_;
    auto dts = unit.dts + offset_;
    auto& last = last_dts_[static_cast<std::size_t>(unit.kind)];
    if (video) {
        squeezed_ = place(dts) != dts;
        pts = place(pts);
        dts = place(dts);
        if (last)
            dts = std::max(dts, *last + 1);
        pts = std::max(pts, dts);
    } else if ((last && dts <= *last) || (again_ && dts < again_->shown - late_sound)) {
        return false;
    }
    unit.pts = pts;
    unit.dts = dts;
    last = dts;
    shift_ = pts - given;
    newest_ = std::max(newest_.value_or(pts), pts);
    return true;
}

} // namespace rivulet::media
