#include "media/ts_demuxer.hpp"
#include "media/video_transcoder.hpp"
#include "support/encoded_video.hpp"
#include "support/media_samples.hpp"
#include "support/ts_decode.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;

struct listener {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<access_unit> units;
    std::vector<video_format> formats;
    std::vector<std::string> errors;

    video_transcoder_events events() {
        auto locked = [this](auto action) {
            std::unique_lock lock(mutex);
            action();
            changed.notify_all();
        };
        return {
            [=, this](video_format f) { locked([&] { formats.push_back(std::move(f)); }); },
            [=, this](access_unit u) { locked([&] { units.push_back(std::move(u)); }); },
            [=, this](std::string text) { locked([&] { errors.push_back(std::move(text)); }); }};
    }

    bool wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 20s, [&] { return units.size() >= count; });
    }

    std::size_t count() {
        std::unique_lock lock(mutex);
        return units.size();
    }
};

std::unique_ptr<video_transcoder>
transcoder_for(listener& to, codec type, video_transcoder_options options = {}) {
    video_format input;
    input.type = type;
    return video_transcoder::create(input, to.events(), options, logger("test")).value();
}

// One at a time, as a live source gives them.
void push_paced(
    video_transcoder& transcoder,
    listener& seen,
    const std::vector<access_unit>& units,
    std::size_t delay = 0
) {
    std::size_t before = seen.count();
    for (std::size_t i = 0; i < units.size(); ++i) {
        transcoder.push(units[i]);
        if (i >= delay) {
            ASSERT_TRUE(seen.wait_for(before + i + 1 - delay))
                << "picture " << i << " is held back";
        }
    }
}

std::vector<access_unit> h265_units() {
    std::vector<access_unit> out;
    ts_demuxer demuxer({nullptr, [&](access_unit unit) {
                            if (unit.kind == track_kind::video)
                                out.push_back(std::move(unit));
                        }});
    auto data = test::read_sample("h265.ts");
    demuxer.push(data);
    demuxer.flush();
    return out;
}

struct row {
    const char* name;
    codec type;
    const char* encoder;
};

} // namespace

class video_transcoder_input : public testing::TestWithParam<row> {};

INSTANTIATE_TEST_SUITE_P(
    each,
    video_transcoder_input,
    testing::Values(
        row{"vp8", codec::vp8, "vp8enc deadline=1 keyframe-max-dist=300"},
        row{"vp9", codec::vp9, "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=300"},
        row{"h264_high",
            codec::h264,
            "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=300 ! "
            "video/x-h264,stream-format=byte-stream,alignment=au"}
    ),
    [](const auto& info) { return info.param.name; }
);

TEST_P(video_transcoder_input, each_picture_leaves_at_once_with_its_own_time) {
    auto units = test::encode_video(GetParam().encoder, 90, 320, 240);
    ASSERT_EQ(units.size(), 90u);
    for (auto& unit : units)
        unit.pts = unit.dts += 1234567; // a publisher's clock begins anywhere
    listener seen;
    auto transcoder = transcoder_for(seen, GetParam().type);
    push_paced(*transcoder, seen, units);
    ASSERT_THAT(seen.errors, testing::IsEmpty());
    ASSERT_EQ(seen.units.size(), 90u);
    std::vector<std::size_t> keyframes;
    for (std::size_t i = 0; i < 90; ++i) {
        EXPECT_EQ(seen.units[i].pts, units[i].pts) << i;
        EXPECT_EQ(seen.units[i].dts, units[i].pts) << i;
        if (seen.units[i].keyframe) {
            keyframes.push_back(i);
            auto sets = h264::find_parameter_sets(seen.units[i].data.view());
            EXPECT_FALSE(sets.sps.empty());
            EXPECT_FALSE(sets.pps.empty());
        }
    }
    EXPECT_THAT(keyframes, testing::ElementsAre(0u, 60u)) << "every two seconds of 30 fps";
    ASSERT_EQ(seen.formats.size(), 1u);
    EXPECT_EQ(seen.formats[0].type, codec::h264);
    EXPECT_EQ(seen.formats[0].width, 320);
    EXPECT_EQ(seen.formats[0].height, 240);
    auto info = h264::parse_sps(seen.formats[0].sps).value();
    EXPECT_EQ(info.profile, 66);
    EXPECT_TRUE(info.constraints & 0x40) << "constrained baseline";
    auto stats = transcoder->stats();
    EXPECT_EQ(stats.frames_in, 90u);
    EXPECT_EQ(stats.frames_out, 90u);
    EXPECT_EQ(stats.dropped, 0u);
    EXPECT_GT(stats.cpu_seconds, 0);
}

TEST(video_transcoder, h265_becomes_h264_in_order_of_display) {
    auto units = h265_units();
    ASSERT_GT(units.size(), 20u);
    listener seen;
    auto transcoder = transcoder_for(seen, codec::h265);
    for (const auto& unit : units)
        transcoder->push(unit);
    ASSERT_TRUE(seen.wait_for(units.size() - 8)); // the decoder keeps what may be reordered
    std::set<std::int64_t> sent;
    for (const auto& unit : units)
        sent.insert(unit.pts);
    std::int64_t last = -1;
    for (const auto& unit : seen.units) {
        EXPECT_GT(unit.pts, last);
        EXPECT_TRUE(sent.contains(unit.pts)) << unit.pts;
        last = unit.pts;
    }
}

