#include "session/gather_fsm.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::session;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point(1h);

gather_fsm gathering(std::size_t wanted, std::vector<candidate> of, std::size_t extra_nodes = 0) {
    gather_rules rules;
    rules.wanted = wanted;
    rules.extra_nodes = extra_nodes;
    return gather_fsm(rules, std::move(of), start);
}

std::vector<candidate> named(std::initializer_list<const char*> names) {
    std::vector<candidate> out;
    for (const char* name : names)
        out.emplace_back(name);
    return out;
}

std::vector<std::string> addresses(const std::vector<gather_fsm::question>& questions) {
    std::vector<std::string> out;
    for (const auto& one : questions)
        out.push_back(one.address);
    return out;
}

TEST(gather_fsm, asks_everybody_at_once) {
    auto fsm = gathering(1, named({"a", "b", "c"}));
    EXPECT_EQ(addresses(fsm.take_questions(start)), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_TRUE(fsm.take_questions(start).empty());
}

TEST(gather_fsm, asks_the_rest_when_the_first_have_answered) {
    gather_rules rules;
    rules.at_once = 2;
    gather_fsm fsm(rules, named({"a", "b", "c"}), start);
    auto first = fsm.take_questions(start);
    ASSERT_EQ(first.size(), 2u);
    EXPECT_TRUE(fsm.take_questions(start).empty());
    fsm.failed(first[0]);
    EXPECT_FALSE(fsm.over(start));
    EXPECT_EQ(addresses(fsm.take_questions(start)), std::vector<std::string>{"c"});
}

TEST(gather_fsm, does_not_ask_one_with_a_negative_score_nor_one_twice) {
    auto list = named({"a", "b", "a"});
    list.emplace_back("never", -0.5);
    auto fsm = gathering(5, list);
    EXPECT_EQ(addresses(fsm.take_questions(start)), (std::vector<std::string>{"a", "b"}));
}

TEST(gather_fsm, is_over_at_once_when_there_is_nobody) {
    auto fsm = gathering(1, {});
    EXPECT_TRUE(fsm.over(start));
    EXPECT_TRUE(fsm.enough(start));
}

TEST(orchestrators_conformance, s6_two_wanted_one_slow_gives_one_at_the_first_tick) {
    auto fsm = gathering(2, named({"near", "far"}));
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "near", {});
    EXPECT_FALSE(fsm.enough(start + 100ms));
    EXPECT_EQ(fsm.next_look(start + 100ms), start + 500ms);
    EXPECT_FALSE(fsm.enough(start + 499ms));
    EXPECT_TRUE(fsm.enough(start + 500ms));
    EXPECT_EQ(fsm.accepted(), 1u);
    EXPECT_FALSE(fsm.over(start + 500ms)) << "the slow one is still heard";
    fsm.answered(questions[1], "far", {});
    EXPECT_EQ(fsm.accepted(), 2u);
    EXPECT_TRUE(fsm.over(start + 5s));
}

TEST(
    orchestrators_conformance, s7_the_only_one_counts_whenever_it_answers_but_not_after_six_seconds
) {
    auto fsm = gathering(2, named({"slow", "black hole"}));
    auto questions = fsm.take_questions(start);
    EXPECT_FALSE(fsm.enough(start + 500ms));
    EXPECT_FALSE(fsm.enough(start + 2999ms));
    fsm.answered(questions[0], "slow", {});
    EXPECT_TRUE(fsm.enough(start + 3s)) << "nobody waits for a black hole once one is there";

    auto silent = gathering(1, named({"black hole"}));
    silent.take_questions(start);
    EXPECT_FALSE(silent.enough(start + 5999ms));
    EXPECT_EQ(silent.next_look(start + 4s), start + 6s);
    EXPECT_TRUE(silent.enough(start + 6s));
    EXPECT_EQ(silent.until(), start + 6s);
}

TEST(gather_fsm, returns_when_as_many_as_wanted_are_there) {
    auto fsm = gathering(2, named({"a", "b", "c"}));
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "a", {});
    EXPECT_FALSE(fsm.enough(start + 1ms));
    fsm.answered(questions[1], "b", {});
    EXPECT_TRUE(fsm.enough(start + 1ms));
}

TEST(gather_fsm, returns_when_everybody_answered_or_failed) {
    auto fsm = gathering(5, named({"a", "b", "c"}));
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "a", {});
    fsm.answered(questions[1], "", {}); // rejected
    EXPECT_FALSE(fsm.enough(start + 1ms));
    fsm.failed(questions[2]);
    EXPECT_TRUE(fsm.enough(start + 1ms));
    EXPECT_TRUE(fsm.over(start + 1ms));
    EXPECT_EQ(fsm.accepted(), 1u);
}

TEST(orchestrators_conformance, s15_two_addresses_of_one_transcoder_count_once) {
    auto fsm = gathering(2, named({"one", "other", "third"}));
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "https://same:1", {});
    fsm.answered(questions[1], "https://same:1", {});
    EXPECT_EQ(fsm.accepted(), 1u);
    EXPECT_FALSE(fsm.enough(start + 1ms));
}

TEST(orchestrators_conformance, s16_extra_nodes_are_asked_one_level_deep_and_never_twice) {
    auto fsm = gathering(10, named({"a", "b"}), 1);
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "", {"a1", "a2"}); // rejected, its nodes count
    auto more = fsm.take_questions(start);
    EXPECT_EQ(addresses(more), std::vector<std::string>{"a1"}) << "only the first entry";
    ASSERT_EQ(more.size(), 1u);
    EXPECT_FALSE(more[0].configured);
    EXPECT_EQ(more[0].listed_as, questions[0].listed_as) << "it is there because of that one";
    // Known already: the second entry does not take its place.
    fsm.answered(questions[1], "b", {"a", "b2"});
    EXPECT_TRUE(fsm.take_questions(start).empty());
    fsm.answered(more[0], "a1", {"deeper"});
    EXPECT_TRUE(fsm.take_questions(start).empty());
    EXPECT_TRUE(fsm.over(start + 1ms));
    EXPECT_EQ(fsm.asked(), 3u);
}

TEST(gather_fsm, follows_no_nodes_unless_told_to) {
    auto fsm = gathering(10, named({"a"}));
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "a", {"a1"});
    EXPECT_TRUE(fsm.take_questions(start).empty());
    EXPECT_TRUE(fsm.over(start));
}

TEST(gather_fsm, asks_nobody_after_the_longest_time) {
    auto fsm = gathering(10, named({"a"}), 1);
    auto questions = fsm.take_questions(start);
    fsm.answered(questions[0], "a", {"a1"});
    EXPECT_TRUE(fsm.take_questions(start + 6s).empty());
}

TEST(gather_fsm, siblings_inherit_the_score) {
    std::vector<candidate> list;
    list.emplace_back("a", 0.25);
    auto fsm = gathering(10, list, 1);
    fsm.answered(fsm.take_questions(start)[0], "a", {"a1"});
    EXPECT_EQ(fsm.take_questions(start)[0].score, 0.25);
}

} // namespace
