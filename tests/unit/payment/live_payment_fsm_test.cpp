#include "payment/live_payment_fsm.hpp"

#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

using namespace std::chrono_literals;

constexpr time_point begin = time_point() + 1h;

live_payment_fsm::limits standard() {
    return {};
}

TEST(payments_conformance, s18_the_first_segment_after_the_interval_pays_for_the_time_passed) {
    live_payment_fsm fsm(standard(), begin);
    for (int second = 1; second <= 4; ++second) {
        fsm.segment(begin + second * 1s + 300ms);
        EXPECT_FALSE(fsm.due(begin + second * 1s + 300ms));
    }
    fsm.segment(begin + 5300ms);
    EXPECT_EQ(fsm.due(begin + 5300ms), 27'648'000 * 53 / 10);
    fsm.paid();
    for (auto at : {6300ms, 7300ms, 8300ms, 9300ms}) {
        fsm.segment(begin + at);
        EXPECT_FALSE(fsm.due(begin + at));
    }
    fsm.segment(begin + 10300ms);
    EXPECT_EQ(fsm.due(begin + 10300ms), 27'648'000 * 5);
}

TEST(payments_conformance, s18_one_and_a_half_seconds_are_41472000_units) {
    live_payment_fsm::limits limits;
    limits.interval = 1s;
    live_payment_fsm fsm(limits, begin);
    fsm.segment(begin + 1500ms);
    EXPECT_EQ(fsm.due(begin + 1500ms), 41'472'000);
}

TEST(payments_conformance, s19_fractions_carry_over) {
    live_payment_fsm::limits limits;
    limits.interval = 10s;
    limits.units_per_second = 1;
    live_payment_fsm fsm(limits, begin);
    fsm.segment(begin + 10500ms);
    EXPECT_EQ(fsm.due(begin + 10500ms), 10);
    fsm.paid();
    fsm.segment(begin + 21s);
    EXPECT_EQ(fsm.due(begin + 21s), 11);
}

