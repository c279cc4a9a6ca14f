#include "media/still_picture.hpp"
#include "support/splice_rig.hpp"
#include "support/ts_decode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using media::track_kind;

const std::atomic<bool> wanted{false};

test::clip clip_at(std::int64_t start, test::clip_options options = {}) {
    options.start = start;
    return test::make_clip(options);
}

std::vector<bytes> until(std::vector<bytes> blocks, std::size_t count) {
    blocks.resize(count);
    return blocks;
}

// The pictures of a still as a stranger sees them.
std::vector<test::seen_picture> look_at(const media::still_picture& still) {
    media::ts_muxer muxer;
    EXPECT_FALSE(muxer.set_format(still.format));
    std::vector<std::uint8_t> ts;
    for (int i = 0; i < 6; ++i) {
        auto unit = still.keyframes[std::size_t(i % 2)];
        unit.pts = unit.dts = i * 45'000;
        muxer.begin_segment();
        const auto packets = muxer.write(unit).value();
        ts.insert(ts.end(), packets.view().begin(), packets.view().end());
    }
    const auto seen = test::look_at(ts);
    EXPECT_EQ(seen.errors, 0);
    return seen.pictures;
}

TEST(still_picture, is_the_last_picture_as_a_keyframe) {
    test::clip_options options;
    options.width = 320;
    options.height = 180;
    options.b_frames = 2;
    const auto clip = clip_at(0, options);
    // In the middle of the second group; the first one alone would show another bar.
    auto blocks = clip.segments[0].blocks;
    for (const auto& block : until(clip.segments[1].blocks, 20))
        blocks.push_back(block);
    const auto still = media::make_still(blocks, {}, wanted);
    ASSERT_TRUE(still);
    EXPECT_TRUE(still->newest);
    EXPECT_EQ(still->format.video->width, 320);
    EXPECT_EQ(still->format.video->height, 180);
    ASSERT_TRUE(still->format.audio);
    EXPECT_EQ(still->format.audio->type, media::codec::aac);
    const auto pictures = look_at(*still);
    ASSERT_EQ(pictures.size(), 6u);
    for (const auto& picture : pictures) {
        EXPECT_NEAR(picture.left, 40, 4);
        EXPECT_NEAR(picture.right, 100, 4);
    }
    // A decoder could take equal IDRs in a row for one.
    const auto& [first, second] = still->keyframes;
    EXPECT_FALSE(std::ranges::equal(first.data.view(), second.data.view()));
}

TEST(still_picture, is_the_keyframe_when_the_picture_cannot_be_decoded) {
    const auto clip = clip_at(0);
    media::still_limits limits;
    limits.decoding = duration::zero();
    const auto still = media::make_still(clip.segments[0].blocks, limits, wanted);
    ASSERT_TRUE(still);
    EXPECT_FALSE(still->newest);
    EXPECT_EQ(look_at(*still).size(), 6u);
}

TEST(still_picture, needs_a_keyframe) {
    const auto clip = clip_at(0);
    auto blocks = clip.segments[0].blocks;
    blocks.erase(blocks.begin());
    EXPECT_EQ(media::make_still(blocks, {}, wanted).error().code, errc::not_found);
    EXPECT_EQ(media::make_still({}, {}, wanted).error().code, errc::not_found);
    const std::atomic<bool> abandoned{true};
    EXPECT_EQ(
        media::make_still(clip.segments[0].blocks, {}, abandoned).error().code, errc::cancelled
    );
}

TEST(still_picture, damaged_media_does_no_harm) {
    const auto clip = clip_at(0);
    const auto whole = clip.segments[0].whole();
    unsigned state = 3;
    for (int round = 0; round < 20; ++round) {
        std::vector<std::uint8_t> ts(whole.view().begin(), whole.view().end());
        for (int i = 0; i < 40; ++i) {
            state = state * 1'103'515'245 + 12'345;
            // Behind the header of a packet, so that most of them arrive.
            ts[state / 64 % ts.size() / 188 * 188 + 20 + state / 7 % 160] ^= std::uint8_t(state);
        }
        (void)media::make_still({bytes::copy_of(ts)}, {}, wanted);
    }
}

class freeze_filler : public testing::Test {
  protected:
    test::splice_rig rig{swap_filler::freeze};

