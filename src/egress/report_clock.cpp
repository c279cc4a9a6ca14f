#include "egress/report_clock.hpp"

namespace rivulet::egress {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

namespace {

std::int64_t ticks(duration time) {
    // In two steps: the product of nanoseconds and 90 000 leaves 64 bits after a day.
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    return whole.count() * media::clock_rate +
           duration_cast<nanoseconds>(time - whole).count() * 9 / 100'000;
}

} // namespace

report_clock::report_clock(time_point now, std::chrono::system_clock::time_point wall)
    : begun_(now), wall_(wall) {}

void report_clock::arrived(std::int64_t time, time_point now) {
    const auto expected = anchor_ ? media_time(now) : time;
    const auto early = time - expected;
    if (!anchor_ || early > 0) {
        anchor_ = anchor{time, now};
        in_time_ = now;
    } else if (-early <= ticks(tolerance)) {
        in_time_ = now;
    } else if (now - in_time_ > patience) {
        anchor_ = anchor{time, now};
        in_time_ = now;
    }
}

std::int64_t report_clock::media_time(time_point now) const {
    return anchor_ ? anchor_->time + ticks(now - anchor_->at) : 0;
}

std::uint64_t report_clock::ntp(time_point now) const {
    constexpr std::uint64_t from_1900 = 2'208'988'800;
    const auto since = wall_.time_since_epoch() + (now - begun_);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const auto rest =
        static_cast<std::uint64_t>(duration_cast<nanoseconds>(since - seconds).count());
    return (static_cast<std::uint64_t>(seconds.count()) + from_1900) << 32 |
           (rest << 32) / 1'000'000'000;
}

} // namespace rivulet::egress
