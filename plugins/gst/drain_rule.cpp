#include "drain_rule.hpp"

#include <algorithm>

namespace rivulet::element {

void drain_rule::input_over(std::optional<std::int64_t> last, time_point now) {
    over_ = true;
    last_in_ = last;
    newest_ = std::max(newest_, now);
}

void drain_rule::output(const media::access_unit& unit, time_point now) {
    // A clock that begins anew is no picture out of order.
    if (unit.kind == media::track_kind::video &&
        (!last_out_ || unit.pts > *last_out_ || *last_out_ - unit.pts >= same_clock))
        last_out_ = unit.pts;
    if (unit.kind == media::track_kind::video)
        picture_came(now);
    newest_ = std::max(newest_, now);
}

void drain_rule::picture_came(time_point now) {
    if (!first_picture_)
        first_picture_ = now;
    const auto pause = now - last_picture_.value_or(now);
    last_picture_ = now;
    while (!pauses_.empty() && pauses_.back().second <= pause)
        pauses_.pop_back();
    pauses_.emplace_back(now, pause);
    while (pauses_.front().first < now - lately)
        pauses_.pop_front();
}

duration drain_rule::short_quiet() const {
    if (!first_picture_ || *last_picture_ - *first_picture_ < seen_enough)
        return quiet;
    return std::clamp<duration>(2 * pauses_.front().second, held_quiet, quiet);
}

std::optional<std::int64_t> drain_rule::missing() const {
    if (!last_in_ || !last_out_)
        return std::nullopt;
    const auto left = *last_in_ - *last_out_;
    return left > -same_clock ? std::optional(left) : std::nullopt;
}

bool drain_rule::complete(time_point now) const {
    return now >= due();
}

time_point drain_rule::due() const {
    if (!over_)
        return time_point::max();
    const auto left = missing();
    if (left && *left <= tolerance)
        return newest_ + settled;
    if (left && *left <= held)
        return newest_ + short_quiet();
    return newest_ + quiet;
}

} // namespace rivulet::element
