#include "trickle/publisher_policy.hpp"

#include <gtest/gtest.h>

namespace rivulet::trickle {
namespace {

using namespace std::chrono_literals;
using step = segment_policy_fsm::step;

const time_point t0{1000s};

error_code code(errc value) {
    return make_error_code(value);
}

TEST(trickle_conformance, s54_a_fourth_segment_in_flight_means_slow) {
    segment_policy_fsm policy;
    for (int id = 0; id < 3; ++id)
        EXPECT_EQ(policy.begun(id, t0).what, step::send) << id;
    EXPECT_EQ(policy.in_flight(), 3u);
    EXPECT_EQ(policy.begun(3, t0).what, step::slow);
    policy.ended(1);
    EXPECT_EQ(policy.begun(4, t0).what, step::send);
}

TEST(trickle_conformance, s54_retries_come_250_ms_apart_while_nothing_was_sent) {
    segment_policy_fsm policy;
    policy.begun(7, t0);
    auto now = t0;
    for (int attempt = 0; attempt < 20; ++attempt) {
        auto verdict = policy.attempt_failed(7, code(errc::connect_failed), 0, now);
        ASSERT_EQ(verdict.what, step::wait);
        EXPECT_EQ(verdict.retry_at, now + 250ms);
        now = verdict.retry_at;
        EXPECT_EQ(policy.retry_due(7, now).what, step::send);
        EXPECT_EQ(policy.last_input(), now);
    }
}

TEST(trickle_conformance, s54_a_segment_is_dropped_after_bytes_were_sent) {
    segment_policy_fsm policy;
    policy.begun(0, t0);
    EXPECT_EQ(policy.attempt_failed(0, code(errc::connect_failed), 1, t0).what, step::drop);
}

TEST(trickle_conformance, s54_a_segment_is_dropped_when_a_newer_one_began) {
    segment_policy_fsm policy;
    policy.begun(0, t0);
    EXPECT_EQ(policy.attempt_failed(0, code(errc::http_status), 0, t0).what, step::wait);
    policy.begun(1, t0 + 100ms);
    EXPECT_EQ(policy.retry_due(0, t0 + 250ms).what, step::drop);
    EXPECT_EQ(policy.retry_due(1, t0 + 250ms).what, step::send);
    EXPECT_EQ(policy.attempt_failed(0, code(errc::http_status), 0, t0).what, step::drop);
}

TEST(segment_policy_fsm, ends_when_the_channel_is_gone) {
    segment_policy_fsm policy;
    policy.begun(0, t0);
    EXPECT_EQ(policy.attempt_failed(0, code(errc::not_found), 0, t0).what, step::gone);
    EXPECT_EQ(policy.attempt_failed(0, code(errc::end_of_stream), 5, t0).what, step::gone);
}

TEST(segment_policy_fsm, does_not_write_again_into_a_segment_that_the_server_closed) {
    segment_policy_fsm policy;
    policy.begun(0, t0);
    EXPECT_EQ(policy.attempt_failed(0, code(errc::closed), 0, t0).what, step::drop);
}

} // namespace
} // namespace rivulet::trickle
