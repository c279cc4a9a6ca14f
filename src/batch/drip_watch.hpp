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
    // And at this one on average, once it has come for so long. 0: it need not.
    duration head_start = std::chrono::seconds(30);
    std::size_t average_per_second = 32 * 1024;

    drip_limits() {}
};

class drip_watch {
  public:
    drip_watch(const drip_limits& limits, time_point now)
        : silence_(limits.silence), average_(static_cast<double>(limits.average_per_second)),
          needed_(static_cast<std::uint64_t>(
              static_cast<double>(limits.bytes_per_second) *
              std::chrono::duration<double>(limits.silence).count()
          )),
          end_(now + limits.silence), allowed_(now + limits.head_start) {}

    // How long the next bytes may take.
    duration patience(time_point now) const {
        const auto until = came_ >= needed_ ? now + silence_ : end_;
        return std::max(std::min(until, over_at()) - now, duration::zero());
    }

    // False when the body is too slow.
    bool received(std::size_t bytes, time_point now) {
        came_ += bytes;
        all_ += bytes;
        if (now > over_at())
            return false;
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
        allowed_ += time;
    }

  private:
    // Until when what has come is enough on average.
    time_point over_at() const {
        if (average_ <= 0)
            return time_point::max();
        const std::chrono::duration<double> earned(static_cast<double>(all_) / average_);
        return allowed_ + std::chrono::duration_cast<duration>(earned);
    }

    const duration silence_;
    const double average_;
    const std::uint64_t needed_;
    time_point end_, allowed_;
    std::uint64_t came_ = 0, all_ = 0; // in this stretch, and ever
};

} // namespace rivulet::batch
