#include "trickle/subscriber_fsm.hpp"
#include "trickle/subscriber_relay.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rivulet::trickle {
namespace {

using namespace std::chrono_literals;
using kind = subscriber_action::kind;
using found = subscriber_fsm::status::kind;

const time_point t0{1000s};

get_reply segment(std::int64_t seq) {
    get_reply made;
    made.status = 200;
    made.seq = seq;
    return made;
}

get_reply refusal(unsigned status) {
    get_reply made;
    made.status = status;
    return made;
}

failure broken() {
    return {errc::connect_failed, "connection reset"};
}

// A machine that waits with one GET, sent at t0.
struct waiting {
    subscriber_fsm fsm;
    get_id get = 0;

    explicit waiting(std::int64_t start = -1) : fsm(start) {
        subscriber_actions actions;
        fsm.want(t0, actions);
        get = actions.at(0).get;
        fsm.sent(get, t0);
    }
};

TEST(trickle_conformance, s57_nothing_is_asked_before_the_first_read_and_then_the_start) {
    for (std::int64_t start : {-1, -2, 0, 99}) {
        subscriber_fsm fsm(start);
        EXPECT_EQ(fsm.deadline(), time_point::max());
        subscriber_actions actions;
        EXPECT_EQ(fsm.want(t0, actions).what, found::waiting);
        ASSERT_EQ(actions.size(), 1u);
        EXPECT_EQ(actions[0].what, kind::open_get);
        EXPECT_EQ(actions[0].seq, start);
        actions.clear();
        fsm.want(t0, actions);
        EXPECT_TRUE(actions.empty()) << "one GET is enough";
    }
}

TEST(trickle_conformance, s58_the_next_get_opens_with_the_headers_of_the_named_segment) {
    waiting one(-2);
    auto actions = one.fsm.replied(one.get, segment(41), t0);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].what, kind::open_get);
    EXPECT_EQ(actions[0].seq, 42);
    subscriber_actions none;
    auto now = one.fsm.want(t0, none);
    EXPECT_EQ(now.what, found::reading);
    EXPECT_EQ(now.seq, 41);
    EXPECT_TRUE(none.empty());
}

TEST(subscriber_fsm, reads_one_body_and_waits_for_one_reply_never_more) {
    waiting one(0);
    auto actions = one.fsm.replied(one.get, segment(0), t0);
    const auto second = actions.at(0).get;
    // The reply for 1 comes while 0 is being read: nothing further is asked until it is its turn.
    EXPECT_TRUE(one.fsm.replied(second, segment(1), t0).empty());
    actions.clear();
    EXPECT_EQ(one.fsm.want(t0, actions).seq, 0);
    EXPECT_TRUE(actions.empty());
    actions = one.fsm.body_ended(one.get, t0);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, 2);
    actions.clear();
    EXPECT_EQ(one.fsm.want(t0, actions).seq, 1);
}

TEST(trickle_conformance, s59_a_waiting_get_is_asked_again_every_20_seconds) {
    waiting one(5);
    auto newest = one.get;
    auto now = t0;
    for (int round = 0; round < 50; ++round) {
        EXPECT_EQ(one.fsm.deadline(), now + 20s);
        EXPECT_TRUE(one.fsm.tick(now + 20s - 1ms).empty());
        now += 20s;
        auto actions = one.fsm.tick(now);
        ASSERT_EQ(actions.size(), 1u);
        EXPECT_EQ(actions[0].what, kind::open_get);
        EXPECT_EQ(actions[0].seq, 5);
        EXPECT_TRUE(actions[0].fresh);
        const auto old = newest;
        newest = actions[0].get;
        // The old one ends only once the new one has been standing for a moment: no leak either.
        EXPECT_EQ(one.fsm.deadline(), time_point::max());
        one.fsm.sent(newest, now);
        EXPECT_TRUE(one.fsm.tick(now + 999ms).empty());
        actions = one.fsm.tick(now + 1s);
        ASSERT_EQ(actions.size(), 1u);
        EXPECT_EQ(actions[0].what, kind::close_get);
        EXPECT_EQ(actions[0].get, old);
    }
}

