// Which sound leaves the element when: what came back leaves at once, on the input's clock; where
// nothing came by the deadline, a gap leaves. Pure: time is a parameter.
// Thread: any one at a time.
#pragma once

#include "pacing.hpp"

#include <deque>

namespace rivulet::element {

struct audio_counters {
    std::uint64_t out = 0, gaps = 0, late = 0;
};

class audio_pacer {
  public:
    // Gaps come in pieces of this length.
    static constexpr running_time gap_length = std::chrono::milliseconds(40);
    // Sound that begins this much before the last one's end still leaves.
    static constexpr running_time overlap = std::chrono::milliseconds(40);
    static constexpr std::size_t max_queued = 1'000;

    void configure(running_time max_latency) { max_latency_ = max_latency; }

    // Input up to `end` has entered.
    void expect(running_time begin, running_time end);
    void arrived(running_time time, running_time length, picture content);
    frame_pacer::step next(running_time now);

    void no_more() { ended_ = true; }

    bool empty() const {
        return queue_.empty() && (ended_ || !position_ || *position_ >= input_end_);
    }

    void clear();

    const audio_counters& counters() const { return counters_; }

  private:
    running_time max_latency_ = std::chrono::milliseconds(500);
    std::deque<paced_frame> queue_;
    std::optional<running_time> position_; // what left ends here
    running_time input_end_{};
    bool ended_ = false;
    audio_counters counters_;
};

} // namespace rivulet::element
