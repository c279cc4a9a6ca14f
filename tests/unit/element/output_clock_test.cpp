#include "output_clock.hpp"

#include <gtest/gtest.h>

namespace rivulet::element {
namespace {

constexpr std::int64_t period = output_clock::period, second = media::clock_rate;

media::access_unit unit_at(std::int64_t pts, std::int64_t dts) {
    media::access_unit unit;
    unit.pts = pts;
    unit.dts = dts;
    return unit;
}

std::int64_t placed(output_clock& clock, std::int64_t pts) {
    auto unit = unit_at(pts, pts);
    clock.place(unit);
    return unit.pts;
}

TEST(output_clock, times_stay_as_they_are_before_any_input_is_known) {
    output_clock clock;
    EXPECT_EQ(placed(clock, 1234), 1234);
}

TEST(output_clock, an_output_comes_to_the_turn_of_the_input) {
    output_clock clock;
    clock.input(3 * period + 5 * second);
    EXPECT_EQ(placed(clock, 4 * second), 3 * period + 4 * second);
    clock.input(3 * period + 6 * second);
    EXPECT_EQ(placed(clock, 5 * second), 3 * period + 5 * second);
}

TEST(output_clock, an_output_from_before_the_turn_belongs_to_the_turn_before) {
    output_clock clock;
    clock.input(period + second);
    EXPECT_EQ(placed(clock, period - second), period - second);
    // The demultiplexer counts on beyond the turn by itself.
    EXPECT_EQ(placed(clock, period + second / 2), period + second / 2);
}

TEST(output_clock, negative_input_times_are_found_again) {
    output_clock clock;
    clock.input(-second);
    EXPECT_EQ(placed(clock, period - 2 * second), -2 * second);
}

TEST(output_clock, decoding_times_keep_their_distance) {
    output_clock clock;
    clock.input(7 * period);
    auto unit = unit_at(9'000, 3'000);
    clock.place(unit);
    EXPECT_EQ(unit.pts, 7 * period + 9'000);
    EXPECT_EQ(unit.dts, 7 * period + 3'000);
}

TEST(output_clock, a_foreign_clock_half_a_turn_away_does_not_flip_between_turns) {
    output_clock clock;
    clock.input(0);
    const auto first = placed(clock, period / 2 - second);
    clock.input(4 * second);
    EXPECT_EQ(placed(clock, period / 2 + second), first + 2 * second);
    clock.input(0);
    EXPECT_EQ(placed(clock, period / 2 + 3 * second), first + 4 * second);
}

TEST(output_clock, an_output_that_jumps_is_placed_anew) {
    output_clock clock;
    clock.input(period + second);
    EXPECT_EQ(placed(clock, 100 * second), period + 100 * second);
    EXPECT_EQ(placed(clock, 500 * second), period + 500 * second);
    clock.input(2 * period + second);
    EXPECT_EQ(placed(clock, 900 * second), 2 * period + 900 * second);
}

TEST(output_clock, another_connection_is_not_measured_by_the_last_one) {
    output_clock clock;
    clock.input(period);
    placed(clock, second);
    clock.reset();
    clock.input(0);
    EXPECT_EQ(placed(clock, second), second);
}

} // namespace
} // namespace rivulet::element
