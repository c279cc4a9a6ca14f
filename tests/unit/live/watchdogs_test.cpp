#include "live/watchdogs.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
const time_point start = time_point{} + 1h;

output_limits thirty() {
    return {30s, 30s};
}

// Output every `gap` for `time`, input all the while; then none. When the watchdog fires after the
// last output, looked at when it asks for it. Nothing when it fired before.
std::optional<duration> noticed_after(output_watchdog& watch, duration gap, duration time) {
    auto now = start;
    auto next = start;
    auto last = start;
    while (now < start + time + 100s) {
        if (next <= now && next <= start + time) {
            watch.output_seen(next);
            last = next;
            next += gap;
        }
        if (watch.next_check() <= now && watch.stalled(now, now))
            return last + gap > start + time ? std::optional(now - last) : std::nullopt;
        now += 10ms;
    }
    return std::nullopt;
}

TEST(live_conformance, s36_no_output_with_recent_input_is_a_stall) {
    output_watchdog watch(thirty(), start);
    EXPECT_EQ(watch.next_check(), start + 30s);
    EXPECT_FALSE(watch.stalled(start + 29s, start + 29s));
    EXPECT_TRUE(watch.stalled(start + 30s, start + 16s));
}

TEST(live_conformance, s36_no_output_without_recent_input_is_not) {
    output_watchdog watch(thirty(), start);
    EXPECT_FALSE(watch.stalled(start + 30s, start + 15s));
    EXPECT_EQ(watch.next_check(), start + 60s);
    // Input came back just now: the orchestrator gets a whole new wait.
    EXPECT_FALSE(watch.stalled(start + 31s, start + 31s));
    EXPECT_TRUE(watch.stalled(start + 60s, start + 59s));
    output_watchdog fresh(thirty(), start);
    EXPECT_FALSE(fresh.stalled(start + 30s, time_point{}));
}

TEST(output_watchdog, output_of_any_size_starts_the_wait_again) {
    output_watchdog watch(thirty(), start);
    watch.output_seen(start + 20s);
    EXPECT_FALSE(watch.stalled(start + 45s, start + 45s));
    EXPECT_TRUE(watch.stalled(start + 50s, start + 49s));
}

TEST(output_watchdog, the_first_output_may_take_longer) {
    output_watchdog watch({60s, 30s}, start);
    EXPECT_FALSE(watch.stalled(start + 59s, start + 59s));
    EXPECT_TRUE(watch.stalled(start + 60s, start + 60s));
    output_watchdog began({60s, 30s}, start);
    began.output_seen(start + 50s);
    EXPECT_TRUE(began.stalled(start + 80s, start + 80s));
}

TEST(output_watchdog, a_steady_output_that_stops_is_noticed_within_two_seconds) {
    output_watchdog watch(thirty(), start);
    const auto after = noticed_after(watch, 40ms, 10s);
    ASSERT_TRUE(after);
    EXPECT_GE(*after, 1500ms);
    EXPECT_LE(*after, 2000ms);
}

TEST(output_watchdog, whole_segments_of_two_seconds_are_given_four_of_them) {
    output_watchdog watch(thirty(), start);
    const auto after = noticed_after(watch, 2s, 30s);
    ASSERT_TRUE(after);
    EXPECT_GE(*after, 8s);
    EXPECT_LE(*after, 8500ms);
}

TEST(output_watchdog, segments_of_ten_seconds_never_look_like_a_stall) {
    output_watchdog watch(thirty(), start);
    const auto after = noticed_after(watch, 10s, 60s);
    ASSERT_TRUE(after);
    EXPECT_EQ(*after, 30s); // the configured limit is the longest
}

TEST(output_watchdog, a_short_life_teaches_nothing) {
    output_watchdog watch(thirty(), start);
    const auto after = noticed_after(watch, 40ms, 4s);
    ASSERT_TRUE(after);
    EXPECT_EQ(*after, 30s);
}

