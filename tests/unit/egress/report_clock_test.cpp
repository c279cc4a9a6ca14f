#include "egress/report_clock.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;
using namespace std::chrono_literals;
using media::clock_rate;

namespace {

const time_point begin{100h};
const std::chrono::system_clock::time_point epoch{};

} // namespace

TEST(report_clock, ntp_counts_from_1900) {
    report_clock clock(begin, epoch + 500ms);
    EXPECT_EQ(clock.ntp(begin), 2'208'988'800ull << 32 | 0x80000000);
    EXPECT_EQ(clock.ntp(begin + 1s), 2'208'988'801ull << 32 | 0x80000000);
}

TEST(report_clock, media_time_goes_on_between_arrivals) {
    report_clock clock(begin, epoch);
    EXPECT_FALSE(clock.running());
    clock.arrived(1000, begin);
    EXPECT_TRUE(clock.running());
    EXPECT_EQ(clock.media_time(begin + 1s), 1000 + clock_rate);
    EXPECT_EQ(clock.media_time(begin + 1000h), 1000 + 3'600'000 * clock_rate);
}

TEST(report_clock, follows_the_earliest_arrivals) {
    report_clock clock(begin, epoch);
    // A channel is read on from a segment's beginning: faster than real time at first.
    for (int i = 0; i < 30; ++i)
        clock.arrived(i * 3000, begin + i * 1ms);
    EXPECT_EQ(clock.media_time(begin + 29ms), 29 * 3000);
    // Late ones change nothing.
    for (int i = 30; i < 3000; ++i)
        clock.arrived(i * 3000, begin + 29ms + (i - 29) * 33'333us + (i % 5) * 10ms);
    EXPECT_NEAR(
        static_cast<double>(clock.media_time(begin + 29ms + 2970 * 33'333us)), 2999.0 * 3000, 300
    );
}

TEST(report_clock, a_stream_that_stays_late_is_believed) {
    report_clock clock(begin, epoch);
    clock.arrived(0, begin);
    constexpr auto delay = 2s;
    for (int i = 0; i < 100; ++i)
        clock.arrived(i * 9000, begin + delay + i * 100ms);
    const auto now = begin + delay + 99 * 100ms;
    EXPECT_EQ(clock.media_time(now), 99 * 9000);
}

TEST(report_clock, a_clock_that_jumps_forward_is_followed_at_once) {
    report_clock clock(begin, epoch);
    clock.arrived(0, begin);
    clock.arrived(50 * clock_rate, begin + 1s);
    EXPECT_EQ(clock.media_time(begin + 1s), 50 * clock_rate);
}
