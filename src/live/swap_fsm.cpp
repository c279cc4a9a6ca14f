#include "live/swap_fsm.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::live {

swap_fsm::verdict swap_fsm::lost(time_point now, duration worked) {
    verdict made;
    quick_ = now - last_ < limits_.window ? quick_ + 1 : 1;
    last_ = now;
    if (limits_.most > 0 && quick_ > limits_.most) {
        made.what = verdict::kind::give_up;
        made.text = fmt::format(
            "Too many swaps: {} of the orchestrator, each within {} s",
            quick_,
            std::chrono::duration_cast<std::chrono::seconds>(limits_.window).count()
        );
        return made;
    }
    ++count_;
    fruitless_ = worked >= limits_.worked ? 0 : fruitless_ + 1;
    if (fruitless_ <= limits_.at_once)
        return made;
    made.what = verdict::kind::wait;
    const auto doublings = std::min(fruitless_ - limits_.at_once - 1, 16u);
    made.pause = std::min(limits_.pause_last, limits_.pause_first * (1 << doublings));
    return made;
}

} // namespace rivulet::live
