#include "session/retry_fsm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using step = retry_fsm::step;

constexpr time_point start{1000s};

TEST(retry_fsm, asks_nobody_twice_for_one_request) {
    retry_fsm tries(10s, start);
    EXPECT_EQ(tries.next(start), step::choose);
    tries.trying("https://a:1", start);
    EXPECT_EQ(tries.failed(to_fault(500, "x"), start), remedy::suspend);
    EXPECT_THAT(tries.excluded(), testing::ElementsAre("https://a:1"));
    EXPECT_EQ(tries.next(start), step::choose);
}

TEST(retry_fsm, ends_after_twenty_tries) {
    retry_fsm tries(1h, start);
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(tries.next(start), step::choose);
        tries.trying("https://" + std::to_string(i), start);
        tries.failed(to_fault(500, "x"), start);
    }
    EXPECT_EQ(tries.next(start), step::out_of_tries);
    EXPECT_EQ(tries.reasons().size(), 20u);
}

TEST(retry_fsm, asks_the_same_one_again_with_fresh_tickets_three_times_in_all) {
    retry_fsm tries(10s, start);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(tries.next(start), i == 0 ? step::choose : step::again);
        tries.trying("https://a:1", start);
        tries.failed(to_fault(400, "TicketParams expired"), start);
    }
    EXPECT_EQ(tries.next(start), step::choose);
    EXPECT_TRUE(tries.excluded().contains("https://a:1"));
}

TEST(retry_fsm, gives_a_try_half_of_what_is_left_and_the_last_one_all) {
    retry_fsm tries(8s, start);
    EXPECT_EQ(tries.try_limit(start, true), 4s);
    EXPECT_EQ(tries.try_limit(start + 4s, true), 2s);
    EXPECT_EQ(tries.try_limit(start + 4s, false), 4s);
    EXPECT_EQ(tries.try_limit(start + 9s, false), 0s);
    EXPECT_EQ(tries.next(start + 8s), step::out_of_time);
}

TEST(retry_fsm, a_try_too_short_to_be_fair_is_nobodys_fault) {
    retry_fsm tries(10s, start);
    tries.trying("https://a:1", start);
    const fault late(fault_kind::timed_out, "no answer");
    EXPECT_EQ(tries.failed(late, start + 900ms), remedy::try_another);
    tries.trying("https://b:1", start + 1s);
    EXPECT_EQ(tries.failed(late, start + 2s), remedy::suspend);
}

TEST(retry_fsm, a_bad_request_and_a_client_that_left_end_it) {
    retry_fsm bad(10s, start);
    bad.trying("https://a:1", start);
    EXPECT_EQ(bad.failed(to_fault(400, "undecodable image"), start), remedy::give_up);
    EXPECT_EQ(bad.next(start), step::bad_request);
    EXPECT_EQ(bad.to_json("", start).at("error").at("message"), "undecodable image");
    retry_fsm gone(10s, start);
    gone.trying("https://a:1", start);
    gone.failed(fault(fault_kind::client_gone, "left"), start);
    EXPECT_EQ(gone.next(start), step::gone);
}

TEST(retry_fsm, says_what_was_tried) {
    retry_fsm tries(2s, start);
    EXPECT_EQ(
        tries.summary("none is configured", start), "no orchestrators available: none is configured"
    );
    tries.trying("https://a:1", start);
    tries.failed(to_fault(500, "broken"), start);
    EXPECT_EQ(
        tries.summary("", start + 2s),
        "no orchestrators available within 2000 ms: https://a:1: broken"
    );
    const auto body = tries.to_json("", start + 2s);
    EXPECT_EQ(body.at("error").at("code"), "timed_out");
}

TEST(retry_fsm, says_the_same_thing_in_whatever_order_they_were_tried) {
    const std::vector<std::string> first{"https://a:1", "https://b:1"};
    const std::vector<std::string> second{"https://b:1", "https://a:1", "https://b:1"};
    const auto told = [](const std::vector<std::string>& order) {
        retry_fsm tries(2s, start);
        for (const auto& url : order) {
            tries.trying(url, start);
            tries.failed(to_fault(503, "full"), start);
        }
        return tries.summary("", start);
    };
    EXPECT_EQ(told(first), "no orchestrators available: https://a:1: full; https://b:1: full");
    EXPECT_EQ(told(first), told(second));
}

} // namespace
} // namespace rivulet::session
