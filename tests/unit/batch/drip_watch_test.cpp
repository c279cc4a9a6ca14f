#include "batch/drip_watch.hpp"

#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;

const time_point start{};

TEST(drip_watch, lets_a_steady_body_go_on) {
    drip_watch watch(10s, 100, start);
    for (int s = 1; s <= 60; ++s)
        EXPECT_TRUE(watch.received(150, start + std::chrono::seconds(s))) << s;
}

TEST(drip_watch, finds_a_drip_at_the_end_of_a_stretch) {
    drip_watch watch(10s, 100, start);
    for (int s = 1; s < 10; ++s)
        EXPECT_TRUE(watch.received(1, start + std::chrono::seconds(s))) << s;
    EXPECT_FALSE(watch.received(1, start + 10s));
}

TEST(drip_watch, waits_for_a_slow_body_only_to_the_end_of_its_stretch) {
    drip_watch watch(10s, 100, start);
    EXPECT_EQ(watch.patience(start), 10s);
    EXPECT_TRUE(watch.received(10, start + 4s));
    EXPECT_EQ(watch.patience(start + 4s), 6s);
    EXPECT_EQ(watch.patience(start + 40s), 0s);
}

TEST(drip_watch, lets_a_fast_body_pause_for_the_whole_silence) {
    drip_watch watch(10s, 100, start);
    EXPECT_TRUE(watch.received(5'000, start + 9s));
    EXPECT_EQ(watch.patience(start + 9s), 10s);
    EXPECT_TRUE(watch.received(1, start + 18s));
    // A new stretch has begun.
    EXPECT_EQ(watch.patience(start + 18s), 10s);
    EXPECT_FALSE(watch.received(1, start + 28s));
}

TEST(drip_watch, excuses_the_time_that_nobody_listened) {
    drip_watch watch(10s, 100, start);
    watch.excuse(30s);
    EXPECT_TRUE(watch.received(1, start + 39s));
    EXPECT_FALSE(watch.received(1, start + 40s));
}

} // namespace
} // namespace rivulet::batch
