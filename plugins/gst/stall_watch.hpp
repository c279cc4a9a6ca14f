// Which change between processed pictures and stalls is worth a message: one a second at most; what
// changes faster is told when the second is over. Pure: times are parameters.
// Thread: any one at a time.
#pragma once

#include "pacing.hpp"

namespace rivulet::element {

class stall_watch {
  public:
    static constexpr running_time silence = std::chrono::seconds(1);

    enum class word { nothing, started, stall, resumed };

    // A frame of this running time leaves at `now`.
    word saw(bool processed, running_time time, running_time now) {
        if (!had_picture_) {
            had_picture_ = processed;
            return processed ? word::started : word::nothing;
        }
        if (processed == !stalled_ || (told_ && now >= *told_ && now - *told_ < silence))
            return word::nothing;
        stalled_ = !processed;
        told_ = now;
        if (processed) {
            lasted_ = time - since_;
            return word::resumed;
        }
        since_ = time;
        return word::stall;
    }

    // How long the stall was that a `resumed` ended.
    running_time lasted() const { return lasted_; }

    void flushed() { stalled_ = false; }

  private:
    bool had_picture_ = false, stalled_ = false;
    running_time since_{}, lasted_{};
    std::optional<running_time> told_;
};

} // namespace rivulet::element
