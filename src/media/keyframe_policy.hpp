// When to ask a publisher for a keyframe: at its first packet, when pictures are lost, when
// somebody asks, and every `interval`. Asks again when none comes, and never twice within `pause`.
// Pure.
#pragma once

#include "base/asio.hpp"

#include <cstdint>

namespace rivulet::media {

class keyframe_policy {
  public:
    static constexpr duration pause = std::chrono::milliseconds(250);
    static constexpr duration patience = std::chrono::milliseconds(500); // then it asks again

    explicit keyframe_policy(duration interval) : interval_(interval) {}

    void began(time_point now) { want(now); } // the first packet came

    void wanted(time_point now) { want(now); } // lost pictures, somebody joined

    // A keyframe came whole.
    void keyframe(time_point) { waiting_ = false; }

    // True when a request is to be sent now.
    bool step(time_point now) {
        if (!active_ || now < deadline())
            return false;
        asked_ = now;
        if (!waiting_)
            patience_ = patience;
        else
            patience_ = patience_ < std::chrono::seconds(4) ? patience_ * 2 : patience_;
        waiting_ = true;
        due_ = false;
        ++asked_count_;
        return true;
    }

    // When step() is to be called; max() when never.
    time_point deadline() const {
        if (!active_)
            return time_point::max();
        if (asked_count_ == 0)
            return since_;
        auto at = asked_ + interval_;
        if (due_)
            at = std::min(at, std::max(asked_ + pause, since_));
        if (waiting_)
            at = std::min(at, asked_ + patience_);
        return at;
    }

    std::uint64_t asked() const { return asked_count_; }

  private:
    void want(time_point now) {
        if (!active_ || !due_)
            since_ = now;
        active_ = due_ = true;
    }

    duration interval_;
    duration patience_ = patience;
    bool active_ = false, waiting_ = false, due_ = false;
    time_point asked_{}, since_{};
    std::uint64_t asked_count_ = 0;
};

} // namespace rivulet::media
