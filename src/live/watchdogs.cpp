#include "live/watchdogs.hpp"

namespace rivulet::live {

bool output_watchdog::stalled(time_point now, time_point last_input) {
    if (now - waiting_since_ < limit_)
        return false;
    if (last_input != time_point{} && now - last_input < limit_ / 2)
        return true;
    waiting_since_ = now;
    return false;
}

} // namespace rivulet::live
