#include "media/flv_ingest.hpp"
#include "media/flv_write.hpp"
#include "media/runtime.hpp"
#include "support/media_samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;

// Everything that an ingest says, for a thread that waits for it.
struct listener {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<access_unit> units;
    std::vector<stream_format> formats;
    std::vector<std::string> errors;
    int ended = 0;

    flv_ingest_events events() {
        auto locked = [this](auto action) {
            std::unique_lock lock(mutex);
            action();
            changed.notify_all();
        };
        return {
            [=, this](stream_format f) { locked([&] { formats.push_back(std::move(f)); }); },
            [=, this](access_unit u) { locked([&] { units.push_back(std::move(u)); }); },
            [=, this](std::string text) { locked([&] { errors.push_back(std::move(text)); }); },
            [=, this] { locked([&] { ++ended; }); }};
    }

    template <class Condition>
    bool wait(Condition condition) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 10s, condition);
    }

    bool wait_for_units(std::size_t count) {
        return wait([&] { return units.size() >= count; });
    }

    bool wait_for_end() {
        return wait([&] { return ended > 0 || !errors.empty(); }) && errors.empty();
    }

    std::vector<access_unit> of(track_kind kind) {
        std::unique_lock lock(mutex);
        std::vector<access_unit> out;
        std::ranges::copy_if(units, std::back_inserter(out), [&](auto& u) {
            return u.kind == kind;
        });
        return out;
    }
};

std::unique_ptr<flv_ingest> ingest_for(listener& to, flv_ingest_options options = {}) {
    return flv_ingest::create(to.events(), options, logger("test")).value();
}

flv_push push(flv_ingest& ingest, const flv_tag& tag, std::int64_t shift_ms = 0) {
    return ingest.push_tag(
        std::uint8_t(tag.type), std::uint32_t(tag.timestamp + shift_ms), tag.body.view()
    );
}

std::vector<access_unit> of_kind(const std::vector<access_unit>& units, track_kind kind) {
    std::vector<access_unit> out;
    std::ranges::copy_if(units, std::back_inserter(out), [&](auto& u) { return u.kind == kind; });
    return out;
}

std::size_t threads_of_process() {
    std::size_t count = 0;
    for ([[maybe_unused]] auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
        ++count;
    return count;
}

constexpr auto video = track_kind::video, audio = track_kind::audio;

} // namespace

class flv_ingest_recording : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(
    each,
    flv_ingest_recording,
    testing::Values("av.flv", "bframes.flv", "video_only.flv", "mp3.flv"),
    [](const auto& info) {
        std::string name = info.param;
        return name.substr(0, name.find('.'));
    }
);

TEST_P(flv_ingest_recording, every_tag_becomes_a_unit_with_its_own_times) {
    auto expected = test::units_of(GetParam());
    listener seen;
    auto ingest = ingest_for(seen);
    for (const auto& tag : test::read_flv(GetParam()))
        EXPECT_EQ(push(*ingest, tag), flv_push::accepted);
    ingest->end();
    ASSERT_TRUE(seen.wait_for_end()) << testing::PrintToString(seen.errors);

    ASSERT_FALSE(seen.formats.empty());
    const auto& format = seen.formats.back();
    EXPECT_EQ(format.video, expected.format.video);
    ASSERT_EQ(format.audio.has_value(), expected.format.audio.has_value());
    if (format.audio) {
        EXPECT_EQ(*format.audio, *expected.format.audio);
    }
    for (auto kind : {video, audio}) {
        auto want = of_kind(expected.units, kind), got = seen.of(kind);
        ASSERT_EQ(got.size(), want.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
            EXPECT_EQ(got[i].pts, want[i].pts) << i;
            EXPECT_EQ(got[i].dts, want[i].dts) << i;
            EXPECT_EQ(got[i].keyframe, want[i].keyframe) << i;
            if (kind == audio) {
                EXPECT_TRUE(std::ranges::equal(got[i].data.view(), want[i].data.view())) << i;
            }
        }
    }
    for (const auto& unit : seen.of(video))
        if (unit.keyframe) {
            auto sets = h264::find_parameter_sets(unit.data.view());
            EXPECT_FALSE(sets.sps.empty());
            EXPECT_FALSE(sets.pps.empty());
        }
}

