// Whether a body comes fast enough: it must not fall silent, over every stretch of that length it
// must keep a least rate, and over all of its time a larger one. A client that sends a byte now and
// then, to stay for ever, is found out at the end of the first stretch; one that sends as little as
// it may, to keep what it has sent in memory, soon after. Pure.
#pragma once

#include "base/asio.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rivulet::batch {

struct drip_limits {
    duration silence = std::chrono::seconds(30); // without a byte
    // A body must come at this rate, measured over `silence`: a drip is no progress.
    std::size_t bytes_per_second = 1'000;
    // And at this one on average, once it has come for so long. 0: it need not. What came faster
    // than that counts for as long again, no more.
    duration head_start = std::chrono::seconds(30);
    std::size_t average_per_second = 32 * 1024;

    drip_limits() {}
};

class drip_watch {
  public:
    drip_watch(const drip_limits& limits, time_point now)
        : silence_(limits.silence), credit_(limits.head_start),
          average_(static_cast<double>(limits.average_per_second)),
          needed_(static_cast<std::uint64_t>(
              static_cast<double>(limits.bytes_per_second) *
              std::chrono::duration<double>(limits.silence).count()
          )),
          end_(now + limits.silence),
          enough_until_(average_ > 0 ? now + limits.head_start : time_point::max()) {}

    // How long the next bytes may take.
    duration patience(time_point now) const {
        const auto until = came_ >= needed_ ? now + silence_ : end_;
        return std::max(std::min(until, enough_until_) - now, duration::zero());
    }

    // False when the body is too slow.
    bool received(std::size_t bytes, time_point now) {
        came_ += bytes;
        if (average_ > 0) {
            const std::chrono::duration<double> earned(static_cast<double>(bytes) / average_);
            enough_until_ += std::chrono::duration_cast<duration>(earned);
            if (now > enough_until_)
                return false;
            enough_until_ = std::min(enough_until_, now + credit_);
        }
        if (now < end_)
            return true;
        const bool enough = came_ >= needed_;
        came_ = 0;
        end_ = now + silence_;
        return enough;
    }

    // So long we did not listen ourselves.
    void excuse(duration time) {
        end_ += time;
        if (average_ > 0)
            enough_until_ += time;
    }

  private:
    const duration silence_, credit_;
    const double average_;
    const std::uint64_t needed_;
    time_point end_;
    time_point enough_until_; // what has come is so on average
    std::uint64_t came_ = 0;  // in this stretch
};

} // namespace rivulet::batch
