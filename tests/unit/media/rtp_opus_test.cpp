#include "media/rtp_opus.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::media;

namespace {

const std::vector<std::uint8_t> packet{0xfc, 0xff, 0xfe}; // 20 ms

} // namespace

TEST(rtp_opus, times_are_the_pts_in_48_khz) {
    opus_rtp_clock clock;
    EXPECT_EQ(clock(90'000, packet), 48'000);
    EXPECT_EQ(clock(91'800, packet), 48'960);
    // Far from zero, where a product would overflow.
    constexpr std::int64_t far = 1'000'000'000'000'000'000;
    opus_rtp_clock late;
    EXPECT_EQ(late(far / 15 * 15, packet), far / 15 * 8);
}

TEST(rtp_opus, rounded_pts_make_an_even_clock) {
    opus_rtp_clock clock;
    std::int64_t expected = clock(0, packet);
    for (int i = 1; i < 1000; ++i) {
        const std::int64_t jitter = i % 3 - 1; // what a millisecond clock leaves
        EXPECT_EQ(clock(i * 1800 + jitter * 45, packet), expected += 960);
    }
}

TEST(rtp_opus, a_pause_shows) {
    opus_rtp_clock clock;
    clock(0, packet);
    EXPECT_EQ(clock(1800, packet), 960);
    EXPECT_EQ(clock(90'000, packet), 48'000);
}

TEST(rtp_opus, a_drift_is_followed_before_it_is_heard) {
    opus_rtp_clock clock;
    for (std::int64_t i = 0; i < 100'000; ++i) {
        const auto pts = i * 1801; // the source's clock is too slow
        EXPECT_LE(std::abs(clock(pts, packet) - opus_ticks(pts)), opus_rtp_clock::tolerance);
    }
}
