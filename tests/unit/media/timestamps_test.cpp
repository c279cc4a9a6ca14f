#include "media/timestamps.hpp"

#include <gtest/gtest.h>

namespace rivulet::media {

namespace {

access_unit unit_at(track_kind kind, std::int64_t dts, std::int64_t composition = 0) {
    access_unit unit;
    unit.kind = kind;
    unit.dts = dts;
    unit.pts = dts + composition;
    return unit;
}

std::int64_t adjusted(continuous_clock& clock, track_kind kind, std::int64_t dts) {
    auto unit = unit_at(kind, dts);
    clock.adjust(unit);
    return unit.dts;
}

constexpr auto video = track_kind::video, audio = track_kind::audio;

} // namespace

TEST(unwrapper, goes_on_past_the_wrap) {
    unwrap32 clock;
    EXPECT_EQ(clock(0xffff'fff0u), 0xffff'fff0);
    EXPECT_EQ(clock(0x10u), 0x1'0000'0010);
    EXPECT_EQ(clock(0xffff'fff8u), 0xffff'fff8) << "a late value before the wrap";
}

TEST(unwrapper, may_go_below_its_first_value) {
    unwrap33 clock;
    EXPECT_EQ(clock(0), 0);
    EXPECT_EQ(clock((std::uint64_t{1} << 33) - 90), -90);
    EXPECT_EQ(clock(90), 90);
}

TEST(unwrapper, survives_many_wraps) {
    unwrap33 clock;
    std::uint64_t truth = 5;
    for (int i = 0; i < 100; ++i, truth += std::uint64_t{3} << 30)
        EXPECT_EQ(clock(truth), std::int64_t(truth));
}

TEST(continuous_clock, starts_at_zero_whatever_the_publisher_says) {
    continuous_clock clock;
    EXPECT_EQ(adjusted(clock, video, 7'000'000), 0);
    EXPECT_EQ(adjusted(clock, video, 7'003'000), 3'000);
}

TEST(continuous_clock, keeps_the_distance_of_sound_and_picture) {
    continuous_clock clock;
    EXPECT_EQ(adjusted(clock, video, 1'000'000), 0);
    EXPECT_EQ(adjusted(clock, audio, 998'200), -1'800);
    EXPECT_EQ(adjusted(clock, audio, 1'000'120), 120);
}

TEST(continuous_clock, moves_pts_with_dts) {
    continuous_clock clock;
    auto unit = unit_at(video, 90'000, 6'000);
    EXPECT_FALSE(clock.adjust(unit));
    EXPECT_EQ(unit.dts, 0);
    EXPECT_EQ(unit.pts, 6'000);
}

TEST(continuous_clock, closes_a_jump_forwards_for_both_tracks_at_once) {
    continuous_clock clock;
    adjusted(clock, video, 0);
    adjusted(clock, audio, 500);
    auto jump = unit_at(video, 100'000'000);
    EXPECT_TRUE(clock.adjust(jump));
    EXPECT_EQ(jump.dts, 500 + 3'000);
    EXPECT_EQ(adjusted(clock, audio, 2'420), 2'420) << "still the old clock";
    EXPECT_EQ(adjusted(clock, audio, 100'000'100), jump.dts + 100) << "the same distance as before";
    EXPECT_EQ(adjusted(clock, audio, 100'002'020), jump.dts + 2'020);
}

TEST(continuous_clock, closes_a_jump_backwards) {
    continuous_clock clock;
    adjusted(clock, video, 50'000'000);
    EXPECT_EQ(adjusted(clock, video, 50'003'000), 3'000);
    EXPECT_EQ(adjusted(clock, video, 0), 6'000);
    EXPECT_EQ(adjusted(clock, video, 3'000), 9'000);
}

TEST(continuous_clock, a_small_jump_backwards_does_not_catch_the_other_track) {
    continuous_clock clock;
    adjusted(clock, video, 900'000);
    adjusted(clock, audio, 900'000);
    auto jump = unit_at(video, 630'000); // three seconds back
    EXPECT_TRUE(clock.adjust(jump));
    EXPECT_EQ(adjusted(clock, audio, 901'920), 1'920) << "still the old clock";
    EXPECT_EQ(adjusted(clock, audio, 630'000), jump.dts);
}

TEST(continuous_clock, a_pause_of_the_sound_alone_is_no_jump) {
    continuous_clock clock;
    adjusted(clock, audio, 0);
    for (std::int64_t t = 0; t <= 60 * clock_rate; t += 3'000)
        EXPECT_EQ(adjusted(clock, video, t), t);
    EXPECT_EQ(adjusted(clock, audio, 60 * clock_rate + 90), 60 * clock_rate + 90);
}

// Statement 24: starts near 0 and rises, here over a publisher whose clock starts again.
TEST(live_conformance, s24_pts_starts_near_zero_and_rises) {
    continuous_clock clock;
    std::int64_t last = -1;
    for (int run = 0; run < 3; ++run)
        for (int i = 0; i < 100; ++i) {
            auto unit = unit_at(video, 123'456'789 + i * 3'000);
            clock.adjust(unit);
            if (last < 0) {
                EXPECT_EQ(unit.pts, 0);
            }
            EXPECT_GT(unit.pts, last);
            last = unit.pts;
        }
    EXPECT_EQ(last, 299 * 3'000);
}

} // namespace rivulet::media
