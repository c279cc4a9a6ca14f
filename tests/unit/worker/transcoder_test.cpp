#include "support/ts_clip.hpp"
#include "worker/transcoder.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace rivulet::worker {
namespace {

using namespace std::chrono_literals;

constexpr time_point start{std::chrono::hours(1)};

// A transcoder with a clock of its own and everything that came out.
struct bench {
    explicit bench(transcoder_options options = {}) {
        options.clock = [this] { return now; };
        transcoder_events events;
        events.output = [this](bytes block, bool begins) {
            if (begins)
                segments.emplace_back();
            ASSERT_FALSE(segments.empty());
            auto& to = segments.back();
            to.insert(to.end(), block.view().begin(), block.view().end());
            ++blocks;
        };
        events.failed = [this](std::string text) { failures.push_back(std::move(text)); };
        events.broken = [this](std::string text) { broken = std::move(text); };
        work.emplace(std::move(options), std::move(events));
    }

    void graph(std::string_view text) {
        work->set_graph(parse_filter_graph(text).value(), [this](outcome<void> result) {
            results.push_back(result ? "" : result.error().detail);
        });
    }

    void feed(const test::clip::segment& segment) {
        work->begin_input_segment();
        for (const auto& block : segment.blocks)
            work->push(block.view(), now);
    }

    void feed(const test::clip& clip) {
        for (const auto& segment : clip.segments) {
            feed(segment);
            now += 1s;
        }
    }

    test::seen_clip seen() const {
        std::vector<std::uint8_t> all;
        for (const auto& segment : segments)
            all.insert(all.end(), segment.begin(), segment.end());
        return test::look_at(all);
    }

    time_point now = start;
    std::vector<std::vector<std::uint8_t>> segments;
    std::size_t blocks = 0;
    std::vector<std::string> failures, results;
    std::string broken;
    std::optional<transcoder> work;
};

const test::clip& plain_clip() {
    static const auto made = test::make_clip();
    return made;
}

} // namespace

TEST(transcoder, negates_every_picture_and_keeps_every_time) {
    bench b;
    b.graph("negate");
    b.feed(plain_clip());
    b.work->finish();
    const auto seen = b.seen();
    EXPECT_EQ(seen.errors, 0);
    EXPECT_EQ(seen.video_pts(), plain_clip().video_pts);
    EXPECT_EQ(seen.pictures.size(), plain_clip().video_pts.size());
    for (const auto& picture : seen.pictures) {
        EXPECT_NEAR(picture.left, 215, 8);
        EXPECT_NEAR(picture.right, 155, 8);
    }
    EXPECT_EQ(b.results, std::vector<std::string>{""});
    EXPECT_EQ(b.work->counters().out, plain_clip().video_pts.size());
}

TEST(transcoder, keeps_the_sound_as_it_was) {
    bench b;
    b.feed(plain_clip());
    b.work->finish();
    const auto seen = b.seen();
    EXPECT_EQ(seen.audio_codec, "aac");
    const std::set<std::int64_t> times(seen.audio_pts.begin(), seen.audio_pts.end());
    for (const auto pts : plain_clip().audio_pts)
        EXPECT_TRUE(times.contains(pts)) << pts;
}

TEST(transcoder, gives_a_frame_out_before_the_next_one_comes) {
    const auto clip = test::make_clip({.frames = 30, .audio = false});
    bench b;
    b.work->begin_input_segment();
    std::size_t fed = 0;
    for (const auto& block : clip.segments.at(0).blocks) {
        b.work->push(block.view(), b.now);
        EXPECT_EQ(b.blocks, ++fed);
    }
}

TEST(transcoder, every_output_segment_is_decodable_alone) {
    bench b;
    b.feed(plain_clip());
    b.work->finish();
    ASSERT_EQ(b.segments.size(), plain_clip().segments.size());
    for (std::size_t i = 0; i < b.segments.size(); ++i) {
        const auto seen = test::look_at(b.segments[i]);
        EXPECT_EQ(seen.errors, 0);
        ASSERT_FALSE(seen.pictures.empty());
        // Segments begin where the input's begin.
        EXPECT_EQ(seen.pictures.front().pts, plain_clip().segments[i].video_pts.front());
        EXPECT_EQ(seen.pictures.size(), plain_clip().segments[i].video_pts.size());
    }
}

TEST(transcoder, begins_a_segment_every_two_seconds_when_the_input_has_one_keyframe) {
    const auto clip = test::make_clip({.frames = 30 * 7, .gop = 1000, .audio = false});
    ASSERT_EQ(clip.segments.size(), 1u);
    bench b;
    b.feed(clip);
    b.work->finish();
    EXPECT_EQ(b.segments.size(), 4u);
    EXPECT_EQ(b.seen().video_pts(), clip.video_pts);
}

TEST(transcoder, takes_pictures_with_b_frames_in_order_and_none_is_lost) {
    const auto clip = test::make_clip({.frames = 90, .b_frames = 2});
    bench b;
    b.feed(clip);
    b.work->finish();
    const auto seen = b.seen();
    EXPECT_EQ(seen.video_pts(), clip.video_pts);
    EXPECT_TRUE(std::is_sorted(
        seen.pictures.begin(),
        seen.pictures.end(),
        [](const auto& a, const auto& c) { return a.pts < c.pts; }
    ));
}

