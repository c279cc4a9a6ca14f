#include "session/suspension.hpp"

#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using state = suspension_fsm::state;

constexpr time_point start{1000s};
const suspension_limits limits;

// The reference counts refreshes; here it is time: 10 s, doubled for each fault in a row, and then
// one request on trial.
TEST(orchestrators_conformance, s17_a_fault_hides_it_for_a_while_and_a_trial_brings_it_back) {
    suspension_fsm one;
    EXPECT_EQ(one.now_is(start), state::open);
    EXPECT_TRUE(one.failed(fault_kind::internal, start, start, limits));
    EXPECT_EQ(one.now_is(start), state::shut);
    EXPECT_EQ(one.now_is(start + 9'999ms), state::shut);
    EXPECT_EQ(one.now_is(start + 10s), state::trial_due);
    one.taken(start + 10s);
    EXPECT_EQ(one.now_is(start + 10s), state::trial_taken);
    one.worked(start + 10s);
    EXPECT_EQ(one.now_is(start + 11s), state::open);
}

TEST(orchestrators_conformance, s18_faults_in_a_row_hide_it_for_longer_up_to_half_an_hour) {
    suspension_fsm one;
    auto now = start;
    auto length = duration(10s);
    for (int i = 0; i < 12; ++i) {
        one.taken(now);
        ASSERT_TRUE(one.failed(fault_kind::stalled, now, now, limits));
        EXPECT_EQ(one.until() - now, length);
        EXPECT_EQ(one.now_is(now + length - 1ms), state::shut);
        now += length;
        EXPECT_EQ(one.now_is(now), state::trial_due);
        length = std::min<duration>(length * 2, 30min);
    }
    one.taken(now);
    one.worked(now);
    EXPECT_TRUE(one.failed(fault_kind::stalled, now, now, limits));
    EXPECT_EQ(one.until() - now, duration(10s));
}

TEST(suspension_fsm, one_failed_answer_of_one_that_has_worked_may_be_an_accident) {
    suspension_fsm one;
    one.worked(start);
    EXPECT_FALSE(one.failed(fault_kind::internal, start, start, limits));
    EXPECT_FALSE(one.failed(fault_kind::internal, start, start, limits));
    EXPECT_TRUE(one.failed(fault_kind::internal, start, start, limits));

    suspension_fsm other;
    other.worked(start);
    other.failed(fault_kind::internal, start, start, limits);
    other.failed(fault_kind::internal, start, start, limits);
    other.worked(start);
    EXPECT_FALSE(other.failed(fault_kind::internal, start, start, limits));

    suspension_fsm gone;
    gone.worked(start);
    EXPECT_TRUE(gone.failed(fault_kind::unreachable, start, start, limits));
}

TEST(suspension_fsm, faults_of_requests_from_before_it_was_shut_out_count_once) {
    suspension_fsm one;
    for (int i = 0; i < 50; ++i)
        one.failed(fault_kind::unreachable, start, start + 1s, limits);
    EXPECT_EQ(one.until(), start + 11s);
    // And their success proves nothing.
    one.worked(start);
    EXPECT_EQ(one.now_is(start + 2s), state::shut);
}

TEST(suspension_fsm, a_trial_without_a_result_may_be_had_again) {
    suspension_fsm one;
    one.failed(fault_kind::unreachable, start, start, limits);
    const auto due = start + 10s;
    one.taken(due);
    one.released(due);
    EXPECT_EQ(one.now_is(due), state::trial_due);
    one.taken(due);
    EXPECT_TRUE(one.failed(fault_kind::unreachable, due, due, limits));
    EXPECT_EQ(one.until() - due, duration(20s));
}

TEST(suspension_fsm, an_old_request_that_goes_does_not_free_the_trial) {
    suspension_fsm one;
    one.failed(fault_kind::unreachable, start, start, limits);
    one.taken(start + 10s);
    one.released(start);
    EXPECT_EQ(one.now_is(start + 10s), state::trial_taken);
}

TEST(suspension_fsm, a_success_while_it_is_shut_out_brings_it_back) {
    suspension_fsm one;
    one.failed(fault_kind::unreachable, start, start, limits);
    one.taken(start + 1s); // nobody else was there
    one.worked(start + 1s);
    EXPECT_EQ(one.now_is(start + 1s), state::open);
}

} // namespace
} // namespace rivulet::session
