#include "payment/live_payment_fsm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rivulet::payment {
namespace {

constexpr duration first_retry = std::chrono::seconds(1);

std::int64_t milli(double units_per_second) {
    // Twice 8K at 120 frames a second: more is a broken report.
    constexpr double most = 1e10;
    if (!(units_per_second > 0))
        return 0;
    return std::llround(std::min(units_per_second, most) * 1000);
}

std::int64_t nanoseconds(duration d) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

} // namespace

live_payment_fsm::live_payment_fsm(limits limits, time_point now)
    : interval_(std::max<duration>(limits.interval, std::chrono::milliseconds(100))),
      milli_rate_(milli(limits.units_per_second)), mark_(now), covered_(now) {}

void live_payment_fsm::advance(time_point now) {
    if (now <= mark_)
        return;
    owed_ += static_cast<fine>(milli_rate_) * nanoseconds(now - mark_);
    mark_ = now;
}

void live_payment_fsm::segment(time_point now) {
    last_segment_ = now;
    poked_ = true;
}

void live_payment_fsm::rate(double units_per_second, time_point now) {
    advance(now);
    milli_rate_ = milli(units_per_second);
}

std::optional<work_units> live_payment_fsm::due(time_point now) {
    if (under_way_ || !last_segment_ || now < not_before_)
        return std::nullopt;
    advance(now);
    const auto since = now - covered_;
    // A source of long segments is there as well: a while after the interval no new segment is
    // needed, as long as one came lately.
    const bool lately = now - *last_segment_ <= 2 * interval_;
    const bool overdue = since >= interval_ + interval_ / 4 && lately;
    const bool again = failures_ > 0;
    if (since < interval_ || !(poked_ || overdue || again)) {
        // Too early: this segment's word is spent, the next one is asked again.
        poked_ = false;
        return std::nullopt;
    }
    poked_ = false;
    const fine units = owed_ / one_unit;
    if (units <= 0)
        return std::nullopt;
    constexpr fine most = std::numeric_limits<work_units>::max();
    asked_ = static_cast<work_units>(std::min(units, most));
    asked_at_ = now;
    under_way_ = true;
    return asked_;
}

time_point live_payment_fsm::next_look(time_point now) const {
    if (under_way_ || !last_segment_)
        return time_point::max();
    if (failures_ > 0)
        return std::max(now, not_before_);
    const auto at = std::max({covered_ + interval_ + interval_ / 4, not_before_, now});
    // A silent source: its next segment wakes us.
    return at > *last_segment_ + 2 * interval_ ? time_point::max() : at;
}

void live_payment_fsm::paid() {
    under_way_ = false;
    owed_ -= static_cast<fine>(asked_) * one_unit;
    covered_ = asked_at_;
    // The fraction of a unit that is still owed for the time before.
    const fine rest = owed_ - static_cast<fine>(milli_rate_) * nanoseconds(mark_ - asked_at_);
    if (milli_rate_ > 0 && rest > 0 && rest < one_unit)
        covered_ -= std::chrono::nanoseconds(static_cast<std::int64_t>(rest / milli_rate_));
    paid_units_ += asked_;
    failures_ = 0;
    not_before_ = {};
}

void live_payment_fsm::nothing_due(time_point now) {
    under_way_ = false;
    failures_ = 0;
    not_before_ = now + interval_;
}

void live_payment_fsm::failed(time_point now) {
    under_way_ = false;
    const auto wait = first_retry * (1 << std::min(failures_, 4));
    ++failures_;
    not_before_ = now + std::min<duration>(wait, interval_);
}

bool live_payment_fsm::hopeless(time_point now) const {
    // One failure after a silence of the source is not yet a pattern.
    return failures_ >= 3 && now - covered_ >= unpaid_limit;
}

} // namespace rivulet::payment
