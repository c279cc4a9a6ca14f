#include "live/ts_tail.hpp"
#include "support/splice_rig.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace rivulet::live {
namespace {

test::clip clip_at(std::int64_t start) {
    test::clip_options options;
    options.start = start;
    options.frames = 30;
    options.gop = 15;
    return test::make_clip(options);
}

TEST(ts_tail, knows_times_and_frames_however_the_bytes_are_cut) {
    const auto clip = clip_at(900'000);
    for (std::size_t piece : {1u, 7u, 188u, 1000u, 100'000u}) {
        ts_tail tail;
        std::set<std::int64_t> times;
        for (const auto& segment : clip.segments) {
            const auto whole = segment.whole();
            for (std::size_t at = 0; at < whole.size(); at += piece) {
                const auto part = whole.view().subspan(at, std::min(piece, whole.size() - at));
                ASSERT_EQ(tail.feed(part, [&](auto pts) { times.insert(pts); }), part.size());
            }
        }
        EXPECT_EQ(tail.frames(), 30u);
        EXPECT_EQ(tail.sounds(), clip.audio_pts.size());
        EXPECT_EQ(times, clip.video_pts);
        EXPECT_EQ(tail.video_time(), *clip.video_pts.rbegin());
        EXPECT_EQ(tail.audio_time(), *clip.audio_pts.rbegin());
        EXPECT_TRUE(tail.partial().empty());
        EXPECT_EQ(tail.tables().size(), 2 * ts_tail::packet_bytes);
    }
}

TEST(ts_tail, stops_before_the_packet_with_another_clock) {
    const auto first = clip_at(90'000'000).segments[0].whole();
    const auto second = clip_at(0).segments[0].whole();
    ts_tail tail;
    ASSERT_EQ(tail.feed(first.view(), {}), first.size());
    const auto frames = tail.frames();
    // Its tables still pass; the first picture doesn't.
    EXPECT_EQ(tail.feed(second.view(), {}), 2 * ts_tail::packet_bytes);
    EXPECT_EQ(tail.frames(), frames);
    EXPECT_EQ(tail.video_time(), 90'000'000 + 14 * 3000);
}

TEST(ts_tail, a_wrapped_clock_goes_on) {
    constexpr auto wrap = std::int64_t{1} << 33;
    ts_tail tail;
    for (const auto start : {wrap - 45'000, std::int64_t{0}}) {
        const auto part = clip_at(start).segments[0].whole();
        ASSERT_EQ(tail.feed(part.view(), {}), part.size());
    }
    EXPECT_EQ(tail.video_time(), wrap + 14 * 3000);
}

TEST(ts_tail, closes_what_was_cut) {
    // Pictures of several packets.
    test::clip_options options;
    options.width = 640;
    options.frames = 2;
    options.audio = false;
    const auto clip = test::make_clip(options);
    const auto& keyframe = clip.segments[0].blocks[0];
    ASSERT_GT(keyframe.size(), 5 * ts_tail::packet_bytes - 1);
    ts_tail whole;
    whole.feed(keyframe.view(), {});
    EXPECT_TRUE(whole.closing().empty()); // its stuffing told the end

    ts_tail cut;
    cut.feed(keyframe.view().first(3 * ts_tail::packet_bytes + 50), {});
    EXPECT_EQ(cut.partial().size(), 50u);
    const auto closing = cut.closing();
    ASSERT_EQ(closing.size(), ts_tail::packet_bytes - 50 + ts_tail::packet_bytes);
    const auto* damaged = closing.data() + ts_tail::packet_bytes - 50;
    EXPECT_EQ(damaged[0], 0x47);
    EXPECT_EQ(damaged[1], 0x80 | media::ts_muxer::first_pid >> 8);
    EXPECT_EQ(damaged[2], media::ts_muxer::first_pid & 0xff);
}

TEST(ts_tail, tells_where_another_muxer_goes_on) {
    const auto clip = clip_at(0);
    ts_tail tail;
    media::ts_demuxer reader({});
    for (const auto& segment : clip.segments)
        for (const auto& block : segment.blocks) {
            tail.feed(block.view(), {});
            reader.push(block.view());
        }
    media::ts_muxer muxer;
    muxer.go_on_after(tail.continuation());
    media::stream_format format;
    const auto units = test::units_in(clip.segments[0].blocks, &format);
    ASSERT_FALSE(muxer.set_format(format));
    muxer.begin_segment();
    for (const auto& unit : units)
        reader.push(muxer.write(unit).value().view());
    EXPECT_EQ(reader.counters().discontinuities, 0u);
}

TEST(ts_tail, skips_garbage) {
    ts_tail tail;
    std::vector<std::uint8_t> noise(5000, 0x13);
    EXPECT_EQ(tail.feed(noise, {}), noise.size());
    const auto part = clip_at(0).segments[0].whole();
    EXPECT_EQ(tail.feed(part.view(), {}), part.size());
    EXPECT_EQ(tail.frames(), 15u);
}

} // namespace
} // namespace rivulet::live