TEST(trickle_conformance, s59_a_reply_on_the_old_get_wins_and_its_twin_is_closed) {
    waiting one(-1);
    auto actions = one.fsm.tick(t0 + 20s);
    const auto twin = actions.at(0).get;
    one.fsm.sent(twin, t0 + 20s);
    actions = one.fsm.replied(one.get, segment(7), t0 + 20s + 1ms);
    ASSERT_EQ(actions.size(), 2u);
    EXPECT_EQ(actions[0].what, kind::close_get);
    EXPECT_EQ(actions[0].get, twin);
    EXPECT_EQ(actions[1].what, kind::open_get);
    EXPECT_EQ(actions[1].seq, 8);
    // The twin's reply, if it was on its way, neither counts nor stays around.
    actions = one.fsm.replied(twin, segment(8), t0 + 20s + 2ms);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].what, kind::close_get);
    subscriber_actions none;
    EXPECT_EQ(one.fsm.want(t0, none).seq, 7);
}

TEST(trickle_conformance, s59_a_get_whose_reply_has_begun_is_left_alone_but_not_for_ever) {
    waiting one(3);
    one.fsm.reply_begun(one.get, t0 + 20s);
    EXPECT_TRUE(one.fsm.tick(t0 + 20s).empty());
    EXPECT_EQ(one.fsm.deadline(), t0 + 30s);
    auto actions = one.fsm.tick(t0 + 30s);
    ASSERT_EQ(actions.size(), 2u);
    EXPECT_EQ(actions[0].what, kind::close_get);
    EXPECT_EQ(actions[1].what, kind::open_get);
    EXPECT_EQ(actions[1].seq, 3);
}

TEST(trickle_conformance, s60_the_end_of_the_channel_is_seen_before_status_and_body) {
    for (unsigned status : {200u, 404u, 470u, 500u}) {
        waiting one(4);
        auto reply = segment(4);
        reply.status = status;
        reply.closed = true;
        reply.body = "Entry not found";
        EXPECT_TRUE(one.fsm.replied(one.get, reply, t0).empty());
        subscriber_actions none;
        auto now = one.fsm.want(t0, none);
        ASSERT_EQ(now.what, found::failed);
        EXPECT_EQ(now.why->code, errc::end_of_stream) << status;
    }
}

TEST(trickle_conformance, s61_a_gap_names_requested_and_latest_and_set_seq_goes_on_there) {
    waiting one(9);
    auto reply = refusal(470);
    reply.seq = 9;
    reply.latest = 105;
    one.fsm.replied(one.get, reply, t0);
    subscriber_actions actions;
    auto now = one.fsm.want(t0, actions);
    ASSERT_EQ(now.what, found::failed);
    EXPECT_EQ(now.why->code, errc::sequence_not_found);
    EXPECT_NE(now.why->detail.find("segment 9"), std::string::npos);
    EXPECT_NE(now.why->detail.find("105"), std::string::npos);
    EXPECT_EQ(one.fsm.latest(), 105);
    EXPECT_EQ(one.fsm.position(), 9) << "the position is the caller's to change";
    one.fsm.set_seq(105);
    actions.clear();
    EXPECT_EQ(one.fsm.want(t0, actions).what, found::waiting);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, 105);
    EXPECT_TRUE(actions[0].fresh);
}

TEST(trickle_conformance, s62_six_failed_connections_in_a_row_are_the_last_until_set_seq) {
    subscriber_fsm fsm(0);
    for (int attempt = 1; attempt <= 6; ++attempt) {
        subscriber_actions actions;
        EXPECT_EQ(fsm.want(t0, actions).what, found::waiting);
        ASSERT_EQ(actions.size(), 1u) << attempt;
        fsm.failed(actions[0].get, broken(), false, t0);
        actions.clear();
        EXPECT_EQ(fsm.want(t0, actions).what, found::failed);
        EXPECT_TRUE(actions.empty());
    }
    for (int more = 0; more < 3; ++more) {
        subscriber_actions actions;
        auto now = fsm.want(t0, actions);
        EXPECT_EQ(now.what, found::failed);
        EXPECT_EQ(now.why->code, errc::connect_failed);
        EXPECT_TRUE(actions.empty()) << "it must not try again";
    }
    fsm.set_seq(3);
    subscriber_actions actions;
    EXPECT_EQ(fsm.want(t0, actions).what, found::waiting);
    EXPECT_EQ(actions.at(0).seq, 3);
}

