#include "session_fsm.hpp"

#include <gtest/gtest.h>

namespace rivulet::element {
namespace {

using namespace std::chrono_literals;
using kind = session_action::kind;
using phase = session_fsm::phase;

std::vector<kind> kinds(const session_actions& actions) {
    std::vector<kind> out;
    for (const auto& action : actions)
        out.push_back(action.what);
    return out;
}

using list = std::vector<kind>;

const time_point t0{1000s};

door_failure away() {
    door_failure why;
    why.reason = "not there";
    return why;
}

door_failure answered(int status, std::optional<duration> after = std::nullopt) {
    door_failure why;
    why.status = status;
    why.hopeless = is_hopeless(status);
    why.retry_after = after;
    why.reason = "no";
    return why;
}

class machine : public testing::Test {
  protected:
    session_fsm fsm{250ms, 10s};
};

using session_fsm_test = machine;

TEST_F(session_fsm_test, opens_the_door_once_when_started) {
    EXPECT_EQ(fsm.due(), time_point::max());
    EXPECT_EQ(kinds(fsm.start()), list{kind::open});
    EXPECT_TRUE(fsm.start().empty());
    EXPECT_EQ(kinds(fsm.opened(t0)), list{kind::tell_connected});
    EXPECT_EQ(fsm.at(), phase::live);
    EXPECT_EQ(fsm.due(), time_point::max());
}

TEST_F(session_fsm_test, tries_again_with_pauses_that_double_up_to_the_last_one) {
    fsm.start();
    auto now = t0;
    for (const auto pause : {250ms, 500ms, 1000ms, 2000ms, 4000ms, 8000ms, 10000ms, 10000ms}) {
        const auto told = fsm.open_failed(away(), now, 0);
        ASSERT_EQ(kinds(told), (list{kind::close, kind::tell_lost}));
        EXPECT_EQ(told[1].retry, pause);
        EXPECT_EQ(told[1].reason, "not there");
        EXPECT_EQ(fsm.due(), now + pause);
        EXPECT_TRUE(fsm.tick(now + pause - 1ms).empty());
        now += pause;
        EXPECT_EQ(kinds(fsm.tick(now)), list{kind::open});
    }
}

TEST_F(session_fsm_test, chance_shortens_a_pause_by_a_fifth_at_most) {
    fsm.start();
    EXPECT_EQ(fsm.open_failed(away(), t0, 1)[1].retry, 200ms);
}

TEST_F(session_fsm_test, a_loss_soon_after_opening_counts_as_another_failure) {
    fsm.start();
    fsm.opened(t0);
    EXPECT_EQ(fsm.lost("gone", t0 + 1s, 0, false)[1].retry, 250ms);
    fsm.tick(t0 + 2s);
    fsm.opened(t0 + 2s);
    EXPECT_EQ(fsm.lost("gone", t0 + 3s, 0, false)[1].retry, 500ms);
}

TEST_F(session_fsm_test, a_connection_that_lasted_is_opened_again_at_once) {
    fsm.start();
    for (int i = 0; i < 5; ++i) {
        fsm.open_failed(away(), t0, 0);
        fsm.tick(t0 + 1min);
    }
    fsm.opened(t0);
    EXPECT_EQ(fsm.lost("gone", t0 + session_fsm::steady, 0, false)[1].retry, 250ms);
}

TEST_F(session_fsm_test, a_name_that_another_publisher_took_is_not_taken_back_at_once) {
    fsm.start();
    fsm.opened(t0);
    const auto told = fsm.lost("taken", t0 + 1min, 0, false, true);
    ASSERT_EQ(kinds(told), (list{kind::close, kind::tell_lost}));
    EXPECT_EQ(told[1].retry, 10s);
    EXPECT_TRUE(fsm.tick(t0 + 1min + 9999ms).empty());
    EXPECT_EQ(kinds(fsm.tick(t0 + 1min + 10s)), list{kind::open});
    fsm.opened(t0 + 2min);
    EXPECT_GE(fsm.lost("taken", t0 + 3min, 1, false, true)[1].retry, 10s);
    fsm.tick(t0 + 4min);
    fsm.opened(t0 + 4min);
    // Both count as failures.
    EXPECT_EQ(fsm.lost("gone", t0 + 4min, 0, false)[1].retry, 1s);
}

TEST_F(session_fsm_test, statuses_that_another_try_cannot_change_are_refusals) {
    for (int status : {400, 401, 403, 404, 405, 413, 415, 301})
        EXPECT_TRUE(is_hopeless(status)) << status;
    for (int status : {408, 425, 429, 500, 502, 503, 504})
        EXPECT_FALSE(is_hopeless(status)) << status;
    fsm.start();
    const auto told = fsm.open_failed(answered(403), t0, 0);
    ASSERT_EQ(kinds(told), (list{kind::close, kind::tell_refused}));
    EXPECT_EQ(told[1].status, 403);
    EXPECT_EQ(fsm.at(), phase::over);
    EXPECT_EQ(fsm.due(), time_point::max());
    EXPECT_TRUE(fsm.tick(t0 + 1h).empty());
    EXPECT_TRUE(fsm.finish(t0).empty());
    EXPECT_TRUE(fsm.refuse("again").empty());
}

TEST_F(session_fsm_test, what_the_gateway_asks_for_is_obeyed_up_to_the_last_pause) {
    fsm.start();
    EXPECT_EQ(fsm.open_failed(answered(503, 2s), t0, 0)[1].retry, 2s);
    fsm.tick(t0 + 2s);
    EXPECT_EQ(fsm.open_failed(answered(429, 1h), t0, 0)[1].retry, 10s);
    fsm.tick(t0 + 10s);
    // Shorter than the pause that is due anyway.
    EXPECT_EQ(fsm.open_failed(answered(503, 0s), t0, 0)[1].retry, 1s);
}

TEST_F(session_fsm_test, settings_that_cannot_be_asked_with_are_refused_before_the_start) {
    const auto told = fsm.refuse("gateway: no address");
    ASSERT_EQ(kinds(told), (list{kind::close, kind::tell_refused}));
    EXPECT_EQ(told[1].status, 0);
    EXPECT_TRUE(fsm.start().empty());
}

TEST_F(session_fsm_test, the_end_of_the_input_is_sent_and_the_output_awaited) {
    fsm.start();
    fsm.opened(t0);
    EXPECT_EQ(kinds(fsm.finish(t0 + 5s)), list{kind::end_input});
    EXPECT_TRUE(fsm.finish(t0 + 50s).empty());
    EXPECT_EQ(fsm.due(), t0 + 5s);
    EXPECT_EQ(kinds(fsm.drained()), (list{kind::close, kind::tell_drained}));
    EXPECT_TRUE(fsm.tick(t0 + 5s).empty());
}

TEST_F(session_fsm_test, draining_ends_at_its_limit) {
    fsm.start();
    fsm.opened(t0);
    fsm.finish(t0 + 5s);
    EXPECT_TRUE(fsm.tick(t0 + 4999ms).empty());
    EXPECT_EQ(kinds(fsm.tick(t0 + 5s)), (list{kind::close, kind::tell_drained}));
    EXPECT_TRUE(fsm.drained().empty());
}

TEST_F(session_fsm_test, an_input_that_ends_while_the_door_is_shut_still_waits_for_it) {
    fsm.start();
    EXPECT_TRUE(fsm.finish(t0 + 5s).empty());
    fsm.open_failed(away(), t0, 0);
    EXPECT_EQ(fsm.due(), t0 + 250ms);
    EXPECT_EQ(kinds(fsm.tick(t0 + 250ms)), list{kind::open});
    EXPECT_EQ(kinds(fsm.opened(t0 + 300ms)), (list{kind::tell_connected, kind::end_input}));
}

TEST_F(session_fsm_test, a_loss_while_draining_is_the_end_and_not_another_try) {
    fsm.start();
    fsm.opened(t0);
    fsm.finish(t0 + 5s);
    EXPECT_EQ(kinds(fsm.lost("gone", t0 + 1s, 0, false)), (list{kind::close, kind::tell_drained}));
    EXPECT_EQ(fsm.at(), phase::over);
}

TEST_F(session_fsm_test, a_stream_that_ended_while_nothing_came_waits_for_something_to_come) {
    fsm.start();
    fsm.opened(t0);
    fsm.lost("nothing came", t0 + 30s, 0, true);
    EXPECT_EQ(fsm.due(), time_point::max());
    EXPECT_TRUE(fsm.tick(t0 + 1h).empty());
    EXPECT_EQ(kinds(fsm.input(t0 + 1h)), list{kind::open});
    EXPECT_TRUE(fsm.input(t0 + 1h).empty());
}

TEST_F(session_fsm_test, what_comes_before_the_pause_is_over_waits_for_its_end) {
    fsm.start();
    fsm.opened(t0);
    fsm.lost("nothing came", t0 + 30s, 0, true);
    EXPECT_TRUE(fsm.input(t0 + 30s).empty());
    EXPECT_EQ(fsm.due(), t0 + 30s + 250ms);
    EXPECT_EQ(kinds(fsm.tick(fsm.due())), list{kind::open});
}

TEST_F(session_fsm_test, an_input_that_ends_while_nothing_came_has_nothing_to_drain) {
    fsm.start();
    fsm.opened(t0);
    fsm.lost("nothing came", t0 + 30s, 0, true);
    EXPECT_EQ(kinds(fsm.finish(t0 + 1h)), (list{kind::close, kind::tell_drained}));
}

TEST_F(session_fsm_test, answers_that_come_too_late_change_nothing) {
    EXPECT_TRUE(fsm.opened(t0).empty());
    EXPECT_TRUE(fsm.lost("x", t0, 0, false).empty());
    fsm.start();
    fsm.open_failed(away(), t0, 0);
    EXPECT_TRUE(fsm.opened(t0).empty());
    EXPECT_TRUE(fsm.open_failed(away(), t0, 0).empty());
    EXPECT_TRUE(fsm.drained().empty());
}

} // namespace
} // namespace rivulet::element
