#include "media/dts_repair.hpp"
#include "media/keyframe_policy.hpp"
#include "media/rtp_clock.hpp"
#include "media/timestamp_corrector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const time_point start = time_point{} + 1h;

std::uint64_t ntp(double seconds) {
    return (std::uint64_t(3'900'000'000u) << 32) + std::uint64_t(seconds * 4294967296.0);
}

std::vector<access_unit> repaired(dts_repair& repair, std::vector<std::int64_t> frames) {
    std::vector<access_unit> out;
    for (auto frame : frames) {
        access_unit unit;
        unit.pts = frame * 3'000;
        repair(unit);
        out.push_back(unit);
    }
    return out;
}

} // namespace

TEST(rtp_clock, video_begins_at_zero_and_survives_the_wrap) {
    rtp_clock clock;
    std::uint32_t timestamp = 0xffff'ff00;
    for (int i = 0; i < 10; ++i, timestamp += 3'000)
        EXPECT_EQ(clock.video(timestamp, start), i * 3'000);
}

TEST(rtp_clock, audio_before_any_video_has_no_place) {
    rtp_clock clock;
    EXPECT_FALSE(clock.audio(0, start));
    clock.video(0, start);
    EXPECT_TRUE(clock.audio(960, start));
}

TEST(rtp_clock, places_audio_by_arrival_until_reports_come) {
    rtp_clock clock;
    clock.video(5'000, start);
    clock.video(8'000, start + 33ms);
    EXPECT_NEAR(double(*clock.audio(777, start + 43ms)), 3'000 + 900, 2);
    EXPECT_NEAR(double(*clock.audio(777 + 960, start + 90ms)), 3'900 + 1'800, 2);
    EXPECT_FALSE(clock.by_reports());
}

TEST(rtp_clock, sender_reports_place_audio_exactly) {
    rtp_clock clock;
    clock.video(1'000'000, start);
    clock.video_report(ntp(10), 1'000'000); // video 0 was taken at 10 s
    clock.audio(50'000, start + 200ms);     // came late, but…
    clock.audio_report(ntp(10.1), 50'000);  // …was taken 100 ms after the picture
    ASSERT_TRUE(clock.by_reports());
    std::int64_t last = 0;
    for (int i = 1; i < 500; ++i) {
        auto pts = *clock.audio(50'000 + i * 960, start + 200ms + i * 20ms);
        EXPECT_GT(pts, last); // nobody hears the correction
        EXPECT_NEAR(double(pts - last), 1'800, i == 1 ? 20'000 : 60);
        last = pts;
    }
    EXPECT_NEAR(double(last), 9'000 + 499 * 1'800, 2);
}

TEST(rtp_clock, makes_a_large_correction_at_once) {
    rtp_clock clock;
    clock.video(0, start);
    clock.audio(0, start + 10ms);
    clock.video_report(ntp(10), 0);
    clock.audio_report(ntp(12), 0);
    EXPECT_NEAR(double(*clock.audio(960, start + 30ms)), 180'000 + 1'800, 2);
}

TEST(rtp_clock, keeps_lip_sync_over_hours_and_both_wraps) {
    rtp_clock clock;
    std::uint32_t video = 4'000'000'000u, audio = 4'294'000'000u;
    auto now = start;
    std::int64_t v = 0, a = 0;
    for (int second = 0; second < 4 * 3600 * 7; second += 7) {
        v = clock.video(video, now);
        a = clock.audio(audio, now + 80ms).value();
        clock.video_report(ntp(second), video);
        clock.audio_report(ntp(second), audio);
        video += 90'000 * 7;
        audio += 48'000 * 7;
        now += 7s;
    }
    EXPECT_NEAR(double(a - v), 0, 90);
}

TEST(rtp_clock, does_not_believe_reports_of_unrelated_clocks) {
    rtp_clock clock;
    clock.video(0, start);
    clock.audio(0, start);
    clock.video_report(ntp(0), 0);
    clock.audio_report(ntp(5'000), 0);
    EXPECT_FALSE(clock.by_reports());
}

TEST(dts_repair, leaves_streams_without_b_frames_alone) {
    dts_repair repair;
    repair.reorder_frames(-1);
    for (const auto& unit : repaired(repair, {0, 1, 2, 3, 7, 8}))
        EXPECT_EQ(unit.dts, unit.pts);
    EXPECT_EQ(repair.depth(), 0u);
}

TEST(dts_repair, b_frames_that_the_parameter_sets_announce_keep_their_times) {
    dts_repair repair;
    repair.reorder_frames(2);
    std::vector<std::int64_t> order{0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11};
    auto out = repaired(repair, order);
    std::int64_t last = -1'000'000;
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_EQ(out[i].pts, order[i] * 3'000);
        EXPECT_LE(out[i].dts, out[i].pts);
        EXPECT_GT(out[i].dts, last);
        last = out[i].dts;
    }
    EXPECT_EQ(out[5].dts, 3 * 3'000) << "two pictures behind";
}

TEST(dts_repair, learns_b_frames_that_nobody_announced) {
    dts_repair repair;
    std::vector<std::int64_t> order{0};
    for (std::int64_t i = 0; i < 40; i += 4)
        order.insert(order.end(), {i + 4, i + 2, i + 1, i + 3});
    auto out = repaired(repair, order);
    EXPECT_EQ(repair.depth(), 2u);
    std::int64_t last = -1'000'000;
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_LE(out[i].dts, out[i].pts) << i;
        EXPECT_GT(out[i].dts, last) << i;
        last = out[i].dts;
        if (i > 6) {
            EXPECT_EQ(out[i].pts, order[i] * 3'000) << i;
        }
    }
}

TEST(dts_repair, begins_anew_after_a_jump_of_the_clock) {
    dts_repair repair;
    repair.reorder_frames(1);
    repaired(repair, {10'000, 10'002, 10'001});
    auto out = repaired(repair, {0, 2, 1, 4, 3});
    EXPECT_LE(out[0].dts, 0);
    EXPECT_EQ(out[4].pts, 9'000);
}

TEST(keyframe_policy, asks_again_when_no_keyframe_comes) {
    keyframe_policy policy(2s);
    EXPECT_EQ(policy.deadline(), time_point::max());
    policy.began(start);
    EXPECT_TRUE(policy.step(start));
    EXPECT_FALSE(policy.step(start + 499ms));
    EXPECT_TRUE(policy.step(start + 500ms));
    policy.keyframe(start + 600ms);
    EXPECT_EQ(policy.deadline(), start + 2500ms);
}

TEST(keyframe_policy, many_losses_are_one_request) {
    keyframe_policy policy(2s);
    policy.began(start);
    policy.step(start);
    policy.keyframe(start + 50ms);
    for (int i = 0; i < 20; ++i) {
        policy.wanted(start + 60ms + i * 1ms);
        EXPECT_FALSE(policy.step(start + 60ms + i * 1ms));
    }
    EXPECT_EQ(policy.deadline(), start + 250ms);
    EXPECT_TRUE(policy.step(start + 250ms));
    EXPECT_EQ(policy.asked(), 2u);
}

TEST(live_conformance, s21_a_pli_when_the_video_appears_and_every_two_seconds) {
    keyframe_policy policy(2s);
    policy.began(start);
    std::vector<duration> sent;
    for (auto now = start; now < start + 9s; now += 10ms)
        if (policy.step(now)) {
            sent.push_back(now - start);
            policy.keyframe(now + 30ms); // the encoder obeys
        }
    EXPECT_THAT(sent, ElementsAre(0s, 2s, 4s, 6s, 8s));
}

// The vectors of go-livepeer, media/timestamp_corrector_test.go.
TEST(live_conformance, s25_corrects_timestamps_that_count_microseconds) {
    const auto frame = std::chrono::nanoseconds(33'333'333);
    const double frame_seconds = 33'333'333e-9;
    const auto scaled = [](std::int64_t ticks) { return ticks * 90'000 / 1'000'000; };

    { // half a frame apart, 90 kHz
        timestamp_corrector correct(true);
        const auto second = 1'000 + std::int64_t(16'666'666e-9 * 90'000);
        EXPECT_EQ(correct(1'000, start), 1'000);
        EXPECT_EQ(correct(second, start + std::chrono::nanoseconds(16'666'666)), second);
        EXPECT_EQ(correct(second + 3'000, start + 1s), second + 3'000);
    }
    const std::string_view safari_18_5 =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Safari/605.1.15";
    const std::string_view chrome =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/137.0.0.0 Safari/537.36";

    struct row {
        std::string_view agent;
        bool disabled, fixed;
    };

    for (const auto& [agent, disabled, fixed] :
         {row{"", false, true},
          row{safari_18_5, false, true},
          row{chrome, false, false},
          row{"", true, false},
          row{safari_18_5, true, false}}) {
        timestamp_corrector correct(!disabled && may_count_microseconds(agent));
        const auto second = 1'000 + std::int64_t(800'000 * frame_seconds + 2);
        const auto third = second + 20'000;
        EXPECT_EQ(correct(1'000, start), 1'000);
        EXPECT_EQ(correct(second, start + frame), fixed ? scaled(second) : second) << agent;
        EXPECT_EQ(correct(third, start + frame), fixed ? scaled(third) : third) << agent;
        EXPECT_EQ(correct.correcting(), fixed);
    }
    { // a burst: packets that were held up
        timestamp_corrector correct(true);
        EXPECT_EQ(correct(0, start), 0);
        EXPECT_EQ(correct(26'000, start + frame / 2), 26'000);
        EXPECT_EQ(correct(26'100, start + frame), 26'100);
    }
}

TEST(live_conformance, s25_the_correction_is_for_ios_and_safari_18_only) {
    for (const std::string_view agent :
         {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) "
          "Version/18.5 Safari/605.1.15",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 15_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
          "like "
          "Gecko) Version/15.6.1 Mobile/15E148 Safari/604.1",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
          "like "
          "Gecko) CriOS/137.0.7151.79 Mobile/15E148 Safari/604.1",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
          "like "
          "Gecko) FxiOS/139.1 Mobile/15E148 Safari/605.1.15",
          "Mozilla/5.0 (iPad; CPU OS 17_7_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) "
          "Version/18.0 EdgiOS/137.3296.65 Mobile/15E148 Safari/605.1.15"})
        EXPECT_TRUE(may_count_microseconds(agent)) << agent;
    for (const std::string_view agent :
         {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) "
          "Version/17.4 Safari/605.1.15",
          "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) "
          "Version/18.6 Safari/605.1.15",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
          "like "
          "Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
          "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 "
          "Safari/537.36",
          "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) Gecko/20100101 Firefox/139.0"})
        EXPECT_FALSE(may_count_microseconds(agent)) << agent;
}

} // namespace rivulet::media