TEST(live_conformance, s52_all_payments_together_are_the_elapsed_time_times_the_rate) {
    live_payment_fsm fsm(standard(), begin);
    auto now = begin;
    std::int64_t sum = 0;
    for (int i = 1; i <= 1000; ++i) {
        now += std::chrono::nanoseconds(1'003'333'337);
        fsm.segment(now);
        if (const auto units = fsm.due(now)) {
            sum += *units;
            fsm.paid();
            const auto elapsed = std::chrono::nanoseconds(now - begin).count();
            EXPECT_EQ(
                sum, static_cast<std::int64_t>(__int128(27'648'000) * elapsed / 1'000'000'000)
            );
        }
    }
    EXPECT_EQ(sum, fsm.paid_units());
    EXPECT_EQ(live_start_units, 1'658'880'000);
}

TEST(payments_conformance, s20_one_payment_at_a_time_and_one_segment_waits) {
    live_payment_fsm fsm(standard(), begin);
    fsm.segment(begin + 5s);
    ASSERT_TRUE(fsm.due(begin + 5s));
    // The payment takes long; many segments come.
    for (auto at : {6s, 7s, 8s, 9s, 10s, 11s}) {
        fsm.segment(begin + at);
        EXPECT_FALSE(fsm.due(begin + at));
    }
    fsm.paid();
    EXPECT_EQ(fsm.due(begin + 11s), 6 * 27'648'000); // the one that waited
    fsm.paid();
    EXPECT_FALSE(fsm.due(begin + 11s)); // the others were dropped
}

TEST(payments_conformance, s20_a_waiting_segment_is_held_against_the_interval_again) {
    live_payment_fsm fsm(standard(), begin);
    fsm.segment(begin + 5s);
    ASSERT_TRUE(fsm.due(begin + 5s));
    fsm.segment(begin + 6s);
    fsm.paid();
    EXPECT_FALSE(fsm.due(begin + 6s));
}

TEST(live_payment_fsm, without_segments_nothing_is_paid) {
    live_payment_fsm fsm(standard(), begin);
    EXPECT_FALSE(fsm.due(begin + 1h));
    EXPECT_EQ(fsm.next_look(begin), time_point::max());
    fsm.segment(begin + 5s);
    ASSERT_TRUE(fsm.due(begin + 5s));
    fsm.paid();
    EXPECT_FALSE(fsm.due(begin + 60s));
    EXPECT_EQ(fsm.next_look(begin + 60s), time_point::max());
}

TEST(live_payment_fsm, long_segments_do_not_make_long_intervals) {
    live_payment_fsm fsm(standard(), begin);
    fsm.segment(begin + 4s); // and the next one at 12 s
    EXPECT_FALSE(fsm.due(begin + 4s));
    const auto look = fsm.next_look(begin + 4s);
    EXPECT_EQ(look, begin + 6250ms);
    EXPECT_EQ(fsm.due(look), 27'648'000 * 25 / 4);
}

TEST(live_payment_fsm, a_failed_payment_is_tried_again_with_what_came_since) {
    live_payment_fsm fsm(standard(), begin);
    fsm.segment(begin + 5s);
    ASSERT_TRUE(fsm.due(begin + 5s));
    fsm.failed(begin + 5s);
    EXPECT_FALSE(fsm.due(begin + 5500ms));
    EXPECT_EQ(fsm.next_look(begin + 5500ms), begin + 6s);
    EXPECT_EQ(fsm.due(begin + 6s), 6 * 27'648'000); // no new segment is needed
    fsm.failed(begin + 6s);
    EXPECT_FALSE(fsm.due(begin + 7s));
    EXPECT_EQ(fsm.due(begin + 8s), 8 * 27'648'000);
    fsm.paid();
    EXPECT_EQ(fsm.paid_units(), 8 * 27'648'000);
}

TEST(live_payment_fsm, gives_up_before_the_orchestrator_does) {
    live_payment_fsm fsm(standard(), begin);
    auto now = begin;
    while (!fsm.hopeless(now)) {
        now += 1s;
        fsm.segment(now);
        if (fsm.due(now))
            fsm.failed(now);
        ASSERT_LT(now, begin + 60s);
    }
    EXPECT_GE(now, begin + 40s);
}

TEST(live_payment_fsm, what_was_not_due_yet_stays_owed) {
    live_payment_fsm fsm(standard(), begin);
    fsm.segment(begin + 5s);
    ASSERT_TRUE(fsm.due(begin + 5s));
    fsm.nothing_due(begin + 5s);
    fsm.segment(begin + 6s);
    EXPECT_FALSE(fsm.due(begin + 6s));
    fsm.segment(begin + 10s);
    EXPECT_EQ(fsm.due(begin + 10s), 10 * 27'648'000);
    EXPECT_FALSE(fsm.hopeless(begin + 100s));
}

TEST(live_payment_fsm, counts_real_pixels_from_when_they_are_known) {
    live_payment_fsm fsm(standard(), begin);
    fsm.rate(1920 * 1080 * 29.97, begin + 2s);
    fsm.segment(begin + 5s);
    const auto wanted = 2 * 27'648'000 + static_cast<std::int64_t>(3 * 1920 * 1080 * 29.97);
    EXPECT_EQ(fsm.due(begin + 5s), wanted);
}

TEST(live_payment_fsm, broken_rates_cost_nothing_or_are_bounded) {
    live_payment_fsm fsm(standard(), begin);
    fsm.rate(-5, begin);
    fsm.segment(begin + 100s);
    EXPECT_FALSE(fsm.due(begin + 100s));
    fsm.rate(1e300, begin + 100s);
    fsm.segment(begin + 110s);
    EXPECT_EQ(fsm.due(begin + 110s), 100'000'000'000);
}

} // namespace
} // namespace rivulet::payment
