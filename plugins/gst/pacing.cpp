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
    hold_until_.reset();
    if (frame_duration.count() > 0)
        frame_duration_ = frame_duration;
    if (auto same = slots_.find(stamp); same != slots_.end())
        erase(same);
    slots_[stamp] = slot{time, frame_duration, std::move(original), nullptr};
    first_time_ = first_time_ ? std::min(*first_time_, time) : time;
    if (!newest_in_ || stamp > *newest_in_) {
        newest_in_ = stamp;
        newest_time_ = time;
    }
    shed_slots();
}

frame_pacer::slots::iterator frame_pacer::erase(slots::iterator at) {
    extra_ -= at->second.extra;
    return slots_.erase(at);
}

void frame_pacer::shed_slots() {
    const auto oldest = newest_time_ - settings_.max_latency - patience;
    while (!slots_.empty() && (slots_.size() > max_slots || slots_.begin()->second.time < oldest)) {
        erase(slots_.begin());
        ++counters_.dropped;
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
    std::int64_t stamp, running_time dts_ahead, picture content, running_time now, unit_facts facts
) {
    auto time = time_of(stamp);
    if (!time || !first_time_)
        return std::nullopt;
    // A clock that is off may point before all input; rounding may by less than a frame.
    const auto begin = std::max(*first_time_, running_time{});
    if (*time + to_time(tolerance()) < begin)
        return std::nullopt;
    time = std::max(*time, begin);
    const auto delay = now - *time;
    newest_out_ = newest_out_ ? std::max(*newest_out_, stamp) : stamp;
    if (delay > settings_.max_latency)
        ++counters_.late;
    if (settings_.every_unit) {
        take_unit(stamp, *time, dts_ahead, std::move(content), facts);
        return delay;
    }
    last_ = content;
    if (auto found = find(stamp); found != slots_.end()) {
        found->second.processed = std::move(content);
    } else if ((!left_ || *time > *left_) && *time >= newest_time_ - settings_.max_latency - patience) {
        // A picture between two frames: the pipeline makes more of them than it gets.
        if (slots_.size() < max_slots && extra_ < max_extra) {
            slots_[stamp] = slot{*time, {}, nullptr, std::move(content), true};
            ++extra_;
        } else {
            ++counters_.dropped;
        }
    }
    return delay;
}

void frame_pacer::take_unit(
    std::int64_t stamp, running_time time, running_time dts_ahead, picture content, unit_facts facts
) {
    waiting_unit unit;
    unit.facts = facts;
    unit.frame.what = paced_frame::kind::processed;
    unit.frame.time = time;
    if (auto found = find(stamp); found != slots_.end()) {
        unit.frame.time = found->second.time;
        unit.frame.duration = found->second.duration;
    }
    unit.frame.dts_ahead = dts_ahead;
    unit.frame.content = std::move(content);
    // Units come in decoding order: frames before this one may still follow, those before its
    // decoding time will not.
    const auto settled = stamp - to_ticks(dts_ahead) + tolerance();
    while (!slots_.empty() && slots_.begin()->first <= settled)
        erase(slots_.begin());
    if (facts.keyframe)
        wait_for_keyframe_ = false;
    if (wait_for_keyframe_) {
        ++counters_.dropped;
        return;
    }
    unit_bytes_ += facts.bytes;
    units_.push_back(std::move(unit));
    shed_units();
}

void frame_pacer::drop_oldest_unit() {
    unit_bytes_ -= units_.front().facts.bytes;
    units_.pop_front();
    ++counters_.dropped;
}

// From the oldest up to a keyframe: what stays can be decoded.
void frame_pacer::shed_units() {
    while (units_.size() > max_units || unit_bytes_ > max_unit_bytes) {
        drop_oldest_unit();
        while (!units_.empty() && !units_.front().facts.keyframe)
            drop_oldest_unit();
        wait_for_keyframe_ = units_.empty();
    }
}

running_time frame_pacer::deadline(const slot& open) const {
    const auto usual = open.time + settings_.max_latency;
    return flows_ && hold_until_ ? std::max(usual, *hold_until_) : usual;
}

bool frame_pacer::decided_by_others(const slots::value_type& front) const {
    if (ended_ && !hold_until_)
        return true;
    return newest_out_ && *newest_out_ > front.first + tolerance();
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
        out.frame = std::move(units_.front().frame);
        unit_bytes_ -= units_.front().facts.bytes;
        units_.pop_front();
        ++counters_.processed;
        flows_ = true;
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
            flows_ = true;
        } else if ((!settings_.every_unit || ended_) && decided_by_others(*front)) {
            ++counters_.skipped;
        } else if (ended_ || now >= deadline(open)) {
            out.frame = stall(open);
            // Behind a deadline that was put off, the others wait no longer than it did.
            flows_ = flows_ && hold_until_;
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
            out.wait_until = deadline(open);
            return out;
        }
        const auto time = open.time;
        erase(front);
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

void frame_pacer::change_format(bool every_unit) {
    settings_.every_unit = every_unit;
    wait_for_keyframe_ = false;
    last_.reset(); // in the old format
    const auto has_picture = [](const auto& each) { return bool(each.second.processed); };
    for (auto left = std::count_if(slots_.begin(), slots_.end(), has_picture); left > 0;) {
        auto& front = slots_.begin()->second;
        if (!front.processed) {
            ++counters_.skipped; // a later one is here
        } else {
            --left;
            waiting_unit unit;
            unit.frame.what = paced_frame::kind::processed;
            unit.frame.time = front.time;
            unit.frame.duration = front.duration;
            unit.frame.content = std::move(front.processed);
            if (left_ && front.time <= *left_)
                ++counters_.dropped;
            else
                units_.push_back(std::move(unit));
        }
        erase(slots_.begin());
    }
}

void frame_pacer::clear() {
    slots_.clear();
    extra_ = 0;
    units_.clear();
    unit_bytes_ = 0;
    wait_for_keyframe_ = false;
    last_.reset();
    first_time_.reset();
    newest_in_.reset();
    newest_out_.reset();
    left_.reset();
    hold_until_.reset();
    flows_ = false;
    ended_ = false;
}

} // namespace rivulet::element
