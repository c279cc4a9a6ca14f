#include "media/ts_demuxer.hpp"
#include "support/media_samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::media {

namespace {

struct collected {
    std::vector<access_unit> units;
    std::vector<stream_format> formats;
    ts_demuxer_counters counters;
};

collected demux(byte_span ts, std::size_t piece) {
    collected out;
    ts_demuxer demuxer(
        {[&](const stream_format& format) { out.formats.push_back(format); },
         [&](access_unit unit) { out.units.push_back(std::move(unit)); }}
    );
    for (std::size_t at = 0; at < ts.size(); at += piece)
        demuxer.push(ts.subspan(at, std::min(piece, ts.size() - at)));
    demuxer.flush();
    out.counters = demuxer.counters();
    return out;
}

std::vector<access_unit> only(const std::vector<access_unit>& units, track_kind kind) {
    std::vector<access_unit> out;
    for (const auto& unit : units)
        if (unit.kind == kind)
            out.push_back(unit);
    return out;
}

} // namespace

struct ts_sample {
    const char* name;
    codec video, audio;
    std::size_t audio_header;  // that ffprobe counts as part of a packet
    bool lacks_parameter_sets; // in front of the second IDR and later ones
};

void PrintTo(const ts_sample& sample, std::ostream* out) {
    *out << sample.name;
}

class ts_demuxer_sample : public testing::TestWithParam<ts_sample> {};

