#include "pacing.hpp"

#include <algorithm>

namespace rivulet::element {

namespace {

// Half a frame at a rate that nobody said.
constexpr std::int64_t fallback_tolerance = media::clock_rate / 120;

} // namespace

std::int64_t frame_pacer::tolerance() const {
    return frame_duration_.count() > 0 ? std::max<std::int64_t>(to_ticks(frame_duration_) / 2, 1)
                                       : fallback_tolerance;
}

void frame_pacer::expect(
    std::int64_t stamp, running_time time, running_time frame_duration, picture original
) {
    ++counters_.in;
    ended_ = false;
    if (frame_duration.count() > 0)
        frame_duration_ = frame_duration;
    slots_[stamp] = slot{time, frame_duration, std::move(original), nullptr};
    if (!newest_in_ || stamp > *newest_in_) {
        newest_in_ = stamp;
        newest_time_ = time;
    }
}

std::optional<running_time> frame_pacer::time_of(std::int64_t stamp) const {
    if (!newest_in_)
        return std::nullopt;
    return newest_time_ + to_time(stamp - *newest_in_);
}

// The slot of the stamp: the nearest, half a frame away at most.
frame_pacer::slots::iterator frame_pacer::find(std::int64_t stamp) {
    auto after = slots_.lower_bound(stamp);
    auto best = slots_.end();
    std::int64_t distance = tolerance();
    if (after != slots_.end() && after->first - stamp <= distance) {
        best = after;
        distance = after->first - stamp;
    }
    if (after != slots_.begin()) {
        auto before = std::prev(after);
        if (stamp - before->first <= distance &&
            (best == slots_.end() || stamp - before->first < distance))
            best = before;
    }
    return best;
}

std::optional<running_time> frame_pacer::arrived(
    std::int64_t stamp, running_time dts_ahead, picture content, running_time now
) {
    const auto time = time_of(stamp);
    if (!time)
        return std::nullopt;
    const auto delay = now - *time;
    newest_out_ = newest_out_ ? std::max(*newest_out_, stamp) : stamp;
    if (delay > settings_.max_latency)
        ++counters_.late;
    if (settings_.every_unit) {
        take_unit(stamp, dts_ahead, std::move(content));
        return delay;
    }
    last_ = content;
    if (auto found = find(stamp); found != slots_.end()) {
        found->second.processed = std::move(content);
    } else if (!left_ || *time > *left_) {
        // A picture between two frames: the pipeline makes more of them than it gets.
        if (slots_.size() < max_slots)
            slots_[stamp] = slot{*time, {}, nullptr, std::move(content)};
    }
    return delay;
}

void frame_pacer::take_unit(std::int64_t stamp, running_time dts_ahead, picture content) {
    paced_frame unit;
    unit.what = paced_frame::kind::processed;
    unit.time = *time_of(stamp);
    if (auto found = find(stamp); found != slots_.end()) {
        unit.time = found->second.time;
        unit.duration = found->second.duration;
    }
    unit.dts_ahead = dts_ahead;
    unit.content = std::move(content);
    units_.push_back(std::move(unit));
    // Units come in decoding order: frames before this one may still follow, those before its
    // decoding time will not.
    const auto settled = stamp - to_ticks(dts_ahead) + tolerance();
    while (!slots_.empty() && slots_.begin()->first <= settled)
        slots_.erase(slots_.begin());
}

bool frame_pacer::decided_by_others(const slots::value_type& front) const {
    return ended_ || (newest_out_ && *newest_out_ > front.first + tolerance());
}

paced_frame frame_pacer::stall(slot& open) {
    paced_frame frame;
    frame.time = open.time;
    frame.duration = open.duration;
    if (settings_.every_unit)
        return frame;
    if (settings_.on_stall == stall_policy::freeze && last_) {
        frame.what = paced_frame::kind::frozen;
        frame.content = last_;
    } else if (settings_.on_stall == stall_policy::passthrough && open.original) {
        frame.what = paced_frame::kind::original;
        frame.content = std::move(open.original);
    }
    return frame;
}

frame_pacer::step frame_pacer::next(running_time now) {
    step out;
    if (!units_.empty()) {
        out.frame = std::move(units_.front());
        units_.pop_front();
        ++counters_.processed;
        left_ = left_ ? std::max(*left_, out.frame->time) : out.frame->time;
        return out;
    }
    while (!slots_.empty()) {
        auto front = slots_.begin();
        auto& open = front->second;
        if (open.processed) {
            paced_frame frame;
            frame.what = paced_frame::kind::processed;
            frame.time = open.time;
            frame.duration = open.duration;
            frame.content = std::move(open.processed);
            out.frame = std::move(frame);
            ++counters_.processed;
        } else if (!settings_.every_unit && decided_by_others(*front)) {
            ++counters_.skipped;
        } else if (settings_.every_unit && ended_) {
            ++counters_.skipped;
        } else if (now >= open.time + settings_.max_latency || slots_.size() > max_slots) {
            out.frame = stall(open);
            switch (out.frame->what) {
            case paced_frame::kind::frozen:
                ++counters_.frozen;
                break;
            case paced_frame::kind::original:
                ++counters_.passed;
                break;
            default:
                ++counters_.gaps;
            }
        } else {
            out.wait_until = open.time + settings_.max_latency;
            return out;
        }
        const auto time = open.time;
        slots_.erase(front);
        if (!out.frame)
            continue;
        if (left_ && time <= *left_) { // never backwards, whatever the input did
            out.frame.reset();
            continue;
        }
        left_ = time;
        return out;
    }
    return out;
}

void frame_pacer::clear() {
    slots_.clear();
    units_.clear();
    last_.reset();
    newest_in_.reset();
    newest_out_.reset();
    left_.reset();
    ended_ = false;
}

} // namespace rivulet::element
