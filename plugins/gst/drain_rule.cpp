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
    if (unit.kind == media::track_kind::video) {
        pause_ = last_picture_ ? now - *last_picture_ : duration{};
        last_picture_ = now;
    }
    newest_ = std::max(newest_, now);
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
        return newest_ + std::clamp<duration>(2 * pause_, held_quiet, quiet);
    return newest_ + quiet;
}

} // namespace rivulet::element
