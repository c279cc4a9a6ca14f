// Whether a body comes fast enough: it must not fall silent, and over every stretch of that length
// it must keep a least rate. A client that sends a byte now and then, to hold a place for ever, is
// found out at the end of the first stretch. Pure.
#pragma once

#include "base/asio.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rivulet::batch {

class drip_watch {
  public:
    drip_watch(duration silence, std::size_t bytes_per_second, time_point now)
        : silence_(silence),
          needed_(static_cast<std::uint64_t>(
              static_cast<double>(bytes_per_second) * std::chrono::duration<double>(silence).count()
          )),
          end_(now + silence) {}

    // How long the next bytes may take.
    duration patience(time_point now) const {
        return came_ >= needed_ ? silence_ : std::max(end_ - now, duration::zero());
    }

    // False when the body is too slow.
    bool received(std::size_t bytes, time_point now) {
        came_ += bytes;
        if (now < end_)
            return true;
        const bool enough = came_ >= needed_;
        came_ = 0;
        end_ = now + silence_;
        return enough;
    }

    // So long we did not listen ourselves.
    void excuse(duration time) { end_ += time; }

  private:
    const duration silence_;
    const std::uint64_t needed_;
    time_point end_;
    std::uint64_t came_ = 0;
};

} // namespace rivulet::batch
