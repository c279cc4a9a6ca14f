#include "batch/drip_watch.hpp"

#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;

const time_point start{};

drip_limits stretches_alone() {
    drip_limits out;
    out.silence = 10s;
    out.bytes_per_second = 100;
    out.average_per_second = 0;
    return out;
}

TEST(drip_watch, lets_a_steady_body_go_on) {
    drip_watch watch(stretches_alone(), start);
    for (int s = 1; s <= 60; ++s)
        EXPECT_TRUE(watch.received(150, start + std::chrono::seconds(s))) << s;
}

TEST(drip_watch, finds_a_drip_at_the_end_of_a_stretch) {
    drip_watch watch(stretches_alone(), start);
    for (int s = 1; s < 10; ++s)
        EXPECT_TRUE(watch.received(1, start + std::chrono::seconds(s))) << s;
    EXPECT_FALSE(watch.received(1, start + 10s));
}

TEST(drip_watch, waits_for_a_slow_body_only_to_the_end_of_its_stretch) {
    drip_watch watch(stretches_alone(), start);
    EXPECT_EQ(watch.patience(start), 10s);
    EXPECT_TRUE(watch.received(10, start + 4s));
    EXPECT_EQ(watch.patience(start + 4s), 6s);
    EXPECT_EQ(watch.patience(start + 40s), 0s);
}

TEST(drip_watch, lets_a_fast_body_pause_for_the_whole_silence) {
    drip_watch watch(stretches_alone(), start);
    EXPECT_TRUE(watch.received(5'000, start + 9s));
    EXPECT_EQ(watch.patience(start + 9s), 10s);
    EXPECT_TRUE(watch.received(1, start + 18s));
    // A new stretch has begun.
    EXPECT_EQ(watch.patience(start + 18s), 10s);
    EXPECT_FALSE(watch.received(1, start + 28s));
}

TEST(drip_watch, excuses_the_time_that_nobody_listened) {
    drip_watch watch(stretches_alone(), start);
    watch.excuse(30s);
    EXPECT_TRUE(watch.received(1, start + 39s));
    EXPECT_FALSE(watch.received(1, start + 40s));
}

drip_limits with_average() {
    auto out = stretches_alone();
    out.head_start = 20s;
    out.average_per_second = 1'000;
    return out;
}

TEST(drip_watch, wants_more_of_a_body_that_has_come_for_long) {
    // Enough for every stretch, and too little in all.
    drip_watch watch(with_average(), start);
    for (int s = 1; s <= 25; ++s)
        EXPECT_TRUE(watch.received(200, start + std::chrono::seconds(s))) << s;
    EXPECT_FALSE(watch.received(200, start + 26s));
}

TEST(drip_watch, lets_a_body_go_on_that_keeps_the_average) {
    drip_watch watch(with_average(), start);
    for (int s = 1; s <= 600; ++s)
        EXPECT_TRUE(watch.received(1'000, start + std::chrono::seconds(s))) << s;
}

TEST(drip_watch, waits_no_longer_than_the_average_allows) {
    drip_watch watch(with_average(), start);
    EXPECT_TRUE(watch.received(2'000, start + 15s)); // allowed until 22 s
    EXPECT_EQ(watch.patience(start + 15s), 7s);
    EXPECT_EQ(watch.patience(start + 30s), 0s);
    watch.excuse(10s);
    EXPECT_EQ(watch.patience(start + 30s), 2s);
}

TEST(drip_watch, a_fast_beginning_earns_no_patience_for_ever) {
    drip_watch watch(with_average(), start);
    EXPECT_TRUE(watch.received(10'000'000, start + 1s)); // credit until 21 s
    for (int s = 2; s <= 26; ++s)
        EXPECT_TRUE(watch.received(200, start + std::chrono::seconds(s))) << s;
    EXPECT_FALSE(watch.received(200, start + 27s));
}

} // namespace
} // namespace rivulet::batch
