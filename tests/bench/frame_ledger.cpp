#include "bench/frame_ledger.hpp"

#include <algorithm>
#include <cmath>

namespace rivulet::test {

void latency_counts::add(duration latency) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(latency).count();
    const auto last = static_cast<std::int64_t>(by_ms_.size()) - 1;
    ++by_ms_[static_cast<std::size_t>(std::clamp<std::int64_t>(ms, 0, last))];
    ++total_;
}

void latency_counts::clear() {
    by_ms_.fill(0);
    total_ = 0;
}

std::optional<int> latency_counts::percentile_ms(double share) const {
    if (total_ == 0)
        return std::nullopt;
    const auto wanted = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total_)))
    );
    std::uint64_t seen = 0;
    for (std::size_t ms = 0; ms < by_ms_.size(); ++ms) {
        seen += by_ms_[ms];
        if (seen >= wanted)
            return static_cast<int>(ms);
    }
    return static_cast<int>(by_ms_.size() - 1);
}

void frame_ledger::sent(std::int64_t pts, time_point when) {
    if (closed_)
        return;
    last_expected_ = std::max(last_expected_, pts);
    ++sent_;
    ++window_sent_;
    if (!first_sent_)
        first_sent_ = when;
    on_the_way_.insert_or_assign(pts, when);
}

void frame_ledger::received(std::int64_t pts, time_point when) {
    if (closed_ && pts > last_expected_)
        return;
    ++received_;
    ++window_received_;
    if (!first_received_) {
        first_received_ = when;
        first_pts_ = pts;
    }
    if (last_pts_ && pts < *last_pts_)
        ++steps_back_;
    last_pts_ = pts;
    const auto found = on_the_way_.find(pts);
    if (found == on_the_way_.end()) {
        ++unknown_;
        return;
    }
    latency_.add(when - found->second);
    window_latency_.add(when - found->second);
    on_the_way_.erase(found);
}

void frame_ledger::settle(time_point now) {
    for (auto each = on_the_way_.begin(); each != on_the_way_.end();) {
        if (now - each->second < patience_) {
            ++each;
            continue;
        }
        if (first_pts_ && each->first > *first_pts_)
            ++lost_;
        each = on_the_way_.erase(each);
    }
}

void frame_ledger::begin_window() {
    window_sent_ = 0;
    window_received_ = 0;
    window_latency_.clear();
}

std::optional<duration> frame_ledger::first_frame_after() const {
    if (!first_sent_ || !first_received_)
        return std::nullopt;
    return *first_received_ - *first_sent_;
}

} // namespace rivulet::test