TEST(trickle_conformance, s62_a_reply_forgives_earlier_failures) {
    subscriber_fsm fsm(0);
    for (int round = 0; round < 4; ++round) {
        for (int attempt = 0; attempt < 5; ++attempt) {
            subscriber_actions actions;
            fsm.want(t0, actions);
            fsm.failed(actions.at(0).get, broken(), false, t0);
            fsm.want(t0, actions);
        }
        subscriber_actions actions;
        fsm.want(t0, actions);
        fsm.replied(actions.at(0).get, refusal(500), t0);
        EXPECT_FALSE(fsm.dead());
        EXPECT_EQ(fsm.want(t0, actions).what, found::failed);
    }
}

TEST(trickle_conformance, s62_a_refresh_that_cannot_connect_leaves_the_old_get_alone) {
    waiting old;
    auto actions = old.fsm.tick(t0 + 20s);
    ASSERT_EQ(actions.size(), 1u);
    for (int round = 1; round <= 10; ++round) {
        const auto now = t0 + 20s * round;
        EXPECT_TRUE(old.fsm.failed(actions.at(0).get, broken(), false, now).empty());
        actions.clear();
        EXPECT_EQ(old.fsm.want(now, actions).what, found::waiting) << "no failure to report";
        EXPECT_TRUE(actions.empty());
        EXPECT_EQ(old.fsm.deadline(), now + 20s) << "the next refresh comes in its time";
        actions = old.fsm.tick(now + 20s);
        ASSERT_EQ(actions.size(), 1u);
        EXPECT_EQ(actions[0].what, kind::open_get);
    }
    EXPECT_FALSE(old.fsm.dead());
    old.fsm.replied(old.get, segment(4), t0 + 300s);
    actions.clear();
    EXPECT_EQ(old.fsm.want(t0 + 300s, actions).seq, 4);
}

TEST(trickle_conformance, s63_set_seq_drops_everything_under_way) {
    waiting one(0);
    auto actions = one.fsm.replied(one.get, segment(0), t0);
    const auto next = actions.at(0).get;
    actions = one.fsm.set_seq(50);
    ASSERT_EQ(actions.size(), 2u);
    for (const auto& action : actions)
        EXPECT_EQ(action.what, kind::close_get);
    // What the abandoned ones still say changes nothing.
    one.fsm.replied(next, segment(1), t0);
    one.fsm.failed(next, broken(), false, t0);
    actions.clear();
    EXPECT_EQ(one.fsm.want(t0, actions).what, found::waiting);
    EXPECT_EQ(actions.at(0).seq, 50);
    EXPECT_TRUE(actions.at(0).fresh);
}

TEST(subscriber_fsm, reads_a_broken_segment_again_and_leaves_out_what_was_delivered) {
    waiting one(6);
    auto actions = one.fsm.replied(one.get, segment(6), t0);
    const auto next = actions.at(0).get;
    one.fsm.delivered(one.get, 1000);
    actions = one.fsm.body_failed(one.get, broken(), t0);
    ASSERT_EQ(actions.size(), 2u);
    EXPECT_EQ(actions[0].get, next);
    subscriber_actions more;
    auto now = one.fsm.want(t0, more);
    EXPECT_EQ(now.what, found::failed);
    EXPECT_FALSE(one.fsm.dead());
    one.fsm.want(t0, more);
    ASSERT_EQ(more.size(), 1u);
    EXPECT_EQ(more[0].seq, 6);
    EXPECT_TRUE(more[0].fresh);
    one.fsm.replied(more[0].get, segment(6), t0);
    more.clear();
    now = one.fsm.want(t0, more);
    EXPECT_EQ(now.what, found::reading);
    EXPECT_EQ(now.skip, 1000u);
    // Broken again earlier than before: still all 1000 are known to the caller.
    one.fsm.delivered(now.get, 10);
    one.fsm.body_failed(now.get, broken(), t0);
    one.fsm.want(t0, more);
    more.clear();
    one.fsm.want(t0, more);
    one.fsm.replied(more.at(0).get, segment(6), t0);
    EXPECT_EQ(one.fsm.want(t0, more).skip, 1000u);
}

