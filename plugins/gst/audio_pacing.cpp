#include "audio_pacing.hpp"

#include <algorithm>

namespace rivulet::element {

void audio_pacer::expect(running_time begin, running_time end) {
    ended_ = false;
    if (!position_)
        position_ = begin;
    input_end_ = std::max(input_end_, end);
}

void audio_pacer::arrived(running_time time, running_time length, picture content) {
    if (!position_ || queue_.size() >= max_queued)
        return;
    // Queued sound counts: the position is where the newest of it ends.
    const auto end = queue_.empty() ? *position_ : queue_.back().time + queue_.back().duration;
    if (time + overlap < end) {
        ++counters_.late;
        return;
    }
    paced_frame frame;
    frame.what = paced_frame::kind::processed;
    frame.time = time;
    frame.duration = length;
    frame.content = std::move(content);
    queue_.push_back(std::move(frame));
}

frame_pacer::step audio_pacer::next(running_time now) {
    frame_pacer::step out;
    if (!queue_.empty()) {
        out.frame = std::move(queue_.front());
        queue_.pop_front();
        position_ = std::max(*position_, out.frame->time + out.frame->duration);
        ++counters_.out;
        return out;
    }
    if (ended_ || !position_ || *position_ >= input_end_)
        return out;
    const auto end = std::min(*position_ + gap_length, input_end_);
    const auto due = end + max_latency_;
    if (now < due) {
        out.wait_until = due;
        return out;
    }
    paced_frame gap;
    gap.time = *position_;
    gap.duration = end - *position_;
    position_ = end;
    ++counters_.gaps;
    out.frame = std::move(gap);
    return out;
}

void audio_pacer::clear() {
    queue_.clear();
    position_.reset();
    input_end_ = {};
    ended_ = false;
}

} // namespace rivulet::element
