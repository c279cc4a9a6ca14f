#include "egress/rtp_viewer.hpp"
#include "support/rtp_frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;
using namespace std::chrono_literals;
using media::clock_rate;
using test::audio_frame;
using test::sent_rtp;
using test::video_frame;
using testing::ElementsAre;

namespace {

constexpr std::uint32_t video_ssrc = 1, audio_ssrc = 2;
constexpr std::int64_t frame_time = 3000; // 30 a second
const time_point begin{1h};

rtp_viewer_setup both() {
    rtp_viewer_setup setup;
    setup.video.emplace();
    setup.video->ssrc = video_ssrc;
    setup.audio.emplace();
    setup.audio->ssrc = audio_ssrc;
    setup.cname = "viewer";
    return setup;
}

// A viewer with its log and what it was sent.
struct rig {
    explicit rig(rtp_viewer_setup setup = both(), rtp_log_limits limits = {})
        : log(limits), viewer(log, std::move(setup), [this](auto header, auto payload) {
              sent.push_back(test::read_rtp(header, payload));
              return takes;
          }) {}

    // Frames [first, last) of a stream with a keyframe at each multiple of `gop`.
    void frames(int first, int last, int gop = 1'000'000, std::size_t packets = 2) {
        for (int i = first; i < last; ++i) {
            log.push(video_frame(i * frame_time, i % gop == 0, packets));
            log.push(audio_frame(i * frame_time));
        }
    }

    std::vector<std::uint32_t> times(std::uint32_t ssrc) {
        std::vector<std::uint32_t> out;
        for (const auto& packet : sent)
            if (packet.ssrc == ssrc && (out.empty() || out.back() != packet.timestamp))
                out.push_back(packet.timestamp);
        return out;
    }

    bool takes = true;
    std::vector<sent_rtp> sent;
    rtp_log log;
    rtp_viewer viewer;
};

media::rtcp_feedback nack(std::uint32_t ssrc, std::vector<std::uint16_t> sequences) {
    media::rtcp_feedback said;
    for (auto sequence : sequences)
        said.nacks.push_back({ssrc, sequence});
    return said;
}

report_clock running_clock() {
    report_clock clock(begin, std::chrono::system_clock::time_point(1000s));
    clock.arrived(0, begin);
    return clock;
}

} // namespace

TEST(rtp_viewer, begins_with_the_newest_keyframe_at_four_times_the_speed) {
    rig r;
    r.frames(0, 31); // a second and its keyframe
    auto now = begin;
    auto again = r.viewer.pump(now);
    EXPECT_THAT(r.times(video_ssrc), ElementsAre(0));
    EXPECT_TRUE(r.viewer.catching_up());
    std::vector<duration> gaps;
    while (again) {
        gaps.push_back(*again - now);
        now = *again;
        again = r.viewer.pump(now);
    }
    EXPECT_EQ(gaps.size(), 30u);
    for (auto gap : gaps)
        EXPECT_NEAR(std::chrono::duration<double>(gap).count(), 1.0 / 120, 1e-5);
    EXPECT_FALSE(r.viewer.catching_up());
    EXPECT_EQ(r.times(video_ssrc).size(), 31u);
}

TEST(rtp_viewer, a_long_group_is_caught_up_in_bounded_time) {
    rig r;
    r.frames(0, 30 * 20);
    auto now = begin;
    int live = 600;
    while (auto again = r.viewer.pump(now)) {
        now = *again;
        // The stream goes on meanwhile.
        while ((live - 599) * 33ms < now - begin)
            r.frames(live, live + 1), ++live;
    }
    EXPECT_LT(now - begin, 2s);
    EXPECT_FALSE(r.viewer.catching_up());
    EXPECT_EQ(r.times(video_ssrc).size(), static_cast<std::size_t>(live));
}

TEST(rtp_viewer, a_newer_keyframe_ends_the_catching_up) {
    rig r;
    r.frames(0, 60);
    r.viewer.pump(begin);
    r.viewer.pump(begin + 100ms);
    const auto before = r.times(video_ssrc).size();
    r.frames(60, 61, 60);
    EXPECT_FALSE(r.viewer.pump(begin + 101ms));
    const auto times = r.times(video_ssrc);
    EXPECT_EQ(times.size(), before + 1);
    EXPECT_EQ(times.back(), 60u * frame_time);
    // Without a gap in the numbers.
    for (std::size_t i = 1; i < r.sent.size(); ++i)
        EXPECT_EQ(r.sent[i].sequence, r.sent[i - 1].sequence + 1);
}

