// The ledger of the demo and the soak: what they report must be true.
#include "bench/frame_ledger.hpp"

#include <gtest/gtest.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

time_point at(duration offset) {
    return time_point{} + offset;
}

TEST(frame_ledger, measures_each_frame_from_sending_to_receiving) {
    frame_ledger ledger;
    ledger.sent(0, at(0ms));
    ledger.sent(33, at(33ms));
    ledger.received(0, at(20ms));
    ledger.received(33, at(63ms));
    EXPECT_EQ(ledger.latency().total(), 2u);
    EXPECT_EQ(ledger.latency().percentile_ms(0.5), 20);
    EXPECT_EQ(ledger.latency().percentile_ms(0.99), 30);
    EXPECT_EQ(ledger.first_frame_after(), duration(20ms));
    EXPECT_EQ(ledger.frames_lost(), 0u);
}

TEST(frame_ledger, counts_a_frame_as_lost_when_its_patience_is_over) {
    frame_ledger ledger(10s);
    for (int i = 0; i < 3; ++i)
        ledger.sent(i, at(std::chrono::milliseconds(i)));
    ledger.received(0, at(5ms));
    ledger.settle(at(10s));
    EXPECT_EQ(ledger.frames_lost(), 0u);
    ledger.settle(at(10s + 1ms));
    EXPECT_EQ(ledger.frames_lost(), 1u);
    ledger.settle(at(11s));
    EXPECT_EQ(ledger.frames_lost(), 2u);
}

TEST(frame_ledger, does_not_blame_the_start_up) {
    frame_ledger ledger;
    ledger.sent(0, at(0ms));
    ledger.sent(33, at(33ms));
    ledger.received(33, at(50ms));
    ledger.settle(at(1h));
    EXPECT_EQ(ledger.frames_lost(), 0u);
    EXPECT_EQ(ledger.first_frame_after(), duration(50ms));
}

TEST(frame_ledger, notices_strangers_repetitions_and_steps_back) {
    frame_ledger ledger;
    ledger.sent(10, at(0ms));
    ledger.received(10, at(1ms));
    ledger.received(10, at(2ms));
    ledger.received(7, at(3ms));
    EXPECT_EQ(ledger.frames_unknown(), 2u);
    EXPECT_EQ(ledger.steps_back(), 1u);
    EXPECT_EQ(ledger.latency().total(), 1u);
}

TEST(frame_ledger, ignores_what_is_sent_after_the_count_was_closed) {
    frame_ledger ledger;
    ledger.sent(0, at(0ms));
    ledger.expect_no_more();
    ledger.sent(33, at(33ms));
    ledger.received(0, at(40ms));
    ledger.received(33, at(50ms));
    ledger.settle(at(1h));
    EXPECT_EQ(ledger.frames_sent(), 1u);
    EXPECT_EQ(ledger.frames_received(), 1u);
    EXPECT_EQ(ledger.frames_lost(), 0u);
    EXPECT_EQ(ledger.frames_unknown(), 0u);
}

TEST(frame_ledger, counts_windows_apart_from_the_whole) {
    frame_ledger ledger;
    ledger.sent(0, at(0ms));
    ledger.received(0, at(9ms));
    ledger.begin_window();
    EXPECT_EQ(ledger.window_sent() + ledger.window_received(), 0u);
    EXPECT_EQ(ledger.window_latency().percentile_ms(0.5), std::nullopt);
    ledger.sent(33, at(33ms));
    EXPECT_EQ(ledger.window_sent(), 1u);
    EXPECT_EQ(ledger.frames_sent(), 2u);
}

TEST(latency_counts, puts_everything_beyond_ten_seconds_into_the_last_place) {
    latency_counts counts;
    counts.add(11s);
    counts.add(-1s);
    EXPECT_EQ(counts.percentile_ms(1.0), 10'000);
    EXPECT_EQ(counts.percentile_ms(0.5), 0);
}

} // namespace
} // namespace rivulet::test
