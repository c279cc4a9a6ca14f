#include "audio_pacing.hpp"
#include "decoding.hpp"
#include "pacing.hpp"
#include "report.hpp"
#include "stall_watch.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rivulet::element {
namespace {

using namespace std::chrono_literals;
using kind = paced_frame::kind;

constexpr std::int64_t tick = 3'000; // of a frame at 30 per second
constexpr running_time frame_time = 33'333'333ns;
constexpr std::int64_t first = stamp_clock::start;

// A picture that is nothing but itself.
picture mark(std::uintptr_t number) {
    return picture(reinterpret_cast<GstSample*>(number), [](GstSample*) {});
}

std::uintptr_t number(const picture& content) {
    return reinterpret_cast<std::uintptr_t>(content.get());
}

class paced : public testing::Test {
  protected:
    frame_pacer pacer;

    void set(stall_policy policy, bool every_unit = false) {
        pacer.configure({500ms, policy, every_unit});
    }

    static std::int64_t stamp(int frame) { return first + frame * tick; }

    static running_time time(int frame) { return frame * frame_time; }

    void in(int begin, int end, std::uintptr_t originals = 0) {
        for (int i = begin; i < end; ++i)
            pacer.expect(
                stamp(i), time(i), frame_time, originals ? mark(originals + unsigned(i)) : nullptr
            );
    }

    auto back(int frame, running_time now, std::uintptr_t content = 0) {
        return pacer.arrived(
            stamp(frame), {}, mark(content ? content : 1000u + unsigned(frame)), now
        );
    }

