#include "live/swap_fsm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using kind = swap_fsm::verdict::kind;
const time_point start = time_point{} + 1h;

swap_limits reference() {
    swap_limits limits;
    limits.most = 2;
    return limits;
}

TEST(live_conformance, s40_with_the_reference_limit_the_third_quick_swap_ends_the_stream) {
    swap_fsm swaps(reference(), start);
    EXPECT_EQ(swaps.lost(start + 1min, 50s).what, kind::now);
    EXPECT_EQ(swaps.lost(start + 2min, 50s).what, kind::now);
    const auto third = swaps.lost(start + 4min, 110s);
    EXPECT_EQ(third.what, kind::give_up);
    EXPECT_EQ(swaps.count(), 2u);
}

TEST(orchestrators_conformance, s32_the_third_swap_within_three_minutes_says_too_many_swaps) {
    swap_fsm swaps(reference(), start);
    swaps.lost(start + 10s, 5s);
    swaps.lost(start + 20s, 5s);
    EXPECT_THAT(swaps.lost(start + 30s, 5s).text, testing::HasSubstr("Too many swaps"));
}

TEST(live_conformance, s40_swaps_further_apart_than_three_minutes_begin_to_count_anew) {
    swap_fsm swaps(reference(), start);
    auto now = start;
    for (int i = 0; i < 10; ++i) {
        now += 3min;
        EXPECT_EQ(swaps.lost(now, 1min).what, kind::now) << i;
        now += 2min;
        EXPECT_EQ(swaps.lost(now, 1min).what, kind::now) << i;
    }
}

TEST(swap_fsm, without_a_limit_a_job_that_worked_is_followed_at_once_however_often) {
    swap_fsm swaps({}, start);
    for (int i = 1; i <= 50; ++i)
        EXPECT_EQ(swaps.lost(start + i * 8s, 6s).what, kind::now) << i;
    EXPECT_EQ(swaps.count(), 50u);
}

TEST(swap_fsm, jobs_that_never_worked_are_followed_more_and_more_slowly) {
    swap_fsm swaps({}, start);
    EXPECT_EQ(swaps.lost(start, 0s).what, kind::now);
    EXPECT_EQ(swaps.lost(start, 1s).what, kind::now);
    duration before{};
    for (int i = 0; i < 40; ++i) {
        const auto next = swaps.lost(start, 0s);
        ASSERT_EQ(next.what, kind::wait) << i;
        EXPECT_GE(next.pause, before);
        EXPECT_LE(next.pause, 10s);
        before = next.pause;
    }
    EXPECT_EQ(before, 10s);
    EXPECT_EQ(swaps.lost(start, 5s).what, kind::now); // it is forgotten
    EXPECT_EQ(swaps.lost(start, 0s).what, kind::now);
}

} // namespace
} // namespace rivulet::live
