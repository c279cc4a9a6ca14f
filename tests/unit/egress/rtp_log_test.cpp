#include "egress/rtp_log.hpp"
#include "support/rtp_frames.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;
using media::clock_rate;
using media::track_kind;
using test::audio_frame;
using test::video_frame;

TEST(rtp_log, numbers_the_packets_of_each_track_apart) {
    rtp_log log({});
    EXPECT_EQ(log.push(video_frame(0, true, 3))->first_packet(), 0u);
    EXPECT_EQ(log.push(audio_frame(0))->first_packet(), 0u);
    EXPECT_EQ(log.push(video_frame(1, false, 2))->first_packet(), 3u);
    EXPECT_EQ(log.push(audio_frame(1))->first_packet(), 1u);
    EXPECT_EQ(log.push(video_frame(2, false, 1))->first_packet(), 5u);
}

TEST(rtp_log, finds_every_packet_by_its_number) {
    rtp_log log({});
    for (int i = 0; i < 50; ++i) {
        log.push(video_frame(i, i == 0, 1 + i % 4));
        for (int k = 0; k < i % 3; ++k)
            log.push(audio_frame(i));
    }
    for (const auto kind : {track_kind::video, track_kind::audio}) {
        std::uint64_t number = 0;
        for (auto n = log.begin(); n < log.end(); ++n) {
            const auto& frame = log.at(n);
            if (frame->track != kind)
                continue;
            for (std::size_t i = 0; i < frame->packets(); ++i) {
                const auto found = log.find(kind, number++);
                EXPECT_EQ(found.frame, frame);
                EXPECT_EQ(found.index, i);
            }
        }
        EXPECT_FALSE(log.find(kind, number).frame);
    }
}

TEST(rtp_log, keeps_a_history_before_the_newest_group) {
    rtp_log_limits limits;
    limits.history = clock_rate;
    rtp_log log(limits);
    for (std::int64_t second = 0; second < 10; ++second)
        for (int i = 0; i < 10; ++i)
            log.push(video_frame(second * clock_rate + i * 9000, i == 0));
    ASSERT_TRUE(log.newest_keyframe());
    EXPECT_EQ(log.at(*log.newest_keyframe())->time, 9 * clock_rate);
    EXPECT_EQ(log.at(log.begin())->time, 8 * clock_rate);
    EXPECT_FALSE(log.find(track_kind::video, 0).frame);
}

TEST(rtp_log, never_holds_more_than_its_limit) {
    rtp_log_limits limits;
    limits.bytes = 10'000;
    rtp_log log(limits);
    log.push(video_frame(0, true));
    for (int i = 1; i < 1000; ++i) {
        log.push(video_frame(i, false, 3, 500));
        EXPECT_LE(log.bytes_held(), 10'000u);
    }
    EXPECT_FALSE(log.newest_keyframe());
    // One that is larger than the limit can still be sent.
    log.push(video_frame(1000, true, 30, 1000));
    EXPECT_EQ(log.end() - log.begin(), 1u);
    EXPECT_TRUE(log.newest_keyframe());
}

TEST(rtp_log, tiny_frames_whose_clock_stands_still_are_not_kept_for_ever) {
    rtp_log_limits limits;
    limits.bytes = 1'000'000;
    rtp_log log(limits);
    log.push(video_frame(0, true));
    for (int i = 0; i < 50'000; ++i)
        log.push(video_frame(0, false, 1, 1));
    EXPECT_LE(log.end() - log.begin(), 10'000u);
}

TEST(rtp_log, a_group_without_end_is_given_up) {
    rtp_log_limits limits;
    limits.longest_group = 5 * clock_rate;
    rtp_log log(limits);
    log.push(video_frame(0, true));
    for (std::int64_t i = 1; i < 1000; ++i)
        log.push(video_frame(i * 9000, false));
    EXPECT_FALSE(log.newest_keyframe());
    EXPECT_LE(log.end() - log.begin(), 60u);
}

TEST(rtp_log, survives_a_clock_that_jumps) {
    rtp_log log({});
    log.push(video_frame(1'000'000'000, true));
    log.push(video_frame(0, true));
    log.push(video_frame(3000, false));
    EXPECT_EQ(*log.newest_keyframe(), log.end() - 2);
    EXPECT_EQ(log.begin() + 2, log.end());
}