TEST(rtp_viewer, sound_begins_at_the_live_edge) {
    rig r;
    r.frames(0, 31);
    auto now = begin;
    while (auto again = r.viewer.pump(now))
        now = *again;
    EXPECT_THAT(r.times(audio_ssrc), testing::SizeIs(testing::Le(1u)));
    r.sent.clear();
    r.frames(31, 33);
    EXPECT_FALSE(r.viewer.pump(now));
    EXPECT_EQ(r.times(audio_ssrc).size(), 2u);
}

TEST(rtp_viewer, live_frames_leave_at_once) {
    rig r;
    r.frames(0, 1);
    EXPECT_FALSE(r.viewer.pump(begin));
    for (int i = 1; i < 100; ++i) {
        r.sent.clear();
        r.frames(i, i + 1);
        EXPECT_FALSE(r.viewer.pump(begin)); // no time passes
        EXPECT_EQ(r.sent.size(), 3u);
    }
}

TEST(rtp_viewer, a_large_keyframe_leaves_in_pieces) {
    rig r;
    r.frames(0, 1, 1, 150);
    auto now = begin;
    std::vector<std::size_t> pieces;
    std::size_t before = 0;
    for (auto again = r.viewer.pump(now);; again = r.viewer.pump(now)) {
        pieces.push_back(r.sent.size() - before);
        before = r.sent.size();
        if (!again)
            break;
        EXPECT_EQ(*again - now, rtp_viewer::turn);
        r.viewer.pump(now); // too early: nothing leaves
        EXPECT_EQ(r.sent.size(), before);
        now = *again;
    }
    EXPECT_THAT(pieces, ElementsAre(64, 64, 22));
}

TEST(live_conformance, s44_a_viewer_begins_with_the_newest_group_and_is_cut_when_lapped) {
    rtp_log_limits limits;
    limits.history = clock_rate;
    rig r(both(), limits);
    r.frames(0, 95, 30);
    r.viewer.pump(begin);
    EXPECT_EQ(r.sent.at(0).timestamp, 90u * frame_time);
    // The writer goes on whatever the viewer does.
    r.frames(95, 400, 30);
    EXPECT_LE(r.log.end() - r.log.begin(), 2u * 70);
    auto now = begin + 1s;
    while (auto again = r.viewer.pump(now))
        now = *again;
    EXPECT_GT(r.viewer.stats().skipped_frames, 0u);
    // It went on with a keyframe, in the same numbering.
    const auto times = r.times(video_ssrc);
    const auto jump = std::adjacent_find(times.begin(), times.end(), [](auto a, auto b) {
        return b - a > frame_time;
    });
    ASSERT_NE(jump, times.end());
    EXPECT_EQ(jump[1] / frame_time % 30, 0u);
}

TEST(live_conformance, s45_no_video_before_an_idr) {
    rig r;
    EXPECT_FALSE(r.viewer.pump(begin));
    r.frames(1, 20);
    EXPECT_FALSE(r.viewer.pump(begin));
    EXPECT_TRUE(r.times(video_ssrc).empty());
    EXPECT_FALSE(r.times(audio_ssrc).empty()); // sound is not held back
    r.log.push(video_frame(20 * frame_time, true));
    r.log.push(video_frame(21 * frame_time, false));
    EXPECT_FALSE(r.viewer.pump(begin));
    EXPECT_THAT(r.times(video_ssrc), ElementsAre(20 * frame_time, 21 * frame_time));
}

TEST(rtp_viewer, lost_packets_are_sent_again_from_the_shared_history) {
    rig r;
    r.frames(0, 1);
    r.viewer.pump(begin);
    r.frames(1, 10);
    r.viewer.pump(begin);
    const auto lost = r.sent.at(7);
    r.sent.clear();
    const auto clock = running_clock();
    EXPECT_FALSE(r.viewer.feedback(nack(lost.ssrc, {lost.sequence}), clock, begin));
    ASSERT_EQ(r.sent.size(), 1u);
    EXPECT_EQ(r.sent[0].sequence, lost.sequence);
    EXPECT_EQ(r.sent[0].timestamp, lost.timestamp);
    EXPECT_EQ(r.sent[0].payload, lost.payload);
    // Asked again at once: it is under way.
    r.viewer.feedback(nack(lost.ssrc, {lost.sequence}), clock, begin + 5ms);
    EXPECT_EQ(r.sent.size(), 1u);
    EXPECT_EQ(r.viewer.stats().resent, 1u);
    EXPECT_EQ(r.viewer.stats().not_resent, 1u);
}

