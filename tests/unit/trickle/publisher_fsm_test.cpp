#include "trickle/publisher_fsm.hpp"
#include "trickle/segment.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rivulet::trickle {
namespace {

using kind = publisher_action::kind;
using phase = publisher_fsm::phase;

failure broken() {
    return {errc::connect_failed, "connection reset"};
}

post_reply reply(unsigned status) {
    post_reply made;
    made.status = status;
    return made;
}

// A machine whose POST for segment 0 is open.
struct begun {
    publisher_fsm fsm{publisher_fsm::start_at::zero};
    post_id first = 0;

    begun() {
        auto actions = fsm.start();
        first = actions.at(0).post;
        fsm.opened(first);
    }
};

TEST(trickle_conformance, s45_one_post_is_open_in_advance_and_numbers_rise_by_one) {
    publisher_fsm fsm(publisher_fsm::start_at::zero);
    auto actions = fsm.start();
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].what, kind::open_post);
    EXPECT_EQ(actions[0].seq, 0);
    EXPECT_FALSE(actions[0].reset);
    for (std::int64_t seq = 0; seq < 10; ++seq) {
        const auto idle = *fsm.idle();
        actions.clear();
        auto taken = fsm.take(actions);
        ASSERT_TRUE(taken);
        EXPECT_EQ(*taken, idle);
        EXPECT_EQ(fsm.seq(*taken), seq);
        // Exactly one new POST, for the number after it, on a kept connection if there is one.
        ASSERT_EQ(actions.size(), 1u);
        EXPECT_EQ(actions[0].what, kind::open_post);
        EXPECT_EQ(actions[0].seq, seq + 1);
        EXPECT_FALSE(actions[0].fresh);
        fsm.opened(*taken);
        EXPECT_EQ(fsm.live(), 2u);
        fsm.wrote(*taken, 10);
        fsm.body_ended(*taken);
        EXPECT_TRUE(fsm.replied(*taken, reply(200)).empty());
        ASSERT_TRUE(fsm.outcome(*taken));
        EXPECT_FALSE(fsm.outcome(*taken)->code);
        EXPECT_TRUE(fsm.forget(*taken).empty());
    }
}

TEST(trickle_conformance, s47_replies_are_told_apart) {
    struct row {
        unsigned status;
        bool closed;
        errc expected;
    };

    for (const auto& [status, closed, expected] :
         {row{404, false, errc::not_found},
          row{200, true, errc::end_of_stream},
          row{404, true, errc::end_of_stream},
          row{500, false, errc::http_status},
          row{400, false, errc::http_status},
          row{503, false, errc::http_status},
          row{302, false, errc::http_status}}) {
        begun one;
        auto answer = reply(status);
        answer.closed = closed;
        answer.body = "the reason";
        one.fsm.wrote(one.first, 5);
        one.fsm.body_ended(one.first);
        one.fsm.replied(one.first, answer);
        ASSERT_TRUE(one.fsm.outcome(one.first));
        EXPECT_EQ(one.fsm.outcome(one.first)->code, expected) << status;
        if (expected == errc::http_status) {
            const auto& text = one.fsm.outcome(one.first)->detail;
            EXPECT_NE(text.find(std::to_string(status)), std::string::npos);
            EXPECT_NE(text.find("the reason"), std::string::npos);
        }
    }
}

TEST(trickle_conformance, s48_a_preconnect_that_failed_refuses_the_write) {
    begun one;
    one.fsm.replied(one.first, reply(404));
    publisher_actions actions;
    auto taken = one.fsm.take(actions);
    ASSERT_TRUE(taken);
    auto why = one.fsm.before_write(*taken);
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, errc::not_found);
    EXPECT_EQ(one.fsm.bytes(*taken), 0u);
}

TEST(trickle_conformance, s48_a_reply_outranks_the_write_error_that_follows) {
    begun one;
    one.fsm.wrote(one.first, 5);
    one.fsm.replied(one.first, reply(404));
    EXPECT_TRUE(one.fsm.failed(one.first, broken(), false).empty());
    EXPECT_EQ(one.fsm.outcome(one.first)->code, errc::not_found);
}

TEST(trickle_conformance, s49_success_before_the_first_byte_is_a_closed_segment) {
    begun one;
    one.fsm.replied(one.first, reply(200));
    auto why = one.fsm.before_write(one.first);
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, errc::closed);
}

TEST(publisher_fsm, success_in_the_middle_of_a_body_is_a_closed_segment) {
    begun one;
    one.fsm.wrote(one.first, 5);
    one.fsm.replied(one.first, reply(200));
    EXPECT_EQ(one.fsm.outcome(one.first)->code, errc::closed);
}

TEST(publisher_fsm, a_discarded_segment_is_no_success) {
    begun one;
    one.fsm.wrote(one.first, 5);
    one.fsm.body_ended(one.first);
    auto answer = reply(200);
    answer.dropped = true;
    one.fsm.replied(one.first, answer);
    EXPECT_EQ(one.fsm.outcome(one.first)->code, errc::closed);
}

