#include "media/aac.hpp"
#include "media/segmenter.hpp"
#include "media/ts_demuxer.hpp"
#include "media/ts_muxer.hpp"
#include "support/media_samples.hpp"
#include "support/ts_decode.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace rivulet::media {

namespace {

using block = std::vector<std::uint8_t>;

void append(block& to, const bytes& data) {
    to.insert(to.end(), data.data(), data.data() + data.size());
}

constexpr const char* recordings[] = {"av.flv", "bframes.flv", "video_only.flv", "mp3.flv"};

int pid_of(byte_span packet) {
    return (packet[1] & 0x1f) << 8 | packet[2];
}

// The segments that a publisher's units become when they come in real time.
std::vector<block> segments_of(const test::recording& recording) {
    ts_muxer muxer;
    EXPECT_FALSE(muxer.set_format(recording.format));
    segmenter cutter;
    std::vector<block> segments;
    for (const auto& unit : recording.units) {
        time_point now{std::chrono::microseconds(unit.dts * 100 / 9)};
        auto action = cutter.step(unit, now).action;
        if (action == segment_action::drop)
            continue;
        if (action == segment_action::cut_then_write) {
            muxer.begin_segment();
            segments.emplace_back();
        }
        auto written = muxer.write(unit);
        EXPECT_TRUE(written) << written.error().message();
        append(segments.back(), *written);
    }
    return segments;
}

block joined(const std::vector<block>& segments) {
    block all;
    for (const auto& segment : segments)
        all.insert(all.end(), segment.begin(), segment.end());
    return all;
}

std::vector<access_unit> demuxed(byte_span ts) {
    std::vector<access_unit> units;
    ts_demuxer demuxer({{}, [&](access_unit unit) { units.push_back(std::move(unit)); }});
    demuxer.push(ts);
    demuxer.flush();
    return units;
}

int count(const std::vector<access_unit>& units, track_kind kind) {
    return int(std::ranges::count(units, kind, &access_unit::kind));
}

} // namespace

class ts_muxer_recording : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(
    each,
    ts_muxer_recording,
    testing::ValuesIn(recordings),
    [](const auto& info) {
        std::string name = info.param;
        return name.substr(0, name.find('.'));
    }
);

TEST(live_conformance, s19_every_segment_begins_with_pat_pmt_and_idr_and_decodes_alone) {
    for (const char* name : recordings) {
        SCOPED_TRACE(name);
        auto recording = test::units_of(name);
        auto segments = segments_of(recording);
        ASSERT_GE(segments.size(), 2u);
        int frames = 0;
        for (const auto& segment : segments) {
            ASSERT_EQ(segment.size() % 188, 0u);
            EXPECT_EQ(pid_of(segment), 0) << "PAT first";
            EXPECT_EQ(pid_of(byte_span(segment).subspan(188)), 0x1000) << "then PMT";
            auto video = byte_span(segment).subspan(2 * 188);
            EXPECT_EQ(pid_of(video), 0x100);
            EXPECT_TRUE(video[5] & 0x40) << "random access";
            auto first = demuxed(segment).front();
            EXPECT_TRUE(first.keyframe);
            EXPECT_FALSE(h264::find_parameter_sets(first.data.view()).sps.empty());
            auto decoded = test::decode_ts(segment);
            EXPECT_EQ(decoded.errors, 0);
            EXPECT_EQ(decoded.video_frames, count(demuxed(segment), track_kind::video));
            frames += decoded.video_frames;
        }
        EXPECT_EQ(frames, count(recording.units, track_kind::video)) << "no frame got lost";
    }
}

