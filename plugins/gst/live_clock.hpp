// The element's running time, and waiting for it. Without a clock from the pipeline, the system's.
// Thread: any, with the owner's lock where it says so.
#pragma once

#include "pacing.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace rivulet::element {

// One thread waits here; others wake it. A wake-up that nobody waited for ends the next wait.
class wait_point {
  private:
    friend class live_clock;
    std::condition_variable changed_;
    GstClockID id_ = nullptr;
    bool woken_ = false;
};

class live_clock {
  public:
    explicit live_clock(GstElement* element) : element_(element) {}

    // With the lock held.
    void play();
    void pause();

    void reset() { // stopped: running time begins at zero again
        playing_ = false;
        paused_at_ = {};
    }

    bool playing() const { return playing_; }

    // Of the moment; while paused, of the pause's begin.
    running_time now() const;

    // Until `until`, or wake(). Called with the lock, which is free while it waits. While paused
    // only wake() ends it.
    void
    wait(std::unique_lock<std::mutex>& lock, wait_point& point, std::optional<running_time> until);
    // With the lock held.
    static void wake(wait_point& point);

  private:
    GstClock* clock() const; // a reference for the caller
    GstClockTime base(bool own) const;

    GstElement* element_;
    std::atomic<bool> playing_{false};
    running_time paused_at_{};
    GstClockTime own_base_ = 0; // of the system's clock, when the element has none
};

} // namespace rivulet::element