TEST_P(flv_ingest_recording, no_unit_waits_for_the_next_tag) {
    listener seen;
    auto ingest = ingest_for(seen);
    std::size_t media_tags = 0;
    for (const auto& tag : test::read_flv(GetParam())) {
        if (tag.type == flv_tag_type::script)
            continue;
        push(*ingest, tag);
        bool is_audio = tag.type == flv_tag_type::audio;
        auto packet = is_audio ? parse_flv_audio(tag.body.view())->packet
                               : parse_flv_video(tag.body.view())->packet;
        if (packet != flv_packet::frame)
            continue;
        ASSERT_TRUE(seen.wait_for_units(++media_tags)) << "tag " << media_tags << " is held back";
    }
}

TEST(flv_ingest, carries_times_over_the_wrap_of_the_32_bit_clock) {
    listener seen;
    auto ingest = ingest_for(seen);
    auto expected = test::units_of("av.flv");
    constexpr std::int64_t shift = 0xffff'ffff - 1000;
    for (const auto& tag : test::read_flv("av.flv"))
        push(*ingest, tag, shift);
    ingest->end();
    ASSERT_TRUE(seen.wait_for_end());
    for (auto kind : {video, audio}) {
        auto want = of_kind(expected.units, kind), got = seen.of(kind);
        ASSERT_EQ(got.size(), want.size());
        for (std::size_t i = 0; i < got.size(); ++i)
            EXPECT_EQ(got[i].dts, want[i].dts + shift * 90) << i;
    }
}

TEST(flv_ingest, carries_jumps_and_pauses_through_for_both_tracks_alike) {
    listener seen;
    auto ingest = ingest_for(seen);
    std::vector<std::int64_t> want[2];
    int count = 0;
    for (const auto& tag : test::read_flv("av.flv")) {
        if (tag.type == flv_tag_type::script)
            continue;
        bool is_audio = tag.type == flv_tag_type::audio;
        auto packet = is_audio ? parse_flv_audio(tag.body.view())->packet
                               : parse_flv_video(tag.body.view())->packet;
        std::int64_t shift = ++count < 80 ? 3'600'000 : count < 150 ? 60'000 : 7'200'000;
        if (is_audio && packet == flv_packet::frame && count > 20 && count < 60)
            continue; // the sound pauses
        push(*ingest, tag, shift);
        if (packet == flv_packet::frame)
            want[is_audio].push_back((tag.timestamp + shift) * 90);
    }
    ingest->end();
    ASSERT_TRUE(seen.wait_for_end());
    for (auto kind : {video, audio}) {
        auto got = seen.of(kind);
        const auto& expected = want[kind == audio];
        EXPECT_EQ(got.size(), expected.size());
        for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
            ASSERT_EQ(got[i].dts, expected[i]) << i;
    }
}

// Ten minutes of stream time, as fast as the pipeline takes it: not a tick of drift in either
// track.
TEST(flv_ingest, keeps_sound_and_picture_together_for_ten_minutes) {
    listener seen;
    auto ingest = ingest_for(seen);
    auto tags = test::read_flv("av.flv");
    std::vector<std::int64_t> want[2];
    for (int round = 0; round < 200; ++round) {
        std::int64_t shift = round * 3'030;
        for (const auto& tag : tags) {
            if (tag.type == flv_tag_type::script)
                continue;
            bool is_audio = tag.type == flv_tag_type::audio;
            auto packet = is_audio ? parse_flv_audio(tag.body.view())->packet
                                   : parse_flv_video(tag.body.view())->packet;
            ASSERT_EQ(push(*ingest, tag, shift), flv_push::accepted);
            if (packet == flv_packet::frame)
                want[is_audio].push_back((tag.timestamp + shift) * 90);
        }
        ASSERT_TRUE(seen.wait_for_units(want[0].size() + want[1].size()));
    }
    ASSERT_GT(want[0].back(), 600 * clock_rate);
    for (auto kind : {video, audio}) {
        std::vector<std::int64_t> got;
        for (const auto& unit : seen.of(kind))
            got.push_back(unit.dts);
        EXPECT_EQ(got, want[kind == audio]);
    }
}