TEST(video_transcoder, pictures_with_b_frames_leave_without_them) {
    auto in = test::units_of("bframes.flv");
    std::vector<access_unit> units;
    for (auto& unit : in.units)
        if (unit.kind == track_kind::video)
            units.push_back(unit);
    listener seen;
    auto transcoder = transcoder_for(seen, codec::h264);
    for (const auto& unit : units)
        transcoder->push(unit);
    ASSERT_TRUE(seen.wait_for(units.size() - 4));
    std::int64_t last = -1'000'000;
    for (const auto& unit : seen.units) {
        EXPECT_EQ(unit.pts, unit.dts);
        EXPECT_GT(unit.pts, last);
        last = unit.pts;
    }
}

TEST(video_transcoder, makes_a_keyframe_when_asked) {
    auto units = test::encode_video("vp8enc deadline=1", 20, 160, 120);
    listener seen;
    auto transcoder = transcoder_for(seen, codec::vp8);
    push_paced(*transcoder, seen, {units.begin(), units.begin() + 10});
    transcoder->request_keyframe();
    push_paced(*transcoder, seen, {units.begin() + 10, units.end()});
    for (std::size_t i = 0; i < 20; ++i)
        EXPECT_EQ(seen.units[i].keyframe, i == 0 || i == 10) << i;
}

TEST(video_transcoder, follows_a_change_of_size_and_rounds_odd_sizes_down) {
    auto first = test::encode_video("vp8enc deadline=1", 10, 320, 240);
    auto second = test::encode_video("vp8enc deadline=1", 10, 201, 151);
    for (auto& unit : second)
        unit.pts = unit.dts += 30'000;
    listener seen;
    auto transcoder = transcoder_for(seen, codec::vp8);
    push_paced(*transcoder, seen, first);
    push_paced(*transcoder, seen, second);
    ASSERT_THAT(seen.errors, testing::IsEmpty());
    ASSERT_EQ(seen.formats.size(), 2u);
    EXPECT_EQ(seen.formats[1].width, 200);
    EXPECT_EQ(seen.formats[1].height, 150);
    EXPECT_TRUE(seen.units[10].keyframe);
}

TEST(video_transcoder, pictures_without_measure_are_refused) {
    auto units = test::encode_video("vp8enc deadline=1 cpu-used=16 threads=2", 2, 4112, 4096);
    ASSERT_EQ(units.size(), 2u);
    listener seen;
    auto transcoder = transcoder_for(seen, codec::vp8);
    for (const auto& unit : units)
        transcoder->push(unit);
    std::unique_lock lock(seen.mutex);
    ASSERT_TRUE(seen.changed.wait_for(lock, 20s, [&] { return !seen.errors.empty(); }));
    EXPECT_THAT(seen.errors[0], testing::HasSubstr("4112x4096"));
    EXPECT_THAT(seen.units, testing::IsEmpty());
}

TEST(video_transcoder, goes_on_after_a_jump_of_the_clock) {
    auto units = test::encode_video("vp8enc deadline=1", 40, 160, 120);
    for (std::size_t i = 20; i < 40; ++i)
        units[i].pts = units[i].dts -= 90'000'000;
    listener seen;
    auto transcoder = transcoder_for(seen, codec::vp8);
    push_paced(*transcoder, seen, units);
    ASSERT_THAT(seen.errors, testing::IsEmpty());
    for (std::size_t i = 0; i < 40; ++i)
        EXPECT_EQ(seen.units[i].pts, units[i].pts) << i;
}

TEST(video_transcoder, damaged_input_does_not_stop_what_follows) {
    auto units = test::encode_video("vp8enc deadline=1 keyframe-max-dist=20", 60, 160, 120);
    std::uint32_t state = 7;
    for (std::size_t i = 5; i < 18; ++i) {
        std::vector<std::uint8_t> noise(units[i].data.view().begin(), units[i].data.view().end());
        for (auto& octet : noise)
            octet = std::uint8_t((state = state * 1664525 + 1013904223) >> 24);
        units[i].data = bytes::copy_of(noise);
    }
    listener seen;
    auto transcoder = transcoder_for(seen, codec::vp8);
    for (const auto& unit : units)
        transcoder->push(unit);
    std::unique_lock lock(seen.mutex);
    EXPECT_TRUE(seen.changed.wait_for(lock, 20s, [&] {
        return !seen.units.empty() && seen.units.back().pts == units.back().pts;
    }));
    EXPECT_THAT(seen.errors, testing::IsEmpty());
}

TEST(video_transcoder, drops_to_a_keyframe_when_its_queue_is_full) {
    auto units = test::encode_video("vp8enc deadline=1 keyframe-max-dist=10", 40, 160, 120);
    listener seen;
    auto transcoder = transcoder_for(seen, codec::vp8, {.queue_bytes = 1});
    for (const auto& unit : units)
        transcoder->push(unit);
    EXPECT_EQ(transcoder->stats().dropped, 40u);
}

TEST(video_transcoder, refuses_a_codec_without_a_decoder) {
    listener seen;
    video_format input;
    for (auto type : {codec::av1, codec::none, codec::aac}) {
        input.type = type;
        auto made = video_transcoder::create(input, seen.events(), {}, logger("test"));
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, errc::unsupported);
    }
}

TEST(video_transcoder, says_nothing_after_its_end) {
    auto units = test::encode_video("vp8enc deadline=1", 30, 160, 120);
    for (int i = 0; i < 20; ++i) {
        auto seen = std::make_unique<listener>();
        auto transcoder = transcoder_for(*seen, codec::vp8);
        for (const auto& unit : units)
            transcoder->push(unit);
        seen->wait_for(5);
        transcoder.reset();
        seen.reset(); // a late callback would be a use after free
    }
    EXPECT_TRUE(wait_for_tear_downs(10s));
}

} // namespace rivulet::media
