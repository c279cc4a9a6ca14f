#include "output_clock.hpp"

namespace rivulet::element {

void output_clock::input(std::int64_t pts) {
    input_ = pts;
}

void output_clock::place(media::access_unit& unit) {
    const auto moved = unit.pts + shift_;
    // One that goes on where the last unit was keeps its shift, however far the input has come: a
    // clock of its own may lie half a turn away from the input's, where the nearest turn changes.
    const bool goes_on = last_ && moved - *last_ < jump && *last_ - moved < jump;
    if (!goes_on && input_) {
        auto distance = (unit.pts - *input_) % period;
        if (distance < -period / 2)
            distance += period;
        else if (distance >= period / 2)
            distance -= period;
        shift_ = *input_ + distance - unit.pts;
    }
    unit.pts += shift_;
    unit.dts += shift_;
    last_ = unit.pts;
}

void output_clock::reset() {
    last_.reset();
    shift_ = 0;
}

} // namespace rivulet::element