INSTANTIATE_TEST_SUITE_P(
    each,
    ts_demuxer_sample,
    testing::Values(
        ts_sample{"aac", codec::h264, codec::aac, 7, false},
        ts_sample{"opus", codec::h264, codec::opus, 0, false},
        ts_sample{"mp3", codec::h264, codec::mp3, 0, false},
        ts_sample{"h265", codec::h265, codec::none, 0, false},
        ts_sample{"gst", codec::h264, codec::none, 0, true}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST_P(ts_demuxer_sample, finds_the_same_packets_as_ffprobe) {
    const auto& sample = GetParam();
    auto ts = test::read_sample(std::string(sample.name) + ".ts");
    auto probed = test::read_probe(std::string(sample.name) + ".packets");
    auto found = demux(ts, 1316);
    EXPECT_EQ(found.counters.dropped_units, 0u);
    EXPECT_EQ(found.counters.discontinuities, 0u);
    EXPECT_EQ(found.counters.lost_sync_bytes, 0u);
    ASSERT_FALSE(found.formats.empty());
    const auto& format = found.formats.back();
    ASSERT_TRUE(format.video);
    EXPECT_EQ(format.video->type, sample.video);
    EXPECT_GT(format.video->width, 0);
    EXPECT_EQ(format.audio ? format.audio->type : codec::none, sample.audio);

    for (auto kind : {track_kind::video, track_kind::audio}) {
        auto units = only(found.units, kind);
        std::vector<test::probed_packet> expected;
        for (const auto& packet : probed)
            if (packet.kind == kind)
                expected.push_back(packet);
        ASSERT_EQ(units.size(), expected.size());
        for (std::size_t i = 0; i < units.size(); ++i) {
            std::size_t header = kind == track_kind::audio ? sample.audio_header : 0;
            EXPECT_EQ(units[i].pts, expected[i].pts) << i;
            EXPECT_EQ(units[i].dts, expected[i].dts) << i;
            EXPECT_EQ(units[i].keyframe, expected[i].key) << i;
            std::size_t size = units[i].data.size() + header;
            if (sample.video == codec::h265) {
                // ffprobe counts the zero in front of a start code to the unit before.
                EXPECT_NEAR(double(size), double(expected[i].size), 1) << i;
                continue;
            }
            if (sample.lacks_parameter_sets && expected[i].key && i > 0)
                size -= 8 + format.video->sps.size() + format.video->pps.size();
            EXPECT_EQ(size, expected[i].size) << i;
        }
    }
}

TEST_P(ts_demuxer_sample, does_not_mind_how_the_bytes_are_cut) {
    auto ts = test::read_sample(std::string(GetParam().name) + ".ts");
    auto whole = demux(ts, ts.size());
    for (std::size_t piece : {1u, 7u, 187u, 189u, 1000u}) {
        auto cut = demux(ts, piece);
        ASSERT_EQ(cut.units.size(), whole.units.size()) << piece;
        EXPECT_EQ(cut.formats, whole.formats) << piece;
        for (std::size_t i = 0; i < cut.units.size(); ++i)
            EXPECT_TRUE(std::ranges::equal(cut.units[i].data.view(), whole.units[i].data.view()));
    }
}

TEST(ts_demuxer, says_the_format_before_the_first_unit_of_a_track) {
    auto ts = test::read_sample("aac.ts");
    stream_format known;
    std::size_t early = 0;
    ts_demuxer demuxer(
        {[&](const stream_format& format) { known = format; },
         [&](access_unit unit) {
             if (unit.kind == track_kind::video)
                 early += !known.video || known.video->width == 0;
             else
                 early += !known.audio || known.audio->config.empty();
         }}
    );
    demuxer.push(ts);
    EXPECT_EQ(early, 0u);
    EXPECT_EQ(known.video->width, 320);
    EXPECT_EQ(known.video->height, 180);
    EXPECT_EQ(known.audio->sample_rate, 48'000);
}

// ffmpeg leaves the length out of video PES packets; after a few, their stuffing tells the end.
TEST(ts_demuxer, an_unbounded_frame_leaves_with_its_last_packet) {
    auto ts = test::read_sample("aac.ts");
    int prompt = 0, late = 0;
    std::size_t starts = 0, frames = 0;
    ts_demuxer demuxer({{}, [&](access_unit unit) { frames += unit.kind == track_kind::video; }});
    for (std::size_t at = 0; at + 188 <= ts.size(); at += 188) {
        auto packet = byte_span(ts).subspan(at, 188);
        int pid = (packet[1] & 0x1f) << 8 | packet[2];
        if (pid == 0x100 && packet[1] & 0x40) {
            if (starts > 5)
                (frames == starts ? prompt : late)++; // before the first packet of the next frame
            ++starts;
        }
        demuxer.push(packet);
    }
    EXPECT_GT(prompt, 75);
    EXPECT_LT(late, 5) << "only a frame that fills its last packet exactly has to wait";
}

TEST(ts_demuxer, stops_trusting_stuffing_that_does_not_end_frames) {
    // Frames of three packets whose second one is stuffed too.
    auto ts = test::read_sample("gst.ts");
    std::vector<access_unit> units;
    ts_demuxer demuxer({{}, [&](access_unit unit) { units.push_back(std::move(unit)); }});
    std::vector<std::uint8_t> stream;
    std::vector<std::uint8_t> tables(ts.begin(), ts.begin() + 2 * 188);
    demuxer.push(ts);
    std::size_t before = units.size();
    ASSERT_GT(before, 10u);

    std::uint8_t counter = 0;
    int pid = -1;
    for (std::size_t at = 0; at + 188 <= ts.size(); at += 188) {
        int p = (ts[at + 1] & 0x1f) << 8 | ts[at + 2];
        bool pes = ts[at + 1] & 0x40 && ts[at + 3] & 0x10 && p != 0 && p != 0x20;
        if (pes)
            pid = p;
        if (p == pid && ts[at + 3] & 0x10)
            counter = ts[at + 3] & 0xf;
    }
    ASSERT_GE(pid, 0);
    auto packet = [&](bool start, int stuffing, std::uint8_t fill) {
        std::vector<std::uint8_t> p{
            0x47, std::uint8_t((start ? 0x40 : 0) | pid >> 8), std::uint8_t(pid)};
        counter = (counter + 1) & 0xf;
        p.push_back(std::uint8_t((stuffing ? 0x30 : 0x10) | counter));
        if (stuffing) {
            p.push_back(std::uint8_t(stuffing - 1));
            if (stuffing > 1)
                p.push_back(0);
            p.resize(p.size() + std::size_t(std::max(0, stuffing - 2)), 0xff);
        }
        if (start) {
            std::uint8_t header[] = {0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1};
            p.insert(p.end(), std::begin(header), std::end(header));
            p.insert(p.end(), {0, 0, 0, 1, 0x41});
        }
        p.resize(188, fill);
        return p;
    };
    units.clear();
    for (int i = 0; i < 10; ++i)
        for (auto& p : {packet(true, 0, 0x11), packet(false, 20, 0x22), packet(false, 0, 0x33)})
            demuxer.push(p);
    demuxer.flush();
    ASSERT_GE(units.size(), 9u);
    for (std::size_t i = units.size() - 8; i < units.size(); ++i)
        EXPECT_EQ(units[i].data.view().back(), 0x33) << "whole again";
}

TEST(ts_demuxer, finds_its_feet_after_foreign_bytes) {
    auto ts = test::read_sample("aac.ts");
    std::vector<std::uint8_t> dirty;
    for (std::size_t at = 0; at < ts.size(); at += 188) {
        if (at == 188 * 100)
            dirty.insert(dirty.end(), 77, 0x47);
        if (at == 188 * 200)
            dirty.insert(dirty.end(), 500, 0x00);
        dirty.insert(
            dirty.end(), ts.begin() + std::ptrdiff_t(at), ts.begin() + std::ptrdiff_t(at + 188)
        );
    }
    auto clean = demux(ts, 1316), found = demux(dirty, 1316);
    EXPECT_GE(found.units.size() + 6, clean.units.size());
    EXPECT_GT(found.counters.lost_sync_bytes, 500u);
}

TEST(ts_demuxer, drops_a_frame_that_lost_a_packet_and_no_other) {
    auto ts = test::read_sample("gst.ts");
    auto clean = only(demux(ts, ts.size()).units, track_kind::video);
    // A middle packet of some frame: payload without a start.
    std::size_t victim = 0;
    for (std::size_t at = 188 * 40; at + 188 <= ts.size(); at += 188)
        if (!(ts[at + 1] & 0x40) && (ts[at + 3] & 0x30) == 0x10) {
            victim = at;
            break;
        }
    ASSERT_GT(victim, 0u);
    ts.erase(ts.begin() + std::ptrdiff_t(victim), ts.begin() + std::ptrdiff_t(victim + 188));
    auto found = demux(ts, ts.size());
    EXPECT_EQ(found.counters.discontinuities, 1u);
    EXPECT_EQ(only(found.units, track_kind::video).size() + 1, clean.size());
}

TEST(ts_demuxer, takes_segments_whose_counters_start_again) {
    auto ts = test::read_sample("gst.ts");
    std::vector<std::uint8_t> twice = ts;
    twice.insert(twice.end(), ts.begin(), ts.end());
    auto once = demux(ts, 1316), both = demux(twice, 1316);
    EXPECT_EQ(both.units.size(), 2 * once.units.size()) << "new tables announce the restart";

    std::size_t units = 0;
    ts_demuxer demuxer({{}, [&](access_unit) { ++units; }});
    for (int i = 0; i < 3; ++i) {
        demuxer.push(ts);
        demuxer.reset_continuity();
    }
    EXPECT_EQ(units, 3 * once.units.size());
    EXPECT_EQ(demuxer.counters().discontinuities, 0u);
}

TEST(ts_demuxer, ignores_a_packet_that_is_sent_twice) {
    auto ts = test::read_sample("aac.ts");
    std::vector<std::uint8_t> doubled;
    for (std::size_t at = 0; at < ts.size(); at += 188)
        for (int i = 0; i < 2; ++i)
            doubled.insert(
                doubled.end(),
                ts.begin() + std::ptrdiff_t(at),
                ts.begin() + std::ptrdiff_t(at + 188)
            );
    EXPECT_EQ(demux(doubled, 1316).units.size(), demux(ts, 1316).units.size());
}

TEST(ts_demuxer, holds_no_more_than_the_longest_pes_allowed) {
    auto ts = test::read_sample("aac.ts");
    std::size_t largest = 0, units = 0;
    ts_demuxer demuxer(
        {{},
         [&](access_unit unit) {
             largest = std::max(largest, unit.data.size());
             ++units;
         }},
        {.max_pes_bytes = 1000}
    );
    demuxer.push(ts);
    demuxer.flush();
    EXPECT_LE(largest, 1000u);
    EXPECT_GT(demuxer.counters().dropped_units, 0u);
}

TEST(ts_demuxer, says_nothing_about_noise) {
    std::vector<std::uint8_t> noise(100'000);
    std::uint32_t state = 1;
    for (auto& byte : noise)
        byte = std::uint8_t((state = state * 1664525 + 1013904223) >> 24);
    EXPECT_TRUE(demux(noise, 777).units.empty());
}

} // namespace rivulet::media