    // What leaves now: "p3" frame 3 processed, "f" frozen, "o" original, "-" a gap.
    std::string leaves(running_time now) {
        std::string said;
        for (auto step = pacer.next(now); step.frame; step = pacer.next(now)) {
            const char* letters[] = {"p", "f", "o", "-"};
            said += letters[int(step.frame->what)];
            said += std::to_string((step.frame->time + 1ms) / frame_time) + " ";
        }
        return said;
    }
};

TEST_F(paced, a_processed_picture_leaves_at_once_with_its_inputs_time) {
    in(0, 3);
    EXPECT_EQ(leaves(100ms), "");
    const auto delay = back(0, 120ms);
    ASSERT_TRUE(delay);
    EXPECT_EQ(*delay, 120ms);
    auto step = pacer.next(120ms);
    ASSERT_TRUE(step.frame);
    EXPECT_EQ(step.frame->time, 0ns);
    EXPECT_EQ(step.frame->duration, frame_time);
    EXPECT_EQ(number(step.frame->content), 1000u);
    step = pacer.next(120ms);
    EXPECT_FALSE(step.frame);
    EXPECT_EQ(*step.wait_until, time(1) + 500ms);
}

TEST_F(paced, half_a_frame_of_rounding_does_not_matter_and_more_does) {
    in(0, 2);
    pacer.arrived(stamp(0) + tick / 2 - 1, {}, mark(7), 50ms);
    EXPECT_EQ(leaves(50ms), "p0 ");
    pacer.arrived(stamp(1) - tick / 2 + 1, {}, mark(8), 50ms);
    EXPECT_EQ(leaves(50ms), "p1 ");
}

TEST_F(paced, a_frame_that_the_pipeline_left_out_is_no_stall) {
    set(stall_policy::passthrough);
    in(0, 4, 1);
    back(0, 40ms);
    back(2, 110ms);
    EXPECT_EQ(leaves(120ms), "p0 p2 ");
    EXPECT_EQ(pacer.counters().skipped, 1u);
}

TEST_F(paced, a_picture_between_two_frames_is_taken_for_the_nearer) {
    in(0, 3);
    back(0, 40ms);
    EXPECT_EQ(leaves(40ms), "p0 ");
    pacer.arrived(stamp(0) + tick / 2 + 100, {}, mark(5), 50ms);
    EXPECT_EQ(leaves(50ms), "p1 ");
}

TEST_F(paced, at_the_deadline_each_policy_shows_its_own) {
    for (const auto& [policy, shown] :
         {std::pair(stall_policy::drop, "-1 -2 "),
          std::pair(stall_policy::freeze, "f1 f2 "),
          std::pair(stall_policy::passthrough, "o1 o2 ")}) {
        pacer = {};
        set(policy);
        in(0, 3, 50);
        back(0, 40ms, 9);
        EXPECT_EQ(leaves(40ms), "p0 ");
        EXPECT_EQ(leaves(time(1) + 500ms - 1ns), "");
        EXPECT_EQ(leaves(time(2) + 500ms), shown);
        EXPECT_TRUE(pacer.empty());
    }
}

TEST_F(paced, pictures_that_wait_leave_before_units_of_a_new_format) {
    in(0, 5);
    back(1, 100ms);
    back(3, 100ms);
    pacer.change_format(true);
    back(4, 110ms, 7);
    EXPECT_EQ(leaves(110ms), "p1 p3 p4 ");
    EXPECT_EQ(pacer.counters().skipped, 2u);
    EXPECT_TRUE(pacer.empty());
}

TEST_F(paced, units_that_wait_leave_before_pictures_of_a_new_format_and_none_is_frozen) {
    set(stall_policy::freeze, true);
    in(0, 4);
    back(0, 40ms);
    back(1, 60ms);
    pacer.change_format(false);
    back(2, 100ms);
    EXPECT_EQ(leaves(100ms), "p0 p1 p2 ");
    pacer.change_format(true);
    pacer.change_format(false);
    EXPECT_EQ(leaves(time(3) + 500ms), "-3 "); // not a picture of before
}

TEST_F(paced, what_is_frozen_is_the_newest_picture_and_the_original_the_frames_own) {
    in(0, 2, 50);
    back(0, 40ms, 9);
    leaves(40ms);
    EXPECT_EQ(number(pacer.next(600ms).frame->content), 9u);
    pacer = {};
    set(stall_policy::passthrough);
    in(0, 2, 50);
    leaves(500ms);
    EXPECT_EQ(number(pacer.next(600ms).frame->content), 51u);
}

TEST_F(paced, before_the_first_picture_there_is_nothing_to_freeze) {
    in(0, 1);
    EXPECT_EQ(leaves(500ms), "-0 ");
}

TEST_F(paced, pictures_that_are_always_late_still_move_under_freeze) {
    in(0, 60);
    EXPECT_EQ(leaves(500ms), "-0 ");
    int at = 0;
    for (int i = 0; i < 30; ++i) { // 800 ms each
        const auto now = time(i) + 800ms;
        EXPECT_NEAR(double(back(i, now)->count()), double((now - time(i)).count()), 20.0);
        for (auto step = pacer.next(now); step.frame; step = pacer.next(now))
            at = int(number(step.frame->content)) - 1000;
        EXPECT_EQ(at, i);
    }
    EXPECT_EQ(pacer.counters().late, 30u);
    EXPECT_EQ(pacer.counters().processed, 0u);
}

TEST_F(paced, a_late_picture_never_leaves_in_the_past) {
    set(stall_policy::drop);
    in(0, 3);
    EXPECT_EQ(leaves(550ms), "-0 -1 ");
    back(0, 560ms);
    back(1, 561ms);
    EXPECT_EQ(leaves(561ms), "");
    back(2, 562ms);
    EXPECT_EQ(leaves(562ms), "p2 ");
}

TEST_F(paced, after_a_stall_processed_pictures_go_on) {
    in(0, 40);
    back(0, 50ms);
    leaves(50ms);
    EXPECT_EQ(leaves(time(3) + 500ms), "f1 f2 f3 ");
    back(4, time(3) + 510ms);
    back(5, time(3) + 510ms);
    EXPECT_EQ(leaves(time(3) + 510ms), "p4 p5 ");
}

TEST_F(paced, encoded_units_all_leave_in_their_order_late_ones_too) {
    set(stall_policy::freeze, true);
    in(0, 6);
    pacer.arrived(stamp(0), 0ns, mark(1), 60ms);
    pacer.arrived(stamp(3), 3 * frame_time, mark(2), 60ms); // decoded before 1 and 2
    pacer.arrived(stamp(1), 0ns, mark(3), 60ms);
    EXPECT_EQ(leaves(60ms), "p0 p3 p1 ");
    EXPECT_EQ(leaves(time(3) + 500ms), "");    // a later one has left
    EXPECT_EQ(leaves(time(4) + 500ms), "-4 "); // nothing is frozen
    pacer.arrived(stamp(2), 0ns, mark(4), 640ms);
    EXPECT_EQ(leaves(640ms), "p2 ");
}

TEST_F(paced, the_end_decides_what_is_open) {
    in(0, 3);
    back(1, 50ms);
    pacer.no_more();
    EXPECT_EQ(leaves(50ms), "p1 ");
    EXPECT_TRUE(pacer.empty());
}

TEST_F(paced, after_the_end_deadlines_wait_for_what_may_still_come) {
    in(0, 4);
    back(0, 40ms);
    EXPECT_EQ(leaves(40ms), "p0 ");
    pacer.hold(2s);
    EXPECT_EQ(leaves(1s), "");
    EXPECT_EQ(pacer.next(1s).wait_until, 2s);
    back(1, 1s);
    EXPECT_EQ(leaves(1s), "p1 ");
    EXPECT_EQ(leaves(2s), "f2 f3 "); // and not for ever
    EXPECT_TRUE(pacer.empty());
}

TEST_F(paced, what_never_came_before_the_end_is_a_stall_at_once) {
    for (const auto& [policy, shown] :
         {std::pair(stall_policy::drop, "p2 -3 -4 "),
          std::pair(stall_policy::freeze, "p2 f3 f4 "),
          std::pair(stall_policy::passthrough, "p2 o3 o4 ")}) {
        pacer = {};
        set(policy);
        in(0, 5, 50);
        back(0, 40ms);
        EXPECT_EQ(leaves(40ms), "p0 ");
        pacer.hold(5s);
        EXPECT_EQ(leaves(1s), "");
        back(2, 1s);
        pacer.no_more();
        EXPECT_EQ(leaves(1s), shown);
        EXPECT_EQ(pacer.counters().skipped, 1u); // a later one came
        EXPECT_TRUE(pacer.empty());
    }
    pacer = {};
    set(stall_policy::freeze, true);
    in(0, 3);
    back(0, 40ms);
    EXPECT_EQ(leaves(40ms), "p0 ");
    pacer.hold(5s);
    pacer.no_more();
    EXPECT_EQ(leaves(1s), "-1 -2 ");
}

TEST_F(paced, a_stream_that_stalls_ends_without_waiting) {
    in(0, 4);
    back(0, 40ms);
    EXPECT_EQ(leaves(40ms), "p0 ");
    EXPECT_EQ(leaves(time(1) + 500ms), "f1 ");
    pacer.hold(2s);
    EXPECT_EQ(leaves(time(3) + 500ms), "f2 f3 ");
    EXPECT_TRUE(pacer.empty());
}

TEST_F(paced, a_flush_forgets_everything) {
    in(0, 3);
    back(0, 20ms);
    pacer.clear();
    EXPECT_TRUE(pacer.empty());
    EXPECT_FALSE(back(1, 30ms));
    EXPECT_EQ(leaves(10s), "");
    in(0, 1); // running time begins anew
    back(0, 20ms);
    EXPECT_EQ(leaves(20ms), "p0 ");
}

TEST_F(paced, memory_is_bounded) {
    pacer.configure({1h, stall_policy::freeze, false});
    in(0, int(frame_pacer::max_slots));
    EXPECT_EQ(pacer.counters().dropped, 0u);
    in(int(frame_pacer::max_slots), int(frame_pacer::max_slots) + 10);
    EXPECT_EQ(pacer.counters().dropped, 10u);
    EXPECT_EQ(*pacer.next(0ns).wait_until, time(10) + 1h);
}

TEST_F(paced, frames_that_nobody_asks_for_are_dropped_soon_after_their_deadline) {
    in(0, 300);
    back(299, time(299));
    const auto kept = (500ms + frame_pacer::patience) / frame_time;
    EXPECT_NEAR(double(pacer.counters().dropped), double(299 - kept), 1.0);
    pacer.configure({});
    auto step = pacer.next(time(299));
    ASSERT_TRUE(step.frame);
    EXPECT_EQ(number(step.frame->content), 1299u);
}

TEST_F(paced, pictures_between_frames_are_few) {
    in(0, 2);
    for (int i = 0; i < 2 * int(frame_pacer::max_extra); ++i)
        pacer.arrived(stamp(2 + i), {}, mark(7), 40ms);
    EXPECT_EQ(pacer.counters().dropped, frame_pacer::max_extra);
    pacer.clear();
    in(0, 1);
    pacer.arrived(stamp(1), {}, mark(7), 40ms); // there is room again
    EXPECT_EQ(pacer.counters().dropped, frame_pacer::max_extra);
}

TEST_F(paced, units_that_nobody_takes_are_dropped_up_to_a_keyframe) {
    set(stall_policy::freeze, true);
    // A keyframe every 100 units: the oldest hundred goes for the one that is too many.
    for (int i = 0; i <= int(frame_pacer::max_units); ++i) {
        in(i, i + 1);
        pacer.arrived(stamp(i), {}, mark(1000u + unsigned(i)), time(i), {1'000, i % 100 == 0});
    }
    EXPECT_EQ(pacer.counters().dropped, 100u);
    EXPECT_EQ(number(pacer.next(time(1'000)).frame->content), 1100u);
}

TEST_F(paced, units_are_bounded_by_their_bytes_too_and_go_on_with_a_keyframe) {
    set(stall_policy::freeze, true);
    in(0, 5);
    const auto half = frame_pacer::max_unit_bytes / 2;
    pacer.arrived(stamp(0), {}, mark(1), 0ns, {half, true});
    pacer.arrived(stamp(1), {}, mark(2), 0ns, {half, false});
    pacer.arrived(stamp(2), {}, mark(3), 0ns, {1, false});
    EXPECT_EQ(pacer.counters().dropped, 3u);
    EXPECT_FALSE(pacer.next(0ns).frame);
    pacer.arrived(stamp(3), {}, mark(4), 0ns, {1, false});
    EXPECT_FALSE(pacer.next(0ns).frame);
    pacer.arrived(stamp(4), {}, mark(5), 0ns, {half, true});
    EXPECT_EQ(number(pacer.next(0ns).frame->content), 5u);
}

TEST_F(paced, a_picture_of_before_all_input_is_ignored) {
    for (bool every_unit : {false, true}) {
        pacer = {};
        set(stall_policy::drop, every_unit);
        in(0, 2);
        EXPECT_FALSE(back(-1, 10ms)); // before zero
        EXPECT_FALSE(back(-300, 10ms));
        EXPECT_EQ(leaves(10ms), "");
        EXPECT_TRUE(pacer.arrived(stamp(0) - tick / 2 + 1, {}, mark(7), 10ms));
        auto step = pacer.next(10ms);
        ASSERT_TRUE(step.frame);
        EXPECT_EQ(step.frame->time, 0ns);
        pacer = {};
        set(stall_policy::drop, every_unit);
        in(5, 7); // the stream begins later
        EXPECT_FALSE(back(3, 200ms));
        EXPECT_EQ(leaves(200ms), "");
    }
}

TEST(stamps, a_time_becomes_the_same_stamp_again) {
    stamp_clock clock;
    for (std::int64_t ns : {0LL, 33'333'333LL, 66'666'666LL, 3'600'000'000'001LL})
        EXPECT_EQ(
            clock.stamp(clock.time(clock.stamp(running_time(ns)))), clock.stamp(running_time(ns))
        );
}

TEST(stamps, rise_over_a_flush_that_begins_time_anew) {
    stamp_clock clock;
    const auto before = clock.stamp(10s);
    clock.restart(0s);
    EXPECT_EQ(clock.begin(), before + media::clock_rate);
    EXPECT_EQ(clock.stamp(1s), before + 2 * media::clock_rate);
    EXPECT_EQ(clock.time(before + 2 * media::clock_rate), 1s);
}

TEST(stamps, the_inputs_own_clock_is_known_however_late) {
    stamp_match match;
    EXPECT_FALSE(match.place(5, 45'000));
    match.sent(first);
    match.sent(first + 50 * media::clock_rate);
    EXPECT_EQ(match.place(first + 1'000, 45'000), first + 1'000);
    EXPECT_FALSE(match.foreign());
}

TEST(stamps, a_clock_of_its_own_begins_at_the_newest_input_and_keeps_its_distances) {
    stamp_match match;
    match.sent(first);
    match.sent(first + 30'000);
    EXPECT_EQ(match.place(126'000, 45'000), first + 30'000);
    EXPECT_TRUE(match.foreign());
    match.sent(first + 33'000);
    EXPECT_EQ(match.place(129'000, 45'000), first + 33'000);
    EXPECT_EQ(match.place(132'000, 45'000), first + 33'000); // not before its input
    // Far behind, or far ahead: taken for the newest again.
    match.sent(first + 900'000);
    EXPECT_EQ(match.place(135'000, 45'000), first + 900'000);
    EXPECT_EQ(match.place(9'000'000, 45'000), first + 900'000);
}

TEST(audio_pacing, sound_leaves_at_once_and_a_gap_where_none_came) {
    audio_pacer pacer;
    pacer.expect(0ms, 21ms);
    pacer.expect(21ms, 200ms);
    pacer.arrived(0ms, 21ms, mark(1));
    auto step = pacer.next(30ms);
    ASSERT_TRUE(step.frame);
    EXPECT_EQ(step.frame->what, kind::processed);
    step = pacer.next(30ms);
    ASSERT_TRUE(step.wait_until);
    EXPECT_EQ(*step.wait_until, 21ms + audio_pacer::gap_length + 500ms);
    step = pacer.next(*step.wait_until);
    ASSERT_TRUE(step.frame);
    EXPECT_EQ(step.frame->what, kind::gap);
    EXPECT_EQ(step.frame->time, 21ms);
    pacer.arrived(21ms, 21ms, mark(2)); // its time is over, within the overlap it is not
    pacer.arrived(0ms, 10ms, mark(3));
    EXPECT_EQ(pacer.counters().late, 1u);
}

TEST(audio_pacing, ends_when_the_input_is_covered) {
    audio_pacer pacer;
    EXPECT_TRUE(pacer.empty());
    pacer.expect(0ms, 20ms);
    EXPECT_FALSE(pacer.empty());
    pacer.no_more();
    EXPECT_TRUE(pacer.empty());
    EXPECT_FALSE(pacer.next(10s).frame);
}

TEST(stalls, are_told_once_a_second_at_most_and_the_last_change_is_told) {
    using word = stall_watch::word;
    stall_watch watch;
    EXPECT_EQ(watch.saw(false, 0ms, 0ms), word::nothing); // nothing was there yet
    EXPECT_EQ(watch.saw(true, 10ms, 10ms), word::started);
    EXPECT_EQ(watch.saw(false, 20ms, 520ms), word::stall);
    EXPECT_EQ(watch.saw(true, 60ms, 560ms), word::nothing);
    EXPECT_EQ(watch.saw(false, 90ms, 590ms), word::nothing);
    EXPECT_EQ(watch.saw(true, 1'000ms, 1'500ms), word::nothing);
    EXPECT_EQ(watch.saw(true, 1'030ms, 1'530ms), word::resumed);
    EXPECT_EQ(watch.lasted(), 1'010ms);
    EXPECT_EQ(watch.saw(true, 5s, 5s), word::nothing);
    EXPECT_EQ(watch.saw(false, 6s, 6s), word::stall);
}

TEST(decoding, is_over_after_several_failures_in_a_row_only) {
    decoder_health health;
    for (int round = 0; round < 3; ++round) {
        for (int i = 1; i < decoder_health::patience; ++i)
            EXPECT_FALSE(health.failed());
        health.gave();
    }
    EXPECT_TRUE(health.take_broken());
    EXPECT_FALSE(health.take_broken());
    for (int i = 1; i < decoder_health::patience; ++i)
        EXPECT_FALSE(health.failed());
    EXPECT_TRUE(health.failed());
}

TEST(promise, is_broken_after_five_seconds_and_said_once_a_minute) {
    promise_watch watch;
    EXPECT_FALSE(watch.saw(600ms, 500ms, 10s));
    EXPECT_FALSE(watch.saw(600ms, 500ms, 14s));
    EXPECT_TRUE(watch.saw(600ms, 500ms, 15s));
    EXPECT_FALSE(watch.saw(600ms, 500ms, 30s));
    EXPECT_TRUE(watch.saw(600ms, 500ms, 75s));
    EXPECT_FALSE(watch.saw(400ms, 500ms, 140s));
    EXPECT_FALSE(watch.saw(600ms, 500ms, 141s));
    EXPECT_TRUE(watch.saw(600ms, 500ms, 146s));
}

} // namespace
} // namespace rivulet::element
