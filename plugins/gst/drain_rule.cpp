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
    newest_ = std::max(newest_, now);
}

bool drain_rule::caught_up() const {
    if (!last_in_ || !last_out_)
        return false;
    const auto missing = *last_in_ - *last_out_;
    return missing <= tolerance && missing > -same_clock;
}

bool drain_rule::complete(time_point now) const {
    return now >= due();
}

time_point drain_rule::due() const {
    if (!over_)
        return time_point::max();
    return newest_ + (caught_up() ? duration(settled) : duration(quiet));
}

} // namespace rivulet::element