TEST(trickle_conformance, s70_segments_in_a_row_decode_as_one_stream) {
    for (const char* name : recordings) {
        SCOPED_TRACE(name);
        auto recording = test::units_of(name);
        auto whole = joined(segments_of(recording));
        auto decoded = test::decode_ts(whole);
        EXPECT_EQ(decoded.errors, 0);
        EXPECT_EQ(decoded.video_frames, count(recording.units, track_kind::video));
        EXPECT_TRUE(std::ranges::is_sorted(decoded.video_pts));
        EXPECT_EQ(decoded.audio_frames > 0, recording.format.audio.has_value());

        std::map<int, int> counters;
        for (std::size_t at = 0; at < whole.size(); at += 188) {
            auto packet = byte_span(whole).subspan(at, 188);
            ASSERT_EQ(packet[0], 0x47);
            int pid = pid_of(packet), counter = packet[3] & 0xf;
            if (auto last = counters.find(pid); last != counters.end()) {
                EXPECT_EQ(counter, (last->second + 1) & 0xf) << "PID " << pid << " at " << at;
            }
            counters[pid] = counter;
        }
        EXPECT_FALSE(counters.contains(0x11)) << "no service description";
    }
}

TEST_P(ts_muxer_recording, what_goes_in_comes_out_of_the_demuxer_unchanged) {
    auto recording = test::units_of(GetParam());
    auto units = demuxed(joined(segments_of(recording)));
    std::vector<access_unit> expected;
    bool begun = false;
    for (const auto& unit : recording.units)
        if (begun = begun || unit.kind == track_kind::video; begun)
            expected.push_back(unit);
    ASSERT_EQ(units.size(), expected.size());
    for (std::size_t i = 0; i < units.size(); ++i) {
        EXPECT_EQ(units[i].kind, expected[i].kind) << i;
        EXPECT_EQ(units[i].pts, expected[i].pts) << i;
        EXPECT_EQ(units[i].dts, expected[i].dts) << i;
        EXPECT_EQ(units[i].keyframe, expected[i].keyframe) << i;
        EXPECT_TRUE(std::ranges::equal(units[i].data.view(), expected[i].data.view())) << i;
    }
}

// Statement 26, and the promise that no frame waits for the next one: a reader that has the bytes
// of unit N has unit N.
TEST(live_conformance, s26_the_bytes_of_a_unit_are_complete_before_the_next_unit_comes) {
    for (const char* name : recordings) {
        SCOPED_TRACE(name);
        auto recording = test::units_of(name);
        ts_muxer muxer;
        ASSERT_FALSE(muxer.set_format(recording.format));
        std::size_t received = 0;
        ts_demuxer demuxer({{}, [&](access_unit) { ++received; }});
        std::size_t sent = 0;
        for (const auto& unit : recording.units) {
            auto written = muxer.write(unit);
            ASSERT_TRUE(written);
            demuxer.push(written->view());
            EXPECT_EQ(received, ++sent);
        }
    }
}

