#include "egress/feed_log.hpp"

#include <utility>

namespace rivulet::egress {
namespace {

bool is_keyframe(const feed_unit& u) {
    return u.unit.kind == media::track_kind::video && u.unit.keyframe;
}

bool wanted(const feed_unit& u, feed_audio audio) {
    if (u.unit.kind == media::track_kind::video)
        return true;
    const auto type = u.format && u.format->audio ? u.format->audio->type : media::codec::none;
    switch (audio) {
    case feed_audio::none:
        return false;
    case feed_audio::as_is:
        return !u.transcoded;
    case feed_audio::aac:
        return type == media::codec::aac || type == media::codec::mp3;
    case feed_audio::opus:
        return type == media::codec::opus;
    }
    return false;
}

} // namespace

void feed_log::push(feed_unit_ptr unit) {
    if (is_keyframe(*unit)) {
        newest_keyframe_ = end();
        has_keyframe_ = true;
    }
    bytes_ += unit->unit.data.size();
    units_.push_back(std::move(unit));
    trim();
}

void feed_log::trim() {
    while (bytes_ > limits_.bytes && !units_.empty())
        drop_front();
    if (units_.empty())
        return;
    const auto newest = units_.back()->unit.dts;
    // A clock that jumped makes any distance look long, in either direction.
    auto distance = [](std::int64_t a, std::int64_t b) { return a > b ? a - b : b - a; };
    if (has_keyframe_ &&
        distance(newest, units_[newest_keyframe_ - begin_]->unit.dts) > limits_.longest_group)
        while (has_keyframe_)
            drop_front();
    if (has_keyframe_) {
        const auto start = units_[newest_keyframe_ - begin_]->unit.dts;
        while (begin_ < newest_keyframe_ && distance(start, units_.front()->unit.dts) > limits_.span
        )
            drop_front();
    } else {
        while (units_.size() > 1 && distance(newest, units_.front()->unit.dts) > limits_.span)
            drop_front();
    }
}

void feed_log::drop_front() {
    bytes_ -= units_.front()->unit.data.size();
    units_.pop_front();
    ++begin_;
    if (begin_ > newest_keyframe_)
        has_keyframe_ = false;
}

feed_cursor feed_log::join(feed_audio audio) const {
    feed_cursor cursor;
    cursor.audio = audio;
    cursor.index = has_keyframe_ ? newest_keyframe_ : end();
    return cursor;
}

feed_step feed_log::next(feed_cursor& cursor) const {
    if (cursor.index < begin_) {
        const auto resume = has_keyframe_ ? newest_keyframe_ : end();
        cursor.dropped += resume - cursor.index;
        cursor.index = resume;
        cursor.gap = true;
        cursor.joined = false;
    }
    while (cursor.index < end()) {
        const auto& unit = units_[cursor.index - begin_];
        ++cursor.index;
        if (!wanted(*unit, cursor.audio))
            continue;
        if (!cursor.joined) {
            if (!is_keyframe(*unit)) {
                if (cursor.gap)
                    ++cursor.dropped;
                continue;
            }
            cursor.joined = true;
        }
        feed_step step;
        step.unit = unit;
        step.after_gap = std::exchange(cursor.gap, false);
        return step;
    }
    return {};
}

void feed_log::clear() {
    begin_ = end();
    units_.clear();
    bytes_ = 0;
    has_keyframe_ = false;
}

} // namespace rivulet::egress