TEST(transcoder, changes_the_graph_between_two_frames_without_a_gap) {
    bench b;
    b.graph("negate");
    b.feed(plain_clip().segments[0]);
    b.graph("hflip");
    b.feed(plain_clip().segments[1]);
    b.graph("tmix=frames=3"); // holds frames, which must come out as well
    b.feed(plain_clip().segments[2]);
    b.work->finish();
    const auto seen = b.seen();
    EXPECT_EQ(seen.video_pts(), plain_clip().video_pts);
    EXPECT_EQ(seen.pictures.size(), plain_clip().video_pts.size());
    EXPECT_NEAR(seen.pictures[10].left, 215, 8);
    EXPECT_NEAR(seen.pictures[40].left, 100, 8); // the bright half is left now
    EXPECT_NEAR(seen.pictures[80].left, 40, 8);
    EXPECT_EQ(b.results, (std::vector<std::string>{"", "", ""}));
}

TEST(transcoder, a_graph_that_fails_leaves_the_last_good_one) {
    bench b;
    b.graph("negate");
    b.feed(plain_clip().segments[0]);
    b.graph("crop=5000:5000");
    b.feed(plain_clip().segments[1]);
    b.work->finish();
    ASSERT_EQ(b.results.size(), 2u);
    EXPECT_EQ(b.results[0], "");
    EXPECT_NE(b.results[1], "");
    const auto seen = b.seen();
    EXPECT_NEAR(seen.pictures[45].left, 215, 8);
}

TEST(transcoder, a_first_graph_that_fails_passes_the_picture_unchanged) {
    bench b;
    b.graph("crop=5000:5000");
    b.feed(plain_clip().segments[0]);
    b.work->finish();
    ASSERT_EQ(b.results.size(), 1u);
    EXPECT_NE(b.results[0], "");
    EXPECT_EQ(b.broken, "");
    const auto seen = b.seen();
    ASSERT_EQ(seen.pictures.size(), plain_clip().segments[0].video_pts.size());
    EXPECT_NEAR(seen.pictures[0].left, 40, 8);
}

TEST(transcoder, keeps_the_size_of_the_output_when_graph_or_input_change_size) {
    bench b;
    b.graph("scale=80:48");
    b.feed(plain_clip().segments[0]);
    b.graph("null");
    b.feed(plain_clip().segments[1]);
    auto other =
        test::make_clip({.width = 320, .height = 192, .frames = 30, .start = 900'000 + 5 * 90'000});
    b.feed(other);
    b.work->finish();
    const auto seen = b.seen();
    EXPECT_EQ(seen.pictures.size(), 90u);
    for (const auto& picture : seen.pictures) {
        EXPECT_EQ(picture.width, 80);
        EXPECT_EQ(picture.height, 48);
    }
}

TEST(transcoder, goes_on_after_the_publishers_clock_went_back) {
    const auto again = test::make_clip({.frames = 30, .start = 90'000});
    bench b;
    b.feed(plain_clip());
    b.feed(again);
    b.work->finish();
    const auto last = test::look_at(b.segments.back());
    EXPECT_EQ(last.errors, 0);
    EXPECT_EQ(last.video_pts(), again.video_pts);
}

TEST(transcoder, skips_frames_when_late_and_counts_them) {
    bench b;
    b.work->begin_input_segment();
    for (const auto& block : plain_clip().segments[0].blocks)
        b.work->push(block.view(), start); // all arrived long ago
    b.now = start + 1800ms;
    b.feed(plain_clip().segments[1]);
    b.now += 10s;
    b.work->begin_input_segment();
    for (const auto& block : plain_clip().segments[2].blocks)
        b.work->push(block.view(), start + 2s);
    b.work->finish();
    const auto counters = b.work->counters();
    EXPECT_EQ(counters.in, 90u);
    EXPECT_GT(counters.dropped, 20u); // the third segment is eight seconds late
    EXPECT_EQ(counters.out + counters.skipped + counters.dropped, 90u);
}

TEST(transcoder, survives_garbage_and_damaged_pictures) {
    bench b;
    std::vector<std::uint8_t> garbage(100'000);
    for (std::size_t i = 0; i < garbage.size(); ++i)
        garbage[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
    b.work->push(garbage, b.now);
    b.feed(plain_clip().segments[0]);
    auto damaged = plain_clip().segments[1].whole();
    std::vector<std::uint8_t> bent(damaged.view().begin(), damaged.view().end());
    for (std::size_t i = 1000; i < bent.size(); i += 97)
        bent[i] ^= 0x5a;
    b.work->begin_input_segment();
    b.work->push(bent, b.now);
    b.feed(plain_clip().segments[2]);
    b.work->finish();
    EXPECT_EQ(b.broken, "");
    const auto times = b.seen().video_pts();
    for (const auto pts : plain_clip().segments[2].video_pts)
        EXPECT_TRUE(times.contains(pts));
}

TEST(transcoder, gives_up_when_the_input_is_larger_than_the_limit) {
    transcoder_options options;
    options.limit = {128, 64};
    bench b(options);
    b.feed(plain_clip());
    EXPECT_EQ(b.work->counters().out, 0u);
    EXPECT_NE(b.broken.find("larger than 128x64"), std::string::npos) << b.broken;
}

TEST(transcoder, stops_between_units_when_cancelled) {
    bool cancelled = false;
    transcoder_options options;
    options.cancelled = [&] { return cancelled; };
    bench b(options);
    b.feed(plain_clip().segments[0]);
    const auto before = b.blocks;
    cancelled = true;
    b.feed(plain_clip().segments[1]);
    EXPECT_EQ(b.blocks, before);
}

} // namespace rivulet::worker
