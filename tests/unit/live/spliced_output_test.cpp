#include "support/splice_rig.hpp"
#include "support/ts_decode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using media::track_kind;

constexpr std::int64_t second = media::clock_rate;

struct seen_times {
    std::vector<std::int64_t> video, audio;
    std::vector<bool> keyframes;
};

seen_times times_in(const std::vector<bytes>& blocks) {
    seen_times seen;
    for (const auto& unit : test::units_in(blocks)) {
        if (unit.kind == track_kind::audio) {
            seen.audio.push_back(unit.pts);
            continue;
        }
        seen.video.push_back(unit.pts);
        seen.keyframes.push_back(unit.keyframe);
    }
    return seen;
}

void expect_rising(const std::vector<std::int64_t>& times) {
    for (std::size_t i = 1; i < times.size(); ++i)
        EXPECT_GT(times[i], times[i - 1]) << "at " << i;
}

test::clip clip_at(std::int64_t start, int seconds = 3, int width = 160) {
    test::clip_options options;
    options.start = start;
    options.frames = 30 * seconds;
    options.width = width;
    return test::make_clip(options);
}

TEST(spliced_output, passes_bytes_uncopied_until_the_first_change) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(900'000);
    rig.joined();
    rig.play(clip);
    const auto given = test::blocks_of(clip), got = rig.written();
    ASSERT_EQ(got.size(), given.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        EXPECT_EQ(got[i].data(), given[i].data()); // the same memory
    EXPECT_EQ(rig.written_segments().size(), 3u);
    EXPECT_FALSE(rig.output.counters().spliced);
    EXPECT_EQ(rig.output.counters().frames, 90u);
    EXPECT_EQ(rig.output.shift(), 0);
    const auto times = rig.output.take_frame_times();
    EXPECT_EQ(std::set(times.begin(), times.end()), clip.video_pts);
    EXPECT_TRUE(rig.output.take_frame_times().empty());
}

TEST(live_conformance, s24_video_times_go_on_rising_over_a_change_of_the_orchestrator) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(0);
    rig.joined();
    rig.segment(clip.segments[0]);
    rig.segment(clip.segments[1], 40); // about 0.7 s of it
    rig.lost();
    EXPECT_TRUE(rig.output.counters().filling);
    rig.pass(600ms);
    rig.joined();
    rig.play(clip, 1); // the next one gets the current segment from its first byte
    EXPECT_FALSE(rig.output.counters().filling);
    EXPECT_GT(rig.output.counters().repeated_frames, 10u);
    EXPECT_EQ(rig.output.shift(), 0);

    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    expect_rising(seen.audio);
    EXPECT_EQ(seen.video.front(), *clip.video_pts.begin());
    EXPECT_EQ(seen.video.back(), *clip.video_pts.rbegin());
    // Nothing was heard twice and the sound has no hole worth hearing.
    for (std::size_t i = 1; i < seen.audio.size(); ++i)
        EXPECT_LE(seen.audio[i] - seen.audio[i - 1], 3 * 1920);
    // Every segment can be decoded alone.
    for (const auto& segment : rig.written_segments())
        EXPECT_TRUE(times_in(segment).keyframes.at(0));
    const auto stranger = test::decode_ts(rig.written_bytes());
    EXPECT_EQ(stranger.errors, 0);
    EXPECT_EQ(stranger.video_frames, int(seen.video.size()));
}

TEST(spliced_output, leaves_out_what_comes_from_the_lost_one) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(0);
    rig.play(clip, 0, 1);
    rig.lost();
    const auto before = rig.written().size();
    rig.play(clip, 1);
    EXPECT_EQ(rig.written().size(), before);
}

TEST(spliced_output, an_orchestrator_that_never_sent_anything_changes_nothing) {
    test::splice_rig rig(swap_filler::source);
    rig.joined();
    rig.lost();
    EXPECT_FALSE(rig.output.counters().filling);
    rig.joined();
    const auto clip = clip_at(0, 1);
    rig.play(clip);
    EXPECT_FALSE(rig.output.counters().spliced);
    EXPECT_EQ(rig.written()[0].data(), clip.segments[0].blocks[0].data());
}

