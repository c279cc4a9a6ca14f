#include "live/watchdogs.hpp"

#include <algorithm>
#include <vector>

namespace rivulet::live {

output_watchdog::output_watchdog(output_limits limits, time_point now)
    : limits_(limits), waiting_since_(now), flowing_since_(now), looked_(now), seen_from_(now),
      seen_until_(now) {}

void output_watchdog::output_seen(time_point now) {
    if (any_output_) {
        const auto length = now - seen_until_;
        if (length >= noted_gap)
            long_gaps_.push_back({now, length});
        while (!long_gaps_.empty() && now - long_gaps_.front().end > memory)
            long_gaps_.pop_front();
    } else {
        any_output_ = true;
        seen_from_ = now;
    }
    seen_until_ = waiting_since_ = now;
}

duration output_watchdog::usual_gap() const {
    if (long_gaps_.empty())
        return {};
    const auto watched = std::min<duration>(seen_until_ - seen_from_, memory);
    std::vector<duration> lengths;
    lengths.reserve(long_gaps_.size());
    for (const auto& each : long_gaps_)
        lengths.push_back(each.length);
    std::ranges::sort(lengths, std::greater<>());
    duration unusual{};
    for (const auto length : lengths) {
        unusual += length;
        if (unusual * 100 > watched * unusual_percent)
            return length;
    }
    return {};
}

duration output_watchdog::limit() const {
    const auto most = configured();
    return knows_rhythm() ? std::min(most, std::max<duration>(least, usual_gap() * gaps)) : most;
}

bool output_watchdog::stalled(time_point now, time_point last_input) {
    // A late look means that we ourselves stood still: what came meanwhile is not read yet.
    const bool late = now - looked_ > look_every + input_pause;
    looked_ = now;
    const bool flows = last_input != time_point{} && now - last_input <= input_pause;
    if (!flows || (late && knows_rhythm()))
        flowing_since_ = now;
    const auto most = configured();
    if (const auto learnt = limit(); learnt < most) {
        if (now - std::max(waiting_since_, flowing_since_) >= learnt)
            return true;
    }
    if (now - waiting_since_ < most)
        return false;
    if (last_input != time_point{} && now - last_input < most / 2)
        return true;
    waiting_since_ = now;
    return false;
}

time_point output_watchdog::next_check() const {
    const auto last = waiting_since_ + configured();
    return knows_rhythm() ? std::min(last, looked_ + look_every) : last;
}

void event_watchdog::status_seen(time_point now) {
    if (last_status_ != time_point{}) {
        intervals_.push_back(now - last_status_);
        if (intervals_.size() > learnt_from * 2)
            intervals_.pop_front();
    }
    last_status_ = now;
    event_seen(now);
}

duration event_watchdog::limit(bool output_flows) const {
    if (output_flows || intervals_.size() < learnt_from)
        return limit_;
    const auto longest = *std::ranges::max_element(intervals_);
    return std::min(limit_, std::max<duration>(least, longest * 3));
}

} // namespace rivulet::live