TEST(subscriber_fsm, another_segment_is_delivered_from_its_beginning_after_a_break) {
    waiting one(6);
    one.fsm.replied(one.get, segment(6), t0);
    one.fsm.delivered(one.get, 1000);
    one.fsm.body_failed(one.get, broken(), t0);
    subscriber_actions more;
    one.fsm.want(t0, more);
    one.fsm.set_seq(9);
    more.clear();
    one.fsm.want(t0, more);
    one.fsm.replied(more.at(0).get, segment(9), t0);
    EXPECT_EQ(one.fsm.want(t0, more).skip, 0u);
}

TEST(subscriber_fsm, a_failure_of_the_waiting_get_comes_after_the_body_in_hand) {
    waiting one(0);
    auto actions = one.fsm.replied(one.get, segment(0), t0);
    one.fsm.replied(actions.at(0).get, refusal(404), t0);
    subscriber_actions more;
    EXPECT_EQ(one.fsm.want(t0, more).what, found::reading);
    one.fsm.body_ended(one.get, t0);
    auto now = one.fsm.want(t0, more);
    ASSERT_EQ(now.what, found::failed);
    EXPECT_EQ(now.why->code, errc::not_found);
}

TEST(subscriber_fsm, does_not_believe_in_numbers_that_nobody_can_count_on_from) {
    waiting asked(5);
    auto absurd = segment(std::numeric_limits<std::int64_t>::max());
    absurd.latest = std::numeric_limits<std::int64_t>::max() - 1;
    asked.fsm.replied(asked.get, absurd, t0);
    EXPECT_EQ(asked.fsm.position(), 6);
    EXPECT_EQ(asked.fsm.latest(), std::nullopt);
}

TEST(subscriber_fsm, a_stale_kept_connection_is_replaced_without_counting) {
    subscriber_fsm fsm(0);
    subscriber_actions actions;
    fsm.want(t0, actions);
    for (int i = 0; i < 10; ++i) {
        auto again = fsm.failed(actions.back().get, broken(), true, t0);
        ASSERT_EQ(again.size(), 1u);
        EXPECT_EQ(again[0].what, kind::open_get);
        EXPECT_TRUE(again[0].fresh);
        actions = again;
    }
    EXPECT_FALSE(fsm.dead());
}

TEST(trickle_conformance, s66_an_empty_segment_is_valid_and_moves_on) {
    waiting one(0);
    auto reply = segment(0);
    reply.latest = 1;
    auto actions = one.fsm.replied(one.get, reply, t0);
    EXPECT_EQ(actions.at(0).seq, 1);
    subscriber_actions none;
    EXPECT_EQ(one.fsm.want(t0, none).what, found::reading);
    one.fsm.body_ended(one.get, t0);
    EXPECT_EQ(one.fsm.want(t0, none).what, found::waiting);
    EXPECT_TRUE(none.empty());
}

TEST(trickle_conformance, s68_errors_are_retried_300_ms_apart_and_the_seventh_ends_it) {
    subscribe_policy_fsm policy;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 6; ++i) {
            auto verdict = policy.failed(make_error_code(errc::http_status), std::nullopt);
            EXPECT_FALSE(verdict.stop) << i;
            EXPECT_EQ(verdict.pause, 300ms);
            EXPECT_FALSE(verdict.jump_to);
        }
        if (round < 2)
            policy.succeeded();
    }
    EXPECT_TRUE(policy.failed(make_error_code(errc::http_status), std::nullopt).stop);
}

TEST(trickle_conformance, s68_the_end_of_the_channel_is_final_at_once_and_a_gap_is_jumped) {
    for (auto value : {errc::end_of_stream, errc::not_found}) {
        subscribe_policy_fsm policy;
        EXPECT_TRUE(policy.failed(make_error_code(value), 3).stop);
    }
    subscribe_policy_fsm policy;
    auto verdict = policy.failed(make_error_code(errc::sequence_not_found), 88);
    EXPECT_FALSE(verdict.stop);
    EXPECT_EQ(verdict.jump_to, 88);
}

} // namespace
} // namespace rivulet::trickle
