// Which media time is "now" and which NTP time belongs to it: the basis of sender reports. Audio
// and video share it, so receivers keep them together whatever way either took. Pure.
#pragma once

#include "base/asio.hpp"
#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::egress {

class report_clock {
  public:
    // `wall`: the time of day at `now`.
    report_clock(time_point now, std::chrono::system_clock::time_point wall);

    // A unit with this time (90 kHz) came. The clock follows the earliest arrivals; one that is
    // late for `patience` is believed.
    void arrived(std::int64_t time, time_point now);

    bool running() const { return anchor_.has_value(); }

    // 90 kHz.
    std::int64_t media_time(time_point now) const;
    std::uint64_t ntp(time_point now) const; // 32.32, since 1900

    static constexpr duration patience = std::chrono::seconds(5);
    static constexpr duration tolerance = std::chrono::milliseconds(300);

  private:
    struct anchor {
        std::int64_t time;
        time_point at;
    };

    time_point begun_;
    std::chrono::system_clock::time_point wall_;
    std::optional<anchor> anchor_;
    time_point in_time_; // when a unit last came close to its time
};

} // namespace rivulet::egress