TEST(flv_ingest, follows_a_change_of_the_picture_size) {
    listener seen;
    auto ingest = ingest_for(seen);
    for (const auto& tag : test::read_flv("av.flv"))
        push(*ingest, tag);
    for (const auto& tag : test::read_flv("video_only.flv"))
        push(*ingest, tag, 5'000);
    ingest->end();
    ASSERT_TRUE(seen.wait_for_end());
    EXPECT_EQ(seen.formats.back().video->width, 160);
    EXPECT_EQ(seen.of(video).size(), 150u);
}

// As encoders with intra refresh send it: one IDR, then recovery points.
TEST(flv_ingest, a_recovery_point_is_a_keyframe_with_parameter_sets_where_no_idr_comes) {
    listener seen;
    auto ingest = ingest_for(seen);
    std::size_t frames = 0;
    for (const auto& tag : test::read_flv("video_only.flv")) {
        if (tag.type != flv_tag_type::video)
            continue;
        auto header = parse_flv_video(tag.body.view()).value();
        if (header.packet != flv_packet::frame) {
            push(*ingest, tag);
            continue;
        }
        if (frames > 0 && header.keyframe)
            break;
        // One picture a second, each but the first with the message in front of its slice.
        auto view = tag.body.view();
        std::vector<std::uint8_t> body(view.begin(), view.begin() + 5);
        if (frames > 0)
            body.insert(body.end(), {0, 0, 0, 5, 6, 6, 1, 0xc4, 0x80});
        body.insert(body.end(), view.begin() + 5, view.end());
        ingest->push_tag(9, std::uint32_t(1000 * frames), body);
        ++frames;
    }
    ASSERT_GT(frames, 10u);
    ASSERT_TRUE(seen.wait_for_units(frames));
    auto units = seen.of(video);
    for (std::size_t i = 0; i < units.size(); ++i) {
        EXPECT_EQ(units[i].keyframe, i % 5 == 0) << i;
        EXPECT_EQ(!h264::find_parameter_sets(units[i].data.view()).sps.empty(), i % 5 == 0) << i;
    }
}

TEST(flv_ingest, follows_a_change_of_the_audio_codec) {
    listener seen;
    auto ingest = ingest_for(seen);
    for (const auto& tag : test::read_flv("av.flv"))
        push(*ingest, tag);
    for (const auto& tag : test::read_flv("mp3.flv"))
        push(*ingest, tag, 5'000);
    for (const auto& tag : test::read_flv("av.flv"))
        push(*ingest, tag, 10'000);
    ingest->end();
    ASSERT_TRUE(seen.wait_for_end()) << testing::PrintToString(seen.errors);
    auto count = [](const char* name) { return of_kind(test::units_of(name).units, audio).size(); };
    EXPECT_EQ(seen.of(audio).size(), 2 * count("av.flv") + count("mp3.flv"));
    EXPECT_EQ(seen.formats.back().audio->type, codec::aac);
    bool had_mp3 = std::ranges::any_of(seen.formats, [](const stream_format& f) {
        return f.audio && f.audio->type == codec::mp3;
    });
    EXPECT_TRUE(had_mp3);
}

TEST(flv_ingest, refuses_what_it_cannot_carry_and_goes_on) {
    listener seen;
    auto ingest = ingest_for(seen);
    using tag_bytes = std::vector<std::uint8_t>;
    EXPECT_EQ(
        ingest->push_tag(9, 0, tag_bytes{0x90, 'h', 'v', 'c', '1', 0}), flv_push::unsupported
    );
    EXPECT_EQ(ingest->push_tag(9, 0, tag_bytes{0x12, 1, 2, 3}), flv_push::unsupported) << "H.263";
    EXPECT_EQ(ingest->push_tag(8, 0, tag_bytes{0xb2, 1, 2, 3}), flv_push::unsupported) << "Speex";
    EXPECT_EQ(ingest->push_tag(9, 0, tag_bytes{}), flv_push::malformed);
    EXPECT_EQ(ingest->push_tag(9, 0, tag_bytes{0x17, 1}), flv_push::malformed);
    EXPECT_EQ(ingest->push_tag(8, 0, tag_bytes{0xaf, 1}), flv_push::malformed);
    EXPECT_EQ(ingest->push_tag(18, 0, tag_bytes{2, 0, 1}), flv_push::accepted);
    for (const auto& tag : test::read_flv("video_only.flv"))
        push(*ingest, tag);
    EXPECT_TRUE(seen.wait_for_units(60));
}

TEST(flv_ingest, damaged_pictures_do_not_stop_the_ones_after) {
    listener seen;
    auto ingest = ingest_for(seen);
    auto tags = test::read_flv("video_only.flv");
    int count = 0;
    std::uint32_t state = 7;
    for (auto& tag : tags) {
        std::vector<std::uint8_t> body(tag.body.view().begin(), tag.body.view().end());
        if (++count > 10 && count < 30)
            for (std::size_t i = 5; i < body.size(); ++i)
                body[i] = std::uint8_t((state = state * 1664525 + 1013904223) >> 24);
        ingest->push_tag(std::uint8_t(tag.type), std::uint32_t(tag.timestamp), body);
    }
    ingest->end();
    EXPECT_TRUE(seen.wait([&] { return seen.ended > 0 || !seen.errors.empty(); }));
    if (seen.errors.empty()) {
        EXPECT_GE(seen.of(video).size(), 35u);
    }
}

TEST(flv_ingest, drops_pictures_to_a_keyframe_when_its_queue_is_full) {
    listener seen;
    auto ingest = ingest_for(seen, {.queue_bytes = 0});
    int dropped = 0;
    for (const auto& tag : test::read_flv("video_only.flv"))
        dropped += push(*ingest, tag) == flv_push::dropped;
    EXPECT_GE(dropped, 60);
    EXPECT_EQ(ingest->tags_dropped(), std::uint64_t(dropped));
}

TEST(flv_ingest, ends_without_having_had_any_media) {
    listener nothing;
    auto empty = ingest_for(nothing);
    empty->end();
    EXPECT_TRUE(nothing.wait_for_end());
    EXPECT_EQ(push(*empty, test::read_flv("av.flv").front()), flv_push::closed);

    listener headers;
    auto ingest = ingest_for(headers);
    for (const auto& tag : test::read_flv("av.flv")) {
        if (tag.type == flv_tag_type::video)
            break;
        push(*ingest, tag);
    }
    ingest->end();
    EXPECT_TRUE(headers.wait_for_end());
}

TEST(flv_ingest, leaves_no_thread_and_says_nothing_after_its_end) {
    { // the first one starts threads that GStreamer keeps
        listener warm;
        auto ingest = ingest_for(warm);
        for (const auto& tag : test::read_flv("av.flv"))
            push(*ingest, tag);
        warm.wait_for_units(50);
    }
    ASSERT_TRUE(wait_for_tear_downs(10s));
    std::size_t before = threads_of_process();
    for (int i = 0; i < 20; ++i) {
        auto seen = std::make_unique<listener>();
        auto ingest = ingest_for(*seen);
        for (const auto& tag : test::read_flv("av.flv"))
            push(*ingest, tag);
        ingest.reset(); // in the middle of its work
        seen.reset();   // a late callback would be a use after free
    }
    ASSERT_TRUE(wait_for_tear_downs(10s));
    EXPECT_EQ(tear_downs_pending(), 0u);
    // GLib's pool keeps a few idle threads for a while; one left by each ingest would make it 20.
    EXPECT_LT(threads_of_process(), before + 10);
}

} // namespace rivulet::media