// What a worker writes: an encoder's H.264 without B-frames and Opus, times from the input.
TEST(trickle_conformance, s69_segments_start_with_tables_and_idr_and_carry_the_times_of_the_input) {
    auto recording = test::units_of("video_only.flv");
    recording.format.audio = audio_format{codec::opus, 48'000, 1, {}};
    std::vector<access_unit> with_sound;
    for (const auto& unit : recording.units) {
        with_sound.push_back(unit);
        access_unit sound;
        sound.kind = track_kind::audio;
        sound.keyframe = true;
        sound.pts = sound.dts = unit.pts + 777;
        sound.data = bytes::copy_of(block{0xf8, 1, 2, 3});
        with_sound.push_back(sound);
    }
    recording.units = with_sound;
    auto segments = segments_of(recording);
    ASSERT_EQ(segments.size(), 2u);
    std::size_t at = 0;
    for (const auto& segment : segments) {
        EXPECT_EQ(pid_of(segment), 0);
        EXPECT_EQ(pid_of(byte_span(segment).subspan(188)), 0x1000);
        auto units = demuxed(segment);
        EXPECT_TRUE(units.front().keyframe);
        EXPECT_EQ(units.front().kind, track_kind::video);
        for (const auto& unit : units) {
            EXPECT_EQ(unit.pts, with_sound[at].pts);
            EXPECT_EQ(unit.dts, unit.pts);
            ++at;
        }
    }
    EXPECT_EQ(at, with_sound.size());
}

TEST(ts_muxer, carries_times_across_the_33_bit_wrap_and_below_zero) {
    auto recording = test::units_of("av.flv");
    for (std::int64_t offset :
         {std::int64_t{1} << 33,
          (std::int64_t{1} << 33) - 45'000,
          std::int64_t{-45'000},
          std::int64_t{5} << 40}) {
        ts_muxer muxer;
        ASSERT_FALSE(muxer.set_format(recording.format));
        block whole;
        std::vector<std::int64_t> expected;
        for (auto unit : recording.units) {
            unit.pts += offset;
            unit.dts += offset;
            expected.push_back(unit.pts);
            append(whole, muxer.write(unit).value());
        }
        auto units = demuxed(whole);
        ASSERT_EQ(units.size(), expected.size());
        constexpr std::int64_t period = std::int64_t{1} << 33;
        std::int64_t shift = units[0].pts - expected[0];
        EXPECT_EQ(shift % period, 0) << "unchanged modulo 2^33";
        for (std::size_t i = 0; i < units.size(); ++i)
            ASSERT_EQ(units[i].pts - expected[i], shift) << i << " with offset " << offset;
    }
}

TEST(ts_muxer, goes_on_when_the_clock_jumps_either_way) {
    auto recording = test::units_of("av.flv");
    ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(recording.format));
    block whole;
    std::vector<std::int64_t> expected;
    int i = 0;
    for (auto unit : recording.units) {
        std::int64_t jump = i < 40 ? 90'000'000 : i < 80 ? 0 : 900'000'000;
        unit.pts += jump;
        unit.dts += jump;
        auto written = muxer.write(unit);
        ASSERT_TRUE(written) << i << ": " << written.error().message();
        append(whole, *written);
        expected.push_back(unit.pts);
        ++i;
    }
    auto units = demuxed(whole);
    ASSERT_EQ(units.size(), expected.size());
    for (std::size_t k = 0; k < units.size(); ++k)
        EXPECT_EQ(units[k].pts, expected[k]) << k;
}

TEST(ts_muxer, two_frames_with_one_timestamp_both_arrive) {
    auto recording = test::units_of("video_only.flv");
    ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(recording.format));
    block whole;
    for (int i = 0; i < 3; ++i) {
        recording.units[std::size_t(i)].dts = recording.units[std::size_t(i)].pts = 1000;
        append(whole, muxer.write(recording.units[std::size_t(i)]).value());
    }
    EXPECT_EQ(demuxed(whole).size(), 3u);
}

TEST(ts_muxer, keeps_the_distance_of_sound_and_picture_to_the_tick) {
    auto recording = test::units_of("av.flv");
    auto units = demuxed(joined(segments_of(recording)));
    auto first = [](const std::vector<access_unit>& from, track_kind kind) {
        return std::ranges::find(from, kind, &access_unit::kind)->pts;
    };
    std::int64_t expected = 0;
    bool begun = false;
    for (const auto& unit : recording.units) { // sound before the first keyframe is not published
        begun = begun || unit.kind == track_kind::video;
        if (begun && unit.kind == track_kind::audio) {
            expected = unit.pts - first(recording.units, track_kind::video);
            break;
        }
    }
    EXPECT_EQ(first(units, track_kind::audio) - first(units, track_kind::video), expected);
}

TEST(ts_muxer, a_pause_of_the_sound_holds_no_picture) {
    auto recording = test::units_of("av.flv");
    ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(recording.format));
    int received = 0, sent = 0;
    ts_demuxer demuxer({{}, [&](access_unit unit) { received += unit.kind == track_kind::video; }});
    for (const auto& unit : recording.units) {
        if (unit.kind == track_kind::audio && unit.pts > 45'000 && unit.pts < 200'000)
            continue;
        demuxer.push(muxer.write(unit).value().view());
        sent += unit.kind == track_kind::video;
        ASSERT_EQ(received, sent);
    }
}