TEST(trickle_conformance, s50_writing_again_opens_the_same_number_on_a_fresh_connection) {
    begun one;
    one.fsm.wrote(one.first, 5);
    one.fsm.failed(one.first, broken(), false);
    auto actions = one.fsm.rewrite(one.first);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].what, kind::open_post);
    EXPECT_EQ(actions[0].seq, 0);
    EXPECT_TRUE(actions[0].fresh);
    EXPECT_EQ(one.fsm.state(one.first), phase::opening);
    EXPECT_EQ(one.fsm.bytes(one.first), 0u);
    EXPECT_FALSE(one.fsm.outcome(one.first));
    // The counter is untouched.
    publisher_actions more;
    one.fsm.take(more);
    EXPECT_EQ(more.at(0).seq, 1);
}

TEST(trickle_conformance, s51_an_empty_body_is_a_segment) {
    begun one;
    one.fsm.wrote(one.first, 0);
    EXPECT_EQ(one.fsm.state(one.first), phase::open);
    one.fsm.body_ended(one.first);
    one.fsm.replied(one.first, reply(200));
    EXPECT_FALSE(one.fsm.outcome(one.first)->code);
}

TEST(publisher_fsm, a_stale_kept_connection_is_replaced_unnoticed) {
    begun one;
    auto actions = one.fsm.failed(one.first, broken(), true);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].what, kind::open_post);
    EXPECT_EQ(actions[0].post, one.first);
    EXPECT_TRUE(actions[0].fresh);
    EXPECT_FALSE(one.fsm.outcome(one.first));
    // Once is enough, and never after bytes were sent.
    EXPECT_EQ(one.fsm.failed(one.first, broken(), false).at(0).what, kind::close_post);
    EXPECT_TRUE(one.fsm.outcome(one.first));
    begun two;
    two.fsm.wrote(two.first, 1);
    EXPECT_EQ(two.fsm.failed(two.first, broken(), true).at(0).what, kind::close_post);
}

TEST(trickle_conformance, s56_attaching_asks_for_the_number_and_resets_on_the_first_post_only) {
    publisher_fsm fsm(publisher_fsm::start_at::next);
    auto actions = fsm.start();
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].what, kind::ask_next);
    publisher_actions none;
    EXPECT_FALSE(fsm.take(none)) << "the number is not known yet";
    actions = fsm.next_answered(17);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, 17);
    EXPECT_TRUE(actions[0].reset);
    actions.clear();
    EXPECT_TRUE(fsm.take(actions));
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, 18);
    EXPECT_FALSE(actions[0].reset);
}

TEST(trickle_conformance, s56_without_an_answer_the_first_reply_names_the_number) {
    publisher_fsm fsm(publisher_fsm::start_at::next);
    fsm.start();
    auto actions = fsm.next_answered(std::nullopt);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, -1);
    EXPECT_TRUE(actions[0].reset);
    actions.clear();
    auto first = fsm.take(actions);
    ASSERT_TRUE(first);
    EXPECT_TRUE(actions.empty()) << "a second POST to -1 would join the first";
    EXPECT_FALSE(fsm.take(actions));
    fsm.opened(*first);
    fsm.wrote(*first, 3);
    fsm.body_ended(*first);
    auto answer = reply(200);
    answer.seq = 41;
    actions = fsm.replied(*first, answer);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, 42);
    EXPECT_FALSE(actions[0].reset);
    EXPECT_EQ(fsm.seq(*first), 41);
    EXPECT_TRUE(fsm.take(actions));
}

TEST(publisher_fsm, an_unnamed_segment_that_failed_does_not_block_the_next_one) {
    publisher_fsm fsm(publisher_fsm::start_at::next);
    fsm.start();
    fsm.next_answered(std::nullopt);
    publisher_actions actions;
    auto first = fsm.take(actions);
    ASSERT_TRUE(first);
    fsm.failed(*first, broken(), false);
    actions = fsm.forget(*first);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, -1);
    EXPECT_TRUE(fsm.take(actions));
}

TEST(publisher_fsm, does_not_believe_in_numbers_that_nobody_can_count_on_from) {
    publisher_fsm asking(publisher_fsm::start_at::next);
    asking.start();
    auto actions = asking.next_answered(std::numeric_limits<std::int64_t>::max());
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].seq, -1) << "as if there had been no answer";
    auto absurd = reply(200);
    absurd.seq = std::numeric_limits<std::int64_t>::max();
    EXPECT_TRUE(asking.replied(actions[0].post, absurd).empty());
    EXPECT_EQ(asking.seq(actions[0].post), -1);
}

TEST(publisher_fsm, counts_no_further_than_the_largest_number) {
    publisher_fsm fsm(publisher_fsm::start_at::next);
    fsm.start();
    auto actions = fsm.next_answered(largest_seq);
    for (int i = 0; i < 40; ++i) {
        ASSERT_EQ(actions.size(), 1u);
        EXPECT_EQ(actions[0].seq, largest_seq);
        actions.clear();
        ASSERT_TRUE(fsm.take(actions));
    }
}

TEST(publisher_fsm, opens_nothing_once_stopped) {
    begun one;
    one.fsm.stop();
    publisher_actions actions;
    EXPECT_TRUE(one.fsm.take(actions));
    EXPECT_TRUE(actions.empty());
}

} // namespace
} // namespace rivulet::trickle
