#include "worker/pace_keeper.hpp"

#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

using namespace std::chrono_literals;

constexpr time_point start{std::chrono::hours(1)};
constexpr std::int64_t frame = 3'000; // 30 fps

} // namespace

TEST(pace_keeper, lets_every_frame_through_when_in_time) {
    pace_keeper pace;
    for (int i = 0; i < 300; ++i) {
        const auto now = start + i * 33ms;
        const auto due = pace.due(i * frame, now);
        EXPECT_TRUE(pace.decode(i % 60 == 0, due, now + 20ms));
        EXPECT_TRUE(pace.encode(i % 60 == 0, due, now + 20ms));
    }
    EXPECT_FALSE(pace.behind());
}

TEST(pace_keeper, gives_a_burst_the_time_that_it_plays) {
    pace_keeper pace;
    // Two seconds arrive at once; each frame takes 20 ms.
    time_point now = start;
    for (int i = 0; i < 60; ++i) {
        const auto due = pace.due(i * frame, start);
        now += 20ms;
        EXPECT_TRUE(pace.decode(i == 0, due, now));
        EXPECT_TRUE(pace.encode(i == 0, due, now)) << i;
    }
}

TEST(pace_keeper, skips_three_of_four_frames_when_half_a_second_late) {
    pace_keeper pace;
    int kept = 0;
    for (int i = 0; i < 40; ++i) {
        const auto arrival = start + i * 33ms;
        const auto due = pace.due(i * frame, arrival);
        kept += pace.encode(false, due, arrival + 600ms);
    }
    EXPECT_EQ(kept, 10);
}

TEST(pace_keeper, very_slow_pictures_do_not_let_the_delay_grow) {
    pace_keeper pace;
    // Thirty frames a second, a third of a second for each: only needed ones and a few more fit.
    time_point now = start;
    duration worst{};
    int kept = 0;
    for (int i = 0; i < 30 * 30; ++i) {
        const auto arrival = start + i * 33ms;
        const auto due = pace.due(i * frame, arrival);
        now = std::max(now, arrival);
        if (!pace.decode(i % 30 == 0, due, now))
            continue;
        if (pace.encode(i % 60 == 0, due, now)) {
            now += 333ms;
            ++kept;
        }
        worst = std::max(worst, now - due);
    }
    EXPECT_LT(worst, 1800ms);
    EXPECT_GT(kept, 60);
}

TEST(pace_keeper, keeps_a_needed_frame_however_late) {
    pace_keeper pace;
    const auto due = pace.due(0, start);
    EXPECT_TRUE(pace.encode(true, due, start + 1500ms));
}

TEST(pace_keeper, takes_all_frames_again_only_once_it_has_caught_up) {
    pace_keeper pace;
    auto due = pace.due(0, start);
    pace.encode(false, due, due + 600ms);
    EXPECT_FALSE(pace.encode(false, due, due + 300ms)); // less late, but not recovered
    EXPECT_TRUE(pace.encode(false, due, due + 50ms));
    EXPECT_TRUE(pace.encode(false, due, due + 300ms));
}

TEST(pace_keeper, drops_undecoded_up_to_a_keyframe_that_is_early_enough) {
    pace_keeper pace;
    const auto due = pace.due(0, start);
    EXPECT_FALSE(pace.decode(false, due, due + 2100ms));
    EXPECT_FALSE(pace.decode(false, due, due + 100ms)); // in time again, but undecodable
    EXPECT_FALSE(pace.decode(true, due, due + 1500ms)); // still too late
    EXPECT_TRUE(pace.decode(true, due, due + 100ms));
    EXPECT_TRUE(pace.decode(false, due, due + 100ms));
}

TEST(pace_keeper, notices_a_job_slower_than_real_time_behind_bursts) {
    pace_keeper pace;
    // Segments of two seconds, each arriving at once; a frame takes 40 ms instead of 33.
    time_point now = start;
    int skipped = 0;
    for (int i = 0; i < 60 * 20; ++i) {
        const auto arrival = start + (i / 60) * 2s;
        const auto due = pace.due(i * frame, arrival);
        now = std::max(now, arrival);
        if (pace.encode(false, due, now))
            now += 40ms;
        else
            ++skipped;
    }
    EXPECT_GT(skipped, 100);
    const auto last_arrival = start + 19 * 2s;
    EXPECT_LT(now - last_arrival, 3500ms);
}

TEST(pace_keeper, a_jump_of_the_clock_leaves_no_debt_and_no_credit) {
    pace_keeper pace;
    pace.due(0, start);
    EXPECT_EQ(pace.due(90'000'000, start + 33ms), start + 33ms);
    EXPECT_EQ(pace.due(0, start + 66ms), start + 66ms);
}

} // namespace rivulet::worker