TEST(ts_muxer, new_tables_follow_a_change_of_format) {
    auto recording = test::units_of("av.flv");
    ts_muxer muxer;
    stream_format silent = recording.format;
    silent.audio.reset();
    ASSERT_FALSE(muxer.set_format(silent));
    std::vector<stream_format> formats;
    int sounds = 0;
    ts_demuxer demuxer(
        {[&](const stream_format& format) { formats.push_back(format); },
         [&](access_unit unit) { sounds += unit.kind == track_kind::audio; }}
    );
    for (std::size_t i = 0; i < recording.units.size(); ++i) {
        if (i == 50) {
            ASSERT_FALSE(muxer.set_format(recording.format));
        }
        auto written = muxer.write(recording.units[i]);
        if (i < 50 && recording.units[i].kind == track_kind::audio)
            EXPECT_EQ(written.error(), errc::invalid_argument);
        else
            demuxer.push(written.value().view());
    }
    EXPECT_FALSE(formats.front().audio);
    ASSERT_TRUE(formats.back().audio);
    // The configuration that comes back is the short form of the encoder's.
    auto expected = recording.format;
    expected.audio->config = aac::make_config(2, 3, 2);
    EXPECT_EQ(formats.back(), expected);
    EXPECT_GT(sounds, 10);
    EXPECT_EQ(demuxer.counters().discontinuities, 0u);
}

TEST(ts_muxer, carries_opus) {
    stream_format format;
    format.audio = audio_format{codec::opus, 48'000, 2, {}};
    ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(format));
    stream_format seen;
    std::vector<access_unit> units;
    ts_demuxer demuxer(
        {[&](const stream_format& f) { seen = f; },
         [&](access_unit unit) { units.push_back(std::move(unit)); }}
    );
    for (std::size_t size : {3u, 200u, 255u, 256u, 1275u}) {
        access_unit unit;
        unit.kind = track_kind::audio;
        unit.keyframe = true;
        unit.pts = unit.dts = std::int64_t(units.size()) * 1800;
        block packet(size, 0x55);
        packet[0] = 0xfc;
        unit.data = bytes::copy_of(packet);
        demuxer.push(muxer.write(unit).value().view());
        ASSERT_EQ(units.back().data.size(), size);
        EXPECT_EQ(units.back().pts, unit.pts);
    }
    EXPECT_EQ(seen, format);
}

TEST(ts_muxer, refuses_what_it_cannot_carry) {
    ts_muxer muxer;
    EXPECT_EQ(muxer.set_format({}), errc::invalid_argument);
    stream_format vp8;
    vp8.video = video_format{codec::vp8, 320, 180, {}, {}};
    EXPECT_EQ(muxer.set_format(vp8), errc::unsupported);
    stream_format aac;
    aac.audio = audio_format{codec::aac, 48'000, 2, {}};
    EXPECT_EQ(muxer.set_format(aac), errc::invalid_argument) << "no configuration";
    access_unit unit;
    unit.data = bytes::copy_of("x");
    EXPECT_EQ(muxer.write(unit).error(), errc::invalid_argument) << "no format yet";
}

TEST(live_conformance, s23_opus_says_what_it_is_and_how_many_channels) {
    auto recording = test::units_of("video_only.flv");
    for (int channels : {1, 2}) {
        ts_muxer muxer;
        auto format = recording.format;
        format.audio = audio_format{codec::opus, 48'000, channels, {}};
        ASSERT_FALSE(muxer.set_format(format));
        access_unit packet;
        packet.kind = track_kind::audio;
        packet.keyframe = true;
        packet.data = bytes::copy_of(block(300, 0xfc)); // CELT, 20 ms
        muxer.begin_segment();
        block ts;
        append(ts, muxer.write(recording.units.at(0)).value());
        append(ts, muxer.write(packet).value());

        const auto contains = [&](const block& wanted) {
            return std::ranges::search(ts, wanted).begin() != ts.end();
        };
        EXPECT_TRUE(contains({0x05, 4, 'O', 'p', 'u', 's'})) << "registration";
        EXPECT_TRUE(contains({0x7f, 2, 0x80, std::uint8_t(channels)})) << "extension";
        EXPECT_TRUE(contains({0x7f, 0xe0, 0xff, 300 - 255})) << "control header with the size";
        auto back = demuxed(ts);
        ASSERT_EQ(count(back, track_kind::audio), 1);
        EXPECT_TRUE(std::ranges::equal(back.back().data.view(), packet.data.view()));
    }
}

} // namespace rivulet::media
