// What a gateway does with segments that cannot be sent as fast as they come: at most three in
// flight, retries only while nothing was sent, no effort for a segment that a newer one replaced.
// Pure: time is a parameter. Thread: one owner.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <cstdint>
#include <map>

namespace rivulet::trickle {

class segment_policy_fsm {
  public:
    static constexpr std::size_t max_in_flight = 3;
    static constexpr duration retry_pause = std::chrono::milliseconds(250);

    enum class step {
        send, // send it from its first byte
        wait, // try again at retry_at
        drop, // give it up and delete it
        slow, // the peer does not keep up: end the session
        gone, // the channel is gone: end the session
        done
    };

    struct verdict {
        step what = step::done;
        time_point retry_at{};
    };

    // A segment has its first byte. Numbers rise.
    verdict begun(std::int64_t id, time_point now);
    // An attempt at it failed after `sent` bytes.
    verdict attempt_failed(std::int64_t id, error_code why, std::uint64_t sent, time_point now);
    // The pause that attempt_failed() asked for is over, or an attempt is about to begin.
    verdict retry_due(std::int64_t id, time_point now);

    // A newer segment has begun.
    bool replaced(std::int64_t id) const { return id < newest_; }

    // It was sent or dropped.
    void ended(std::int64_t id);

    std::size_t in_flight() const { return flying_.size(); }

    time_point last_input() const { return last_input_; }

  private:
    std::map<std::int64_t, time_point> flying_; // since when
    std::int64_t newest_ = -1;
    time_point last_input_{};
};

} // namespace rivulet::trickle
