#include "egress/rtp_track.hpp"
#include "support/rtp_frames.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;
using namespace std::chrono_literals;
using test::read_rtp;
using test::video_frame;

namespace {

rtp_track_setup setup() {
    rtp_track_setup made;
    made.payload_type = 102;
    made.ssrc = 0xabcdef01;
    made.first_sequence = 65'530; // near its end
    return made;
}

} // namespace

TEST(rtp_track, writes_the_viewers_own_header_before_the_shared_payload) {
    rtp_log log({});
    const auto frame = log.push(video_frame(0x1'2345'6789, true, 2));
    rtp_track track(setup());
    const auto first = read_rtp(track.next(*frame, 0).view(), frame->payloads.packets[0].data);
    EXPECT_EQ(first.payload_type, 102);
    EXPECT_EQ(first.ssrc, 0xabcdef01);
    EXPECT_EQ(first.sequence, 65'530);
    EXPECT_EQ(first.timestamp, 0x23456789u);
    EXPECT_FALSE(first.marker);
    const auto second = read_rtp(track.next(*frame, 1).view(), frame->payloads.packets[1].data);
    EXPECT_EQ(second.sequence, 65'531);
    EXPECT_TRUE(second.marker);
    EXPECT_EQ(track.packets(), 2u);
    EXPECT_EQ(track.octets(), 200u);
}

TEST(rtp_track, keyframes_say_whether_they_are_to_be_shown_at_once) {
    rtp_log log({});
    auto with = setup();
    with.playout_delay = 6;
    rtp_track track(with);
    const auto key = log.push(video_frame(0, true, 1));
    EXPECT_EQ(
        read_rtp(track.next(*key, 0).view(), {}).extension,
        (std::vector<std::uint8_t>{0xbe, 0xde, 0, 1, 0x62, 0, 0x0f, 0xff})
    );
    track.show_at_once(true);
    EXPECT_EQ(
        read_rtp(track.next(*key, 0).view(), {}).extension,
        (std::vector<std::uint8_t>{0xbe, 0xde, 0, 1, 0x62, 0, 0, 40})
    );
    const auto inter = log.push(video_frame(3000, false, 1));
    EXPECT_TRUE(read_rtp(track.next(*inter, 0).view(), {}).extension.empty());
}

TEST(rtp_track, sends_a_keyframe_again_as_it_was_first_sent) {
    rtp_log log({});
    auto with = setup();
    with.playout_delay = 6;
    rtp_track track(with);
    std::vector<rtp_frame_ptr> frames;
    std::vector<std::vector<std::uint8_t>> sent;
    for (const bool at_once : {false, true, true, false, true}) {
        frames.push_back(log.push(video_frame(0, true, 1)));
        track.show_at_once(at_once);
        const auto header = track.next(*frames.back(), 0);
        sent.emplace_back(header.view().begin(), header.view().end());
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const auto header = track.again(*frames[i], 0);
        EXPECT_EQ(sent[i], std::vector(header.view().begin(), header.view().end())) << i;
    }
}

TEST(rtp_track, knows_what_a_sequence_number_stood_for_over_the_wrap) {
    rtp_log log({});
    rtp_track track(setup());
    EXPECT_FALSE(track.sent_as(65'530));
    for (int i = 0; i < 10; ++i) {
        const auto frame = log.push(video_frame(i, i == 0, 2));
        track.next(*frame, 0);
        track.next(*frame, 1);
    }
    EXPECT_EQ(track.sent_as(65'530), 0u);
    EXPECT_EQ(track.sent_as(0), 6u);
    EXPECT_EQ(track.sent_as(13), 19u);
    EXPECT_FALSE(track.sent_as(14));     // not sent yet
    EXPECT_FALSE(track.sent_as(65'529)); // before the first
}

TEST(rtp_track, skipped_packets_leave_no_gap) {
    rtp_log log({});
    rtp_track track(setup());
    auto frame = log.push(video_frame(0, true, 1));
    track.next(*frame, 0);
    log.push(video_frame(1, false, 5)); // this viewer is not sent it
    frame = log.push(video_frame(2, true, 1));
    EXPECT_EQ(read_rtp(track.next(*frame, 0).view(), {}).sequence, 65'531);
    EXPECT_EQ(track.sent_as(65'531), 6u);
    EXPECT_FALSE(track.sent_as(65'530)); // from before the skip: would be another packet
}

TEST(rtp_track, sends_again_as_it_was_without_rtx) {
    rtp_log log({});
    rtp_track track(setup());
    const auto frame = log.push(video_frame(77, true, 3));
    for (std::size_t i = 0; i < 3; ++i)
        track.next(*frame, i);
    const auto again = read_rtp(track.again(*frame, 1).view(), frame->payloads.packets[1].data);
    EXPECT_EQ(again.sequence, 65'531);
    EXPECT_EQ(again.ssrc, 0xabcdef01);
    EXPECT_EQ(again.payload[0], 1);
    EXPECT_EQ(track.packets(), 3u); // reports count first sendings
}

TEST(rtp_track, sends_again_by_rtx_when_negotiated) {
    rtp_log log({});
    auto with = setup();
    with.rtx = rtx_setup{103, 0x11112222, 500};
    rtp_track track(with);
    auto fragmented = video_frame(77, true, 3);
    fragmented.payloads.packets[1].prefix = {0x7c, 0x05};
    fragmented.payloads.packets[1].prefix_size = 2;
    const auto frame = log.push(std::move(fragmented));
    for (std::size_t i = 0; i < 3; ++i)
        track.next(*frame, i);
    for (std::uint16_t expected : {500, 501}) {
        const auto again = read_rtp(track.again(*frame, 1).view(), frame->payloads.packets[1].data);
        EXPECT_EQ(again.payload_type, 103);
        EXPECT_EQ(again.ssrc, 0x11112222u);
        EXPECT_EQ(again.sequence, expected);
        EXPECT_EQ(again.timestamp, 77u);
        const std::vector<std::uint8_t> begin(again.payload.begin(), again.payload.begin() + 5);
        EXPECT_EQ(begin, (std::vector<std::uint8_t>{0xff, 0xfb, 0x7c, 0x05, 1}));
    }
}

TEST(resend_limit, a_packet_is_not_sent_again_within_a_round_trip) {
    resend_limit limit;
    const time_point now{1h};
    EXPECT_TRUE(limit.allow(7, 1000, now, 50ms));
    EXPECT_FALSE(limit.allow(7, 1000, now + 49ms, 50ms));
    EXPECT_TRUE(limit.allow(8, 1000, now + 49ms, 50ms));
    EXPECT_TRUE(limit.allow(7, 1000, now + 50ms, 50ms));
}

TEST(resend_limit, a_viewer_that_asks_for_everything_gets_half_of_what_it_was_sent) {
    resend_limit limit;
    std::uint64_t packet = 0;
    const time_point now{1h};
    while (limit.allow(packet++, 1000, now, 50ms))
        ; // what it starts with
    for (int i = 0; i < 100; ++i)
        limit.sent(1000);
    int allowed = 0;
    while (limit.allow(packet++, 1000, now, 50ms))
        ++allowed;
    EXPECT_NEAR(allowed, 50, 1);
    // And a little with time.
    allowed = 0;
    while (limit.allow(packet++, 1000, now + 1s, 50ms))
        ++allowed;
    EXPECT_NEAR(allowed, 16, 1);
}