TEST(rtp_viewer, nothing_is_sent_for_numbers_that_never_were_or_strange_streams) {
    rig r;
    r.frames(0, 3);
    r.viewer.pump(begin + 1s);
    r.sent.clear();
    const auto clock = running_clock();
    r.viewer.feedback(nack(video_ssrc, {900, 40'000}), clock, begin);
    r.viewer.feedback(nack(77, {0, 1}), clock, begin);
    EXPECT_TRUE(r.sent.empty());
}

TEST(rtp_viewer, a_keyframe_is_wanted_by_whoever_asks_for_the_video) {
    rig r;
    const auto clock = running_clock();
    media::rtcp_feedback said;
    said.keyframes = {audio_ssrc, 99};
    EXPECT_FALSE(r.viewer.feedback(said, clock, begin));
    said.keyframes = {video_ssrc};
    EXPECT_TRUE(r.viewer.feedback(said, clock, begin));
    EXPECT_EQ(r.viewer.stats().keyframe_requests, 1u);
}

TEST(rtp_viewer, reports_tell_one_time_for_both_tracks) {
    rig r;
    EXPECT_TRUE(r.viewer.reports(running_clock(), begin).empty());
    r.frames(0, 1);
    r.viewer.pump(begin);
    r.log.push(audio_frame(0));
    r.viewer.pump(begin);
    const auto out = r.viewer.reports(running_clock(), begin + 2s);
    auto u32 = [&](std::size_t at) {
        return std::uint32_t{out.at(at)} << 24 | out.at(at + 1) << 16 | out.at(at + 2) << 8 |
               out.at(at + 3);
    };
    EXPECT_EQ(u32(4), video_ssrc);
    EXPECT_EQ(u32(28 + 4), audio_ssrc);
    EXPECT_EQ(u32(8), u32(28 + 8)); // the same NTP time
    EXPECT_EQ(u32(12), u32(28 + 12));
    EXPECT_EQ(u32(8), 2'208'988'800u + 1002);
    EXPECT_EQ(u32(16), 2u * 90'000);
    EXPECT_EQ(u32(28 + 16), 2u * 48'000);
    EXPECT_EQ(u32(20), 2u); // packets
    EXPECT_EQ(u32(24), 200u);
}

TEST(rtp_viewer, learns_the_round_trip_and_the_loss_from_reports) {
    rig r;
    r.frames(0, 1);
    r.viewer.pump(begin);
    const auto clock = running_clock();
    media::rtcp_feedback said;
    media::rtcp_report_block block;
    block.ssrc = video_ssrc;
    block.fraction_lost = 128;
    block.last_sender_report = static_cast<std::uint32_t>(clock.ntp(begin) >> 16);
    block.delay = 65'536; // a second
    said.reports.push_back(block);
    r.viewer.feedback(said, clock, begin + 1080ms);
    EXPECT_NEAR(r.viewer.stats().round_trip_ms, 80, 1);
    EXPECT_DOUBLE_EQ(r.viewer.stats().loss_percent, 50);
}

TEST(rtp_viewer, what_the_transport_does_not_take_is_counted_and_asked_for) {
    rig r;
    r.takes = false;
    r.frames(0, 1);
    r.viewer.pump(begin);
    EXPECT_EQ(r.viewer.stats().unsent, 2u);
    r.takes = true;
    r.sent.clear();
    r.viewer.feedback(nack(video_ssrc, {0, 1}), running_clock(), begin);
    EXPECT_EQ(r.sent.size(), 2u);
}

TEST(rtp_viewer, pictures_wait_for_the_sound_only_when_there_is_some) {
    auto setup = both();
    setup.video->playout_delay = 5;
    rig silent(setup);
    silent.log.push(video_frame(0, true));
    silent.viewer.pump(begin);
    EXPECT_EQ(silent.sent.at(0).extension.back(), 40); // at most 400 ms, at best none
    rig sounding(setup);
    sounding.frames(0, 1);
    sounding.viewer.pump(begin);
    EXPECT_EQ(sounding.sent.at(0).extension.back(), 0xff);
}

TEST(rtp_viewer, one_who_wants_sound_only_gets_it_without_a_picture) {
    auto setup = both();
    setup.video.reset();
    rig r(setup);
    r.frames(1, 10);
    EXPECT_FALSE(r.viewer.pump(begin));
    r.frames(10, 20);
    EXPECT_FALSE(r.viewer.pump(begin));
    EXPECT_EQ(r.times(audio_ssrc).size(), 10u);
    EXPECT_TRUE(r.times(video_ssrc).empty());
}