TEST(spliced_output, a_cut_picture_is_not_shown_and_costs_no_other) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(0, 3, 640);
    ASSERT_GT(clip.segments[1].blocks[0].size(), 188u * 4);
    rig.segment(clip.segments[0]);
    // A connection that broke in the middle of the second segment's keyframe, and of a packet.
    trickle::subscriber_item item;
    item.segment_begins = true;
    const auto& first = clip.segments[1].blocks[0];
    item.blocks.push_back(first.slice(0, 188 * 3 + 70));
    rig.output.take(std::move(item), rig.now);
    rig.lost();
    rig.joined();
    rig.play(clip, 1);
    const auto whole = rig.written_bytes();
    EXPECT_EQ(whole.size() % 188, 0u);
    for (std::size_t at = 0; at < whole.size(); at += 188)
        ASSERT_EQ(whole[at], 0x47);
    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    EXPECT_EQ(seen.video.size(), 90u);
}

TEST(spliced_output, counters_go_on_over_the_change) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(0);
    rig.play(clip, 0, 1);
    rig.lost();
    rig.joined();
    rig.play(clip, 1);
    media::ts_demuxer demuxer({});
    for (const auto& block : rig.written())
        demuxer.push(block.view());
    EXPECT_EQ(demuxer.counters().discontinuities, 0u);
    EXPECT_EQ(demuxer.counters().lost_sync_bytes, 0u);
}

TEST(spliced_output, another_size_and_no_sound_are_carried) {
    test::splice_rig rig(swap_filler::none);
    rig.play(clip_at(0, 1));
    rig.lost();
    rig.joined();
    test::clip_options other;
    other.start = second;
    other.frames = 30;
    other.width = 320;
    other.height = 192;
    other.audio = false;
    rig.play(test::make_clip(other));
    const auto pictures = test::look_at(rig.written_bytes()).pictures;
    ASSERT_EQ(pictures.size(), 60u);
    EXPECT_EQ(pictures[29].width, 160);
    EXPECT_EQ(pictures[30].width, 320);
    media::stream_format format;
    test::units_in(rig.written(), &format);
    EXPECT_FALSE(format.audio);
}

TEST(spliced_output, a_runner_with_a_clock_of_its_own_goes_on_where_the_last_one_ended) {
    test::splice_rig rig(swap_filler::none);
    rig.play(clip_at(90 * second, 1));
    rig.lost();
    rig.pass(500ms);
    rig.joined();
    rig.play(clip_at(0, 1));
    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    ASSERT_EQ(seen.video.size(), 60u);
    EXPECT_NEAR(double(seen.video[30] - seen.video[29]), second / 2.0, 3100);
    EXPECT_EQ(seen.video[59] - seen.video[30], 29 * 3000);
}

TEST(spliced_output, the_source_tells_a_runner_that_counts_from_zero) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(0, 8);
    const auto source = test::units_in(test::blocks_of(clip));
    for (const auto& unit : source)
        rig.output.source_unit(unit, rig.now);
    rig.play(clip);
    rig.lost();
    rig.joined();
    // 8 s behind our clock would be squeezed, were it ours.
    rig.play(clip_at(0, 1));
    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    ASSERT_EQ(seen.video.size(), 270u);
    EXPECT_EQ(seen.video[269] - seen.video[240], 29 * 3000);
}

TEST(spliced_output, a_clock_that_the_runner_restarts_midway_does_not_turn_back) {
    for (const bool between_packets : {true, false}) {
        test::splice_rig rig(swap_filler::none);
        rig.play(clip_at(60 * second, 2));
        EXPECT_FALSE(rig.output.counters().spliced);
        const auto again = clip_at(0, 2);
        if (between_packets) {
            rig.play(again);
        } else {
            // Blocks of odd sizes: the packet that tells is cut in two.
            for (const auto& segment : again.segments) {
                const auto whole = segment.whole();
                for (std::size_t at = 0; at < whole.size(); at += 100) {
                    trickle::subscriber_item item;
                    item.segment_begins = at == 0;
                    item.segment_ends = at + 100 >= whole.size();
                    item.blocks.push_back(
                        whole.slice(at, std::min<std::size_t>(100, whole.size() - at))
                    );
                    rig.output.take(std::move(item), rig.now);
                    rig.collect();
                }
            }
        }
        EXPECT_TRUE(rig.output.counters().spliced);
        const auto seen = times_in(rig.written());
        expect_rising(seen.video);
        expect_rising(seen.audio);
        EXPECT_EQ(seen.video.size(), 120u);
        EXPECT_EQ(rig.output.counters().frames, 120u);
        EXPECT_LT(seen.video.back() - seen.video.front(), 5 * second);
    }
}