    // Lets the given time pass in steps; the still is made meanwhile.
    void let_pass(duration time, bool wait_for_it = false) {
        const auto give_up = steady_clock::now() + 10s;
        for (const auto end = rig.now + time; rig.now < end;) {
            const auto next = rig.output.next_tick();
            ASSERT_TRUE(next);
            rig.now = std::min(std::max(*next, rig.now), end);
            rig.output.tick(rig.now);
            rig.collect();
            if (wait_for_it && rig.output.counters().filler_frames == 0) {
                rig.now -= 10ms; // the thread's time is not ours
                std::this_thread::sleep_for(1ms);
                ASSERT_LT(steady_clock::now(), give_up);
            }
        }
    }
};

TEST_F(freeze_filler, shows_the_last_picture_until_the_next_orchestrator_does) {
    test::clip_options options;
    options.frames = 240;
    const auto clip = clip_at(0, options);
    rig.joined();
    rig.play(clip, 0, 2);
    const auto before = rig.written().size();
    rig.pass(300ms); // until the loss was noticed
    rig.lost();
    EXPECT_TRUE(rig.output.counters().filling);
    let_pass(2s, true);
    EXPECT_GE(rig.output.counters().filler_frames, 4u);
    EXPECT_LE(rig.output.counters().filler_frames, 5u);
    rig.joined();
    let_pass(1s); // the model loads
    const auto stills = rig.output.counters().filler_frames;
    rig.play(clip, 4);
    EXPECT_FALSE(rig.output.counters().filling);
    EXPECT_FALSE(rig.output.next_tick());
    rig.output.tick(rig.now + 5s);
    EXPECT_EQ(rig.output.counters().filler_frames, stills);

    std::vector<std::int64_t> times;
    std::size_t keyframes = 0;
    const auto blocks = rig.written();
    for (const auto& unit : test::units_in(blocks)) {
        if (unit.kind == track_kind::audio)
            continue;
        if (!times.empty()) {
            EXPECT_GT(unit.pts, times.back());
        }
        times.push_back(unit.pts);
        keyframes += unit.keyframe;
    }
    EXPECT_EQ(times.size(), 60 + stills + 120);
    EXPECT_EQ(keyframes, 2 + stills + 4);
    // The first still is where the clock would be by now, the others follow it.
    EXPECT_GE(times[60] - times[59], 27'000);
    EXPECT_EQ(times[61] - times[60], 45'000);
    EXPECT_EQ(times.back(), *clip.video_pts.rbegin());
    EXPECT_EQ(rig.output.shift(), 0);
    EXPECT_GT(blocks.size(), before);

    const auto seen = test::look_at(rig.written_bytes());
    EXPECT_EQ(seen.errors, 0);
    ASSERT_EQ(seen.pictures.size(), times.size());
    for (std::size_t i = 60; i < 60 + stills; ++i) {
        EXPECT_EQ(seen.pictures[i].width, 160);
        EXPECT_NEAR(seen.pictures[i].left, seen.pictures[59].left, 2);
        EXPECT_NEAR(seen.pictures[i].right, seen.pictures[59].right, 2);
    }
    for (const auto& segment : rig.written_segments())
        EXPECT_TRUE(test::units_in(segment).at(0).keyframe);
}

TEST_F(freeze_filler, is_left_when_the_stream_ends_first) {
    rig.play(clip_at(0));
    rig.lost();
    EXPECT_TRUE(rig.output.next_tick());
    rig.output.end();
    EXPECT_FALSE(rig.output.next_tick());
    rig.output.tick(rig.now + 1s);
    EXPECT_EQ(rig.output.counters().filler_frames, 0u);
}

TEST_F(freeze_filler, freezes_again_at_the_next_loss) {
    test::clip_options options;
    options.frames = 180;
    const auto clip = clip_at(0, options);
    rig.play(clip, 0, 2);
    rig.lost();
    let_pass(600ms, true);
    rig.joined();
    rig.play(clip, 3, 5);
    rig.lost();
    const auto stills = rig.output.counters().filler_frames;
    for (int i = 0; i < 5000 && rig.output.counters().filler_frames == stills; ++i) {
        rig.now = *rig.output.next_tick();
        rig.output.tick(rig.now);
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_GT(rig.output.counters().filler_frames, stills);
}

} // namespace
} // namespace rivulet::live
