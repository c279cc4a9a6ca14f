#include "drain_rule.hpp"

#include <gtest/gtest.h>

namespace rivulet::element {
namespace {

using namespace std::chrono_literals;

const time_point t0{1000s};
constexpr std::int64_t second = media::clock_rate;

media::access_unit picture(std::int64_t pts) {
    media::access_unit unit;
    unit.pts = unit.dts = pts;
    return unit;
}

TEST(drain_rule, nothing_is_complete_before_the_input_is_over) {
    drain_rule rule;
    rule.output(picture(second), t0);
    EXPECT_FALSE(rule.complete(t0 + 1h));
    EXPECT_EQ(rule.due(), time_point::max());
}

TEST(drain_rule, the_last_picture_completes_the_output) {
    drain_rule rule;
    rule.output(picture(0), t0);
    rule.input_over(second, t0);
    EXPECT_FALSE(rule.complete(t0));
    rule.output(picture(second - 3'000), t0);
    EXPECT_FALSE(rule.complete(t0));
    rule.output(picture(second - 1), t0); // rounded on its way
    EXPECT_EQ(rule.due(), t0 + drain_rule::settled);
    EXPECT_TRUE(rule.complete(t0 + drain_rule::settled));
}

TEST(drain_rule, what_follows_the_greatest_time_is_waited_for) {
    drain_rule rule;
    rule.input_over(second, t0);
    rule.output(picture(second), t0);
    rule.output(picture(second - 6'000), t0 + 60ms); // a B-frame
    EXPECT_FALSE(rule.complete(t0 + drain_rule::settled));
    auto sound = picture(second);
    sound.kind = media::track_kind::audio;
    rule.output(sound, t0 + 120ms);
    EXPECT_FALSE(rule.complete(t0 + 60ms + drain_rule::settled));
    EXPECT_TRUE(rule.complete(t0 + 120ms + drain_rule::settled));
}

TEST(drain_rule, a_clock_that_begins_anew_counts_from_there) {
    drain_rule rule;
    rule.output(picture(20 * second), t0);
    rule.output(picture(0), t0);
    rule.input_over(second, t0);
    EXPECT_FALSE(rule.complete(t0 + drain_rule::settled));
    rule.output(picture(second), t0);
    EXPECT_TRUE(rule.complete(t0 + drain_rule::settled));
}

TEST(drain_rule, sound_says_nothing_about_pictures) {
    drain_rule rule;
    rule.input_over(second, t0);
    auto sound = picture(second);
    sound.kind = media::track_kind::audio;
    rule.output(sound, t0);
    EXPECT_FALSE(rule.complete(t0));
}

TEST(drain_rule, what_a_decoder_holds_is_not_waited_for) {
    drain_rule rule;
    for (int i = 0; i < 20; ++i)
        rule.output(picture(second - 63'000 + 3'000 * i), t0 + i * 33ms);
    const auto end = t0 + 19 * 33ms + 7ms;
    rule.input_over(second, end);
    EXPECT_FALSE(rule.complete(end + drain_rule::held_quiet - 1ms));
    EXPECT_TRUE(rule.complete(end + drain_rule::held_quiet));
}

TEST(drain_rule, a_pipeline_that_returns_many_pictures_at_once_is_waited_for) {
    drain_rule rule;
    for (int batch = 0; batch < 3; ++batch)
        for (int i = 0; i < 12; ++i)
            rule.output(picture(second - 110'000 + 36'000 * batch + 2'000 * i), t0 + batch * 400ms);
    rule.input_over(second, t0 + 810ms);
    EXPECT_FALSE(rule.complete(t0 + 1'609ms));
    EXPECT_TRUE(rule.complete(t0 + 1'610ms));
    // Pauses of long ago do not count.
    const auto later = t0 + 5s;
    for (int i = 0; i < 40; ++i)
        rule.output(picture(second - 16'000 + 10 * i), later + i * 33ms);
    EXPECT_EQ(rule.due(), later + 39 * 33ms + drain_rule::held_quiet);
}

TEST(drain_rule, a_pipeline_of_which_little_was_seen_is_waited_for) {
    drain_rule rule;
    rule.output(picture(second - 16'000), t0);
    rule.output(picture(second - 14'000), t0);
    rule.input_over(second, t0 + 10ms);
    EXPECT_EQ(rule.due(), t0 + 10ms + drain_rule::quiet);
}

TEST(drain_rule, a_pipeline_that_makes_few_pictures_is_waited_for) {
    drain_rule rule;
    rule.output(picture(second - 54'000), t0);
    rule.output(picture(second - 17'000), t0 + 450ms);
    rule.input_over(second, t0 + 450ms);
    EXPECT_FALSE(rule.complete(t0 + 1'349ms));
    EXPECT_TRUE(rule.complete(t0 + 1'350ms));
    rule.output(picture(second - 10'000), t0 + 2s);
    EXPECT_EQ(rule.due(), t0 + 2s + drain_rule::quiet); // and no longer
}

TEST(drain_rule, a_pipeline_that_has_gone_quiet_has_nothing_more) {
    drain_rule rule;
    rule.input_over(second, t0);
    EXPECT_EQ(rule.due(), t0 + drain_rule::quiet);
    EXPECT_FALSE(rule.complete(t0 + drain_rule::quiet - 1ms));
    rule.output(picture(0), t0 + 500ms);
    EXPECT_FALSE(rule.complete(t0 + drain_rule::quiet));
    EXPECT_TRUE(rule.complete(t0 + 500ms + drain_rule::quiet));
}

TEST(drain_rule, a_clock_of_its_own_is_not_compared) {
    drain_rule rule;
    rule.input_over(second, t0);
    rule.output(picture(20 * second), t0);
    EXPECT_FALSE(rule.complete(t0));
    EXPECT_TRUE(rule.complete(t0 + drain_rule::quiet));
}

TEST(drain_rule, an_input_without_pictures_ends_by_quiet) {
    drain_rule rule;
    rule.input_over(std::nullopt, t0);
    EXPECT_FALSE(rule.complete(t0));
    EXPECT_TRUE(rule.complete(t0 + drain_rule::quiet));
}

} // namespace
} // namespace rivulet::element
