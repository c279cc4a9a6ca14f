#include "input_queue.hpp"

#include <algorithm>
#include <utility>

namespace rivulet::element {

void input_queue::push(media::stream_format format) {
    if (!items_.empty()) {
        items_.push_back({std::move(format), {}});
        return;
    }
    known_ = std::move(format);
    changed_format_ = true;
}

bool input_queue::fits(std::size_t more, time_point now) const {
    if (bytes_ + more > max_bytes_)
        return false;
    const auto oldest = std::ranges::find_if(items_, [](const entry& one) { return unit_of(one); });
    return oldest == items_.end() || now - oldest->when <= max_age_;
}

std::size_t input_queue::newest_keyframe() const {
    for (std::size_t i = items_.size(); i-- > 0;)
        if (is_video(items_[i], true))
            return i;
    return items_.size();
}

void input_queue::drop_before(std::size_t end) {
    for (; end > 0; --end) {
        auto first = std::move(items_.front());
        items_.pop_front();
        if (const auto* unit = unit_of(first)) {
            bytes_ -= unit->data.size();
            ++dropped_;
        } else {
            known_ = std::get<media::stream_format>(std::move(first.what));
            changed_format_ = true;
        }
    }
}

input_queue::taken input_queue::push(media::access_unit unit, time_point now) {
    const bool video = unit.kind == media::track_kind::video;
    const bool keyframe = video && unit.keyframe;
    seen_video_ = seen_video_ || video;
    auto answer = taken::kept;
    if (!fits(unit.data.size(), now)) {
        // Either the newest keyframe makes enough room, or nothing of the queue stays.
        drop_before(newest_keyframe());
        if (!fits(unit.data.size(), now) || keyframe)
            drop_before(items_.size());
        const bool begins = !items_.empty(); // with a keyframe
        awaits_keyframe_ = !begins;
        if (!begins && !keyframe && !holding_)
            answer = taken::overflow;
    }
    const bool unusable = video && !keyframe && awaits_keyframe_;
    if (unusable || unit.data.size() > max_bytes_) {
        ++dropped_;
        return answer == taken::overflow ? answer : taken::dropped;
    }
    if (keyframe)
        awaits_keyframe_ = false;
    bytes_ += unit.data.size();
    items_.push_back({std::move(unit), now});
    return answer;
}

std::vector<input_item> input_queue::take() {
    std::vector<input_item> out;
    out.reserve(items_.size() + 1);
    if (std::exchange(changed_format_, false) && known_)
        out.emplace_back(*known_);
    for (auto& one : items_) {
        if (!unit_of(one))
            known_ = std::get<media::stream_format>(one.what);
        out.push_back(std::move(one.what));
    }
    items_.clear();
    bytes_ = 0;
    return out;
}

bool input_queue::begin(duration fresh, time_point now) {
    holding_ = false;
    changed_format_ = true; // who takes now has not heard it
    const auto oldest =
        std::ranges::find_if(items_, [](const entry& one) { return is_video(one, true); });
    if (oldest != items_.end() && now - oldest->when > fresh) {
        const auto newest = newest_keyframe();
        if (now - items_[newest].when <= fresh) {
            drop_before(newest);
        } else {
            drop_before(items_.size());
            awaits_keyframe_ = true;
        }
    }
    return !awaits_keyframe_ || !seen_video_;
}

void input_queue::hold() {
    holding_ = true;
    // What goes on with pictures that were sent can't be decoded without them.
    const auto first =
        std::ranges::find_if(items_, [](const entry& one) { return is_video(one, true); });
    drop_before(static_cast<std::size_t>(first - items_.begin()));
    awaits_keyframe_ = items_.empty();
}

} // namespace rivulet::element