TEST(output_watchdog, rare_hiccups_do_not_slow_it_down) {
    output_watchdog watch(thirty(), start);
    auto now = start;
    for (int i = 0; i < 1500; ++i) {
        now += i == 500 || i == 1000 ? 1200ms : 40ms;
        watch.output_seen(now);
    }
    EXPECT_EQ(watch.usual_gap(), duration{});
    EXPECT_EQ(watch.limit(), 1500ms);
}

TEST(output_watchdog, input_that_comes_in_fits_is_not_held_against_the_orchestrator) {
    output_watchdog watch(thirty(), start);
    auto now = start;
    for (; now < start + 10s; now += 40ms)
        watch.output_seen(now);
    // The publisher rests for 5 s; its video needs a second through the orchestrator.
    const auto rested = now;
    for (; now < rested + 5s; now += 50ms)
        EXPECT_FALSE(watch.stalled(now, rested));
    for (; now < rested + 6s; now += 50ms)
        EXPECT_FALSE(watch.stalled(now, now));
    // Nothing comes back although it flows again.
    for (; now < rested + 6400ms; now += 50ms)
        EXPECT_FALSE(watch.stalled(now, now));
    bool noticed = false;
    for (; now < rested + 8s && !noticed; now += 50ms)
        noticed = watch.stalled(now, now);
    EXPECT_TRUE(noticed);
}

TEST(output_watchdog, a_gateway_that_stood_still_itself_waits_for_what_it_has_not_read) {
    output_watchdog watch(thirty(), start);
    auto now = start;
    for (; now < start + 10s; now += 40ms) {
        watch.output_seen(now);
        EXPECT_FALSE(watch.stalled(now, now));
    }
    now += 5s;
    EXPECT_FALSE(watch.stalled(now, now));
    EXPECT_FALSE(watch.stalled(now + 250ms, now + 250ms));
    bool noticed = false;
    for (auto later = now; later < now + 2s; later += 250ms)
        noticed = watch.stalled(later, later);
    EXPECT_TRUE(noticed);
}

TEST(output_watchdog, new_parameters_may_load_a_model) {
    output_watchdog watch(thirty(), start);
    auto now = start;
    for (; now < start + 10s; now += 40ms)
        watch.output_seen(now);
    watch.disturbed(now);
    for (auto later = now; later < now + 29s; later += 250ms)
        EXPECT_FALSE(watch.stalled(later, later));
    // Output that goes on as before for some seconds: the parameters have arrived.
    for (const auto from = now; now < from + 3500ms; now += 40ms)
        watch.output_seen(now);
    EXPECT_EQ(watch.limit(), 1500ms);
}

TEST(live_conformance, s37_more_than_thirty_seconds_without_an_event_is_silence) {
    event_watchdog watch(start);
    EXPECT_FALSE(watch.silent(start + 30s));
    EXPECT_TRUE(watch.silent(start + 30s + 1ms));
    watch.event_seen(start + 29s);
    EXPECT_FALSE(watch.silent(start + 59s));
}

TEST(event_watchdog, without_output_three_missing_status_events_are_enough) {
    event_watchdog watch(start);
    for (int i = 0; i <= 4; ++i)
        watch.status_seen(start + i * 5s);
    const auto last = start + 20s;
    EXPECT_FALSE(watch.silent(last + 15s, false));
    EXPECT_TRUE(watch.silent(last + 16s, false));
    EXPECT_FALSE(watch.silent(last + 30s, true)); // the output is sign of life enough
    EXPECT_TRUE(watch.silent(last + 31s, true));
}

TEST(event_watchdog, events_in_a_hurry_do_not_shorten_the_patience_below_ten_seconds) {
    event_watchdog watch(start);
    for (int i = 0; i <= 10; ++i)
        watch.status_seen(start + i * 100ms);
    EXPECT_FALSE(watch.silent(start + 11s, false));
    EXPECT_TRUE(watch.silent(start + 11100ms, false));
    event_watchdog rare(start);
    for (int i = 0; i <= 4; ++i)
        rare.status_seen(start + i * 25s);
    EXPECT_EQ(rare.limit(false), 30s);
}

} // namespace
} // namespace rivulet::live
