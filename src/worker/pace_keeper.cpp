#include "worker/pace_keeper.hpp"

#include <algorithm>

namespace rivulet::worker {

namespace {

// 90 kHz ticks to time, a tenth less.
duration melted(std::int64_t ticks) {
    return std::chrono::duration_cast<duration>(std::chrono::microseconds(ticks * 10));
}

} // namespace

time_point pace_keeper::due(std::int64_t dts, time_point arrival) {
    constexpr std::int64_t one_second = 90'000;
    time_point due = arrival;
    if (last_dts_) {
        const auto step = dts - *last_dts_;
        if (step >= 0 && step <= 2 * one_second)
            due = std::max(arrival, last_due_ + melted(step));
    }
    last_dts_ = dts;
    last_due_ = due;
    return due;
}

bool pace_keeper::decode(bool keyframe, time_point due, time_point now) {
    const auto late = now - due;
    if (dropping_ && keyframe && late < options_.drop_after / 2)
        dropping_ = false;
    else if (late > options_.drop_after)
        dropping_ = true;
    return !dropping_;
}

bool pace_keeper::encode(bool needed, time_point due, time_point now) {
    const auto late = now - due;
    if (late > options_.skip_after)
        skipping_ = true;
    else if (late < options_.recovered)
        skipping_ = false;
    // Pictures that cost more than the kept share allows would let the delay grow: then only the
    // needed ones remain until it is bearable again.
    const bool bearable = late < options_.drop_after / 2;
    if (!skipping_ || needed || (++since_kept_ >= options_.keep_one_of && bearable)) {
        since_kept_ = 0;
        return true;
    }
    return false;
}

} // namespace rivulet::worker
