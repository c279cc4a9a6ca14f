#include "drain_rule.hpp"

#include <algorithm>

namespace rivulet::element {

void drain_rule::input_over(std::optional<std::int64_t> last, time_point now) {
    over_ = true;
    last_in_ = last;
    newest_ = std::max(newest_, now);
}

void drain_rule::output(const media::access_unit& unit, time_point now) {
    if (unit.kind == media::track_kind::video)
        last_out_ = unit.pts;
    newest_ = std::max(newest_, now);
}

bool drain_rule::complete(time_point now) const {
    if (!over_)
        return false;
    if (last_in_ && last_out_) {
        const auto missing = *last_in_ - *last_out_;
        if (missing <= tolerance && missing > -same_clock)
            return true;
    }
    return now - newest_ >= quiet;
}

time_point drain_rule::due() const {
    return over_ ? newest_ + quiet : time_point::max();
}

} // namespace rivulet::element