TEST(spliced_output, a_clock_that_restarts_after_a_change_does_not_turn_back_either) {
    test::splice_rig rig(swap_filler::none);
    rig.play(clip_at(60 * second, 1));
    rig.lost();
    rig.joined();
    rig.play(clip_at(61 * second, 2));
    rig.play(clip_at(0, 2));
    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    expect_rising(seen.audio);
    EXPECT_EQ(seen.video.size(), 150u);
    EXPECT_LT(seen.video.back(), 66 * second);
}

TEST(spliced_output, the_source_fills_in_and_hands_over) {
    test::splice_rig rig(swap_filler::source);
    const auto clip = clip_at(0, 4);
    media::stream_format format;
    const auto source = test::units_in(test::blocks_of(clip), &format);
    rig.output.source_format(format);
    std::size_t given = 0;
    const auto source_until = [&](std::int64_t time) {
        for (; given < source.size() && source[given].dts < time; ++given) {
            rig.output.source_unit(source[given], rig.now);
            rig.collect();
        }
    };
    rig.joined();
    source_until(second * 3 / 2);
    rig.play(clip, 0, 1); // processed video is half a second behind
    EXPECT_EQ(rig.output.counters().filler_frames, 0u);
    rig.lost();
    // At once, from the newest keyframe on.
    const auto group = rig.output.counters().filler_frames;
    EXPECT_GE(group, 14u);
    EXPECT_LE(group, 16u);
    source_until(second * 5 / 2);
    EXPECT_NEAR(double(rig.output.counters().filler_frames - group), 30, 1);
    rig.joined();
    source_until(second * 3);
    EXPECT_TRUE(rig.output.counters().filling);
    rig.play(clip, 2);
    EXPECT_FALSE(rig.output.counters().filling);
    const auto filled = rig.output.counters().filler_frames;
    source_until(second * 4);
    EXPECT_EQ(rig.output.counters().filler_frames, filled);

    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    expect_rising(seen.audio);
    EXPECT_EQ(seen.video.back(), *clip.video_pts.rbegin());
    for (std::size_t i = 1; i < seen.audio.size(); ++i)
        EXPECT_LE(seen.audio[i] - seen.audio[i - 1], 3 * 1920);
    for (const auto& segment : rig.written_segments())
        EXPECT_TRUE(times_in(segment).keyframes.at(0));
    EXPECT_EQ(test::decode_ts(rig.written_bytes()).errors, 0);
}

TEST(spliced_output, a_second_loss_before_any_picture_keeps_the_filler_going) {
    test::splice_rig rig(swap_filler::source);
    const auto clip = clip_at(0, 3);
    media::stream_format format;
    const auto source = test::units_in(test::blocks_of(clip), &format);
    rig.output.source_format(format);
    rig.play(clip, 0, 1);
    rig.lost();
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (i == source.size() / 3)
            rig.joined();
        if (i == source.size() / 2)
            rig.lost();
        rig.output.source_unit(source[i], rig.now);
        rig.collect();
    }
    EXPECT_TRUE(rig.output.counters().filling);
    EXPECT_EQ(rig.output.counters().filler_frames, 90u);
    expect_rising(times_in(rig.written()).video);
}

TEST(spliced_output, a_planned_change_needs_no_loss) {
    test::splice_rig rig(swap_filler::none);
    const auto clip = clip_at(0);
    rig.joined();
    rig.play(clip, 0, 2);
    rig.joined();
    rig.play(clip, 1);
    const auto seen = times_in(rig.written());
    expect_rising(seen.video);
    EXPECT_EQ(seen.video.size(), 120u);
}

TEST(spliced_output, garbage_is_survived) {
    std::vector<std::uint8_t> noise(10'000);
    unsigned state = 7;
    for (auto& octet : noise)
        octet = std::uint8_t((state = state * 1'103'515'245 + 12'345) >> 16);
    test::splice_rig rig(swap_filler::source);
    for (int round = 0; round < 3; ++round) {
        rig.joined();
        trickle::subscriber_item item;
        item.segment_begins = true;
        item.blocks = {bytes::copy_of(noise), bytes{}};
        rig.output.take(std::move(item), rig.now);
        rig.lost();
    }
    rig.joined();
    rig.play(clip_at(0, 1));
    EXPECT_EQ(rig.output.counters().frames, 30u);
    rig.output.end();
    rig.play(clip_at(0, 1));
    EXPECT_EQ(rig.output.counters().frames, 30u);
}

} // namespace
} // namespace rivulet::live
