#include "media/segmenter.hpp"

#include <gtest/gtest.h>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;

struct feed {
    segmenter machine;
    time_point start{};
    duration clock{};

    explicit feed(segmenter_options options = {}) : machine(options) {}

    segment_action
    at(duration when,
       std::int64_t media_ms,
       bool keyframe,
       track_kind kind = track_kind::video,
       std::size_t size = 100) {
        static const std::vector<std::uint8_t> block(1 << 20);
        access_unit unit;
        unit.kind = kind;
        unit.dts = unit.pts = media_ms * 90;
        unit.keyframe = keyframe;
        unit.data = bytes({}, std::span(block).first(size));
        return machine.step(unit, start + when).action;
    }

    segment_action audio_at(duration when, std::int64_t media_ms) {
        return at(when, media_ms, true, track_kind::audio);
    }
};

constexpr auto drop = segment_action::drop, write = segment_action::write,
               cut = segment_action::cut_then_write, end = segment_action::end_then_drop;

} // namespace

TEST(live_conformance, s19_nothing_is_published_before_the_first_idr) {
    feed f;
    EXPECT_EQ(f.audio_at(0ms, 0), drop);
    EXPECT_EQ(f.at(0ms, 0, false), drop);
    EXPECT_EQ(f.audio_at(20ms, 20), drop);
    EXPECT_EQ(f.at(33ms, 33, true), cut);
    EXPECT_EQ(f.audio_at(40ms, 40), write);
    EXPECT_EQ(f.at(66ms, 66, false), write);
    EXPECT_EQ(f.machine.dropped(), 3u);
}

TEST(live_conformance, s20_a_boundary_is_a_keyframe_a_second_after_the_last_in_both_clocks) {
    feed f;
    EXPECT_EQ(f.at(0s, 0, true), cut);
    EXPECT_EQ(f.at(999ms, 2000, true), write) << "too early by the wall clock";
    EXPECT_EQ(f.at(2s, 999, true), write) << "too early by the media clock";
    EXPECT_EQ(f.at(2s, 1000, false), write) << "no keyframe";
    EXPECT_EQ(f.audio_at(2s, 1000), write) << "sound never cuts";
    EXPECT_EQ(f.at(2100ms, 1000, true), cut) << "exactly the minimum counts";
    EXPECT_EQ(f.at(3s, 5000, true), write) << "measured from the new start";
    EXPECT_EQ(f.at(3100ms, 2000, true), cut);
}

TEST(segmenter, cuts_by_the_wall_clock_alone_after_the_media_clock_went_back) {
    feed f;
    f.at(0s, 50'000, true);
    EXPECT_EQ(f.at(500ms, 0, true), write);
    EXPECT_EQ(f.at(1s, 500, true), cut);
    EXPECT_EQ(f.at(2s, 1500, true), cut);
}

TEST(segmenter, ends_an_overlong_segment_and_waits_for_a_keyframe) {
    feed f;
    f.at(0s, 0, true);
    EXPECT_EQ(f.at(29s, 29'999, false), write);
    EXPECT_EQ(f.at(30s, 30'000, false), end);
    EXPECT_EQ(f.at(31s, 31'000, false), drop);
    EXPECT_EQ(f.audio_at(31s, 31'000), drop);
    EXPECT_EQ(f.at(31s, 31'033, true), cut);
    EXPECT_EQ(f.at(31s, 31'066, false), write);
}

TEST(segmenter, says_which_limit_it_was) {
    segmenter machine({.max_bytes = 10});
    access_unit unit;
    unit.keyframe = true;
    unit.data = bytes::copy_of("12345678");
    machine.step(unit, {});
    unit.keyframe = false;
    EXPECT_EQ(
        machine.step(unit, {}),
        (segment_decision{segment_action::end_then_drop, segment_reason::too_large})
    );
    EXPECT_EQ(
        machine.step(unit, {}),
        (segment_decision{segment_action::drop, segment_reason::after_limit})
    );
}

TEST(segmenter, holds_the_byte_limit_exactly) {
    feed f({.max_bytes = 1000});
    EXPECT_EQ(f.at(0s, 0, true, track_kind::video, 500), cut);
    EXPECT_EQ(f.at(0s, 0, false, track_kind::video, 500), write);
    EXPECT_EQ(f.at(0s, 0, false, track_kind::video, 1), end);
}

TEST(segmenter, neither_a_pause_nor_a_burst_makes_a_segment_overlong) {
    feed paused;
    paused.at(0s, 0, true);
    EXPECT_EQ(paused.at(300s, 33, false), write);
    feed burst;
    burst.at(0s, 0, true);
    EXPECT_EQ(burst.at(100ms, 60'000, false), write);
}

TEST(segmenter, the_usual_ten_second_gop_of_encoders_loses_nothing) {
    feed f;
    for (int i = 0; i < 3000; ++i) {
        auto t = std::chrono::milliseconds(i * 1000 / 24);
        auto action = f.at(t, t.count(), i % 250 == 0);
        EXPECT_EQ(action, i % 250 == 0 ? cut : write);
    }
}

TEST(segmenter, begins_anew_with_a_keyframe_after_a_reset) {
    feed f;
    f.at(0s, 0, true);
    f.machine.reset();
    EXPECT_EQ(f.at(33ms, 33, false), drop);
    EXPECT_EQ(f.at(66ms, 66, true), cut);
}

} // namespace rivulet::media
