#include "media/h264.hpp"
#include "media/rtcp.hpp"
#include "media/rtp_depayloader.hpp"
#include "media/rtp_ingest.hpp"
#include "support/rtp_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <malloc.h>
#include <random>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;
using test::by_picture;
using test::rtp_video;

constexpr int pt = 102, rtx_pt = 103;
constexpr std::uint32_t ssrc = 1234, rtx_ssrc = 5678, audio_ssrc = 99;

const std::string h264_line =
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=3000 ! "
    "video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1";

// A publisher and the receiver on a line with 20 ms each way; time is the test's.
struct rig {
    rtp_ingest_options options;
    std::unique_ptr<rtp_ingest> ingest;
    time_point now = time_point{} + 1h;
    std::vector<access_unit> units, sounds;
    std::vector<video_format> formats;
    std::vector<rtcp_feedback> feedback;
    int transport_reports = 0;

    // the publisher
    test::rtx_sender rtx{rtx_pt, rtx_ssrc};
    std::map<std::uint16_t, test::rtp_bytes> sent;
    std::deque<std::pair<time_point, test::rtp_bytes>> line;
    double loss = 0;
    std::mt19937 random{3};
    bool keyframe_asked = false;

    explicit rig(codec type = codec::h264, bool nack = true) {
        options.video.type = type;
        options.video.payload_type = pt;
        options.video.rtx = rtx_pt;
        options.video.nack = nack;
        options.video.pli = true;
    }

    void begin() {
        rtp_ingest_events events;
        events.unit = [this](access_unit unit) {
            (unit.kind == track_kind::video ? units : sounds).push_back(std::move(unit));
        };
        events.format = [this](const video_format& format) { formats.push_back(format); };
        events.rtcp = [this](std::span<const std::uint8_t> compound) { answer(compound); };
        ingest = rtp_ingest::create(options, std::move(events), logger("test")).value();
    }

    void answer(std::span<const std::uint8_t> compound) {
        for (std::size_t at = 0; at + 4 <= compound.size();
             at += (std::size_t(compound[at + 2] << 8 | compound[at + 3]) + 1) * 4)
            transport_reports += compound[at + 1] == 205 && (compound[at] & 0x1f) == 15;
        auto read = parse_rtcp(compound).value();
        for (const auto& nack : read.nacks)
            if (auto found = sent.find(nack.sequence); found != sent.end() && options.video.rtx)
                put(rtx.wrap(found->second), 40ms);
        keyframe_asked = keyframe_asked || !read.keyframes.empty();
        feedback.push_back(std::move(read));
    }

    void put(test::rtp_bytes packet, duration delay = 20ms) {
        if (std::uniform_real_distribution<>(0, 1)(random) < loss)
            return;
        line.emplace_back(now + delay, std::move(packet));
    }

    void send(const test::rtp_bytes& packet) {
        sent[parse_rtp(packet)->sequence] = packet;
        put(packet);
    }

    void pass(duration time) {
        auto until = now + time;
        for (; now < until; now += 1ms) {
            std::stable_sort(line.begin(), line.end(), [](auto& a, auto& b) {
                return a.first < b.first;
            });
            while (!line.empty() && line.front().first <= now) {
                ingest->rtp(line.front().second, now);
                line.pop_front();
            }
            if (ingest->deadline() <= now)
                ingest->tick(now);
        }
    }

    void play(const std::vector<test::rtp_bytes>& packets) {
        for (const auto& picture : by_picture(packets)) {
            for (const auto& packet : picture)
                send(packet);
            pass(33ms);
        }
        pass(1s);
    }
};

struct row {
    const char* name;
    codec type;
    std::string encode;
};

} // namespace

class rtp_ingest_codec : public testing::TestWithParam<row> {};

INSTANTIATE_TEST_SUITE_P(
    each,
    rtp_ingest_codec,
    testing::Values(
        row{"h264", codec::h264, h264_line},
        row{"vp8",
            codec::vp8,
            "vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=15-bit"},
        row{"vp9", codec::vp9, "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=30 ! rtpvp9pay"},
        row{"h265",
            codec::h265,
            "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! rtph265pay "
            "config-interval=-1"}
    ),
    [](const auto& info) { return info.param.name; }
);

TEST_P(rtp_ingest_codec, every_picture_comes_out_once_with_its_time) {
    rig line(GetParam().type);
    line.begin();
    line.play(rtp_video(GetParam().encode, 70, pt, ssrc));
    ASSERT_EQ(line.units.size(), 70u);
    for (std::size_t i = 0; i < 70; ++i) {
        EXPECT_NEAR(double(line.units[i].pts), double(i) * 3'000, 1) << i;
        EXPECT_EQ(line.units[i].dts, line.units[i].pts) << i;
        EXPECT_EQ(line.units[i].keyframe, i % 30 == 0) << i;
    }
    auto stats = line.ingest->stats();
    EXPECT_EQ(stats.pictures, 70u);
    EXPECT_EQ(stats.keyframes, 3u);
    EXPECT_EQ(stats.lost, 0u);
    EXPECT_EQ(stats.damaged, 0u);
}

TEST_P(rtp_ingest_codec, lost_packets_are_asked_for_again_and_no_picture_is_missing) {
    rig line(GetParam().type);
    line.loss = 0.05;
    line.begin();
    auto packets = rtp_video(GetParam().encode, 120, pt, ssrc);
    line.play(packets);
    auto stats = line.ingest->stats();
    EXPECT_GT(stats.lost, 0u);
    EXPECT_GT(stats.nacks, 0u);
    EXPECT_GT(stats.recovered, 0u);
    EXPECT_GE(line.units.size(), 118u);
    EXPECT_EQ(stats.given_up, 0u);
    EXPECT_GT(stats.round_trip, 0ms);
}

TEST(rtp_ingest, a_picture_leaves_with_its_last_packet) {
    rig line;
    line.begin();
    auto pictures = by_picture(rtp_video(h264_line, 10, pt, ssrc));
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        for (const auto& packet : pictures[i])
            line.ingest->rtp(packet, line.now);
        EXPECT_EQ(line.units.size(), i + 1);
        line.now += 33ms;
    }
}

TEST(rtp_ingest, says_the_format_before_the_first_picture) {
    rig line;
    line.begin();
    line.play(rtp_video(h264_line, 5, pt, ssrc));
    ASSERT_EQ(line.formats.size(), 1u);
    EXPECT_EQ(line.formats[0].width, 320);
    EXPECT_EQ(line.formats[0].height, 240);
    EXPECT_FALSE(line.formats[0].pps.empty());
}

TEST(rtp_ingest, puts_parameter_sets_in_front_of_every_keyframe) {
    rig line;
    line.begin();
    int keyframes = 0, left_out = 0;
    std::uint16_t sequence = 100;
    for (const auto& picture : by_picture(rtp_video(h264_line, 70, pt, ssrc))) {
        bool first = sequence == 100;
        for (auto packet : picture) {
            int type = packet[12] & 0x1f;
            if (!first && (type == h264::sps || type == h264::pps)) {
                ++left_out; // some encoders say them once
                continue;
            }
            packet[2] = std::uint8_t(sequence >> 8);
            packet[3] = std::uint8_t(sequence++);
            line.send(packet);
        }
        line.pass(33ms);
    }
    EXPECT_GE(left_out, 4);
    ASSERT_EQ(line.units.size(), 70u);
    for (const auto& unit : line.units)
        if (unit.keyframe) {
            ++keyframes;
            auto sets = h264::find_parameter_sets(unit.data.view());
            EXPECT_FALSE(sets.sps.empty());
            EXPECT_FALSE(sets.pps.empty());
        }
    EXPECT_EQ(keyframes, 3);
}

TEST(rtp_ingest, leaves_damaged_pictures_out_until_a_keyframe) {
    rig line(codec::h264, false);
    line.begin();
    auto pictures = by_picture(rtp_video(h264_line, 90, pt, ssrc));
    ASSERT_EQ(pictures.size(), 90u);
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        for (std::size_t k = 0; k < pictures[i].size(); ++k)
            if (i != 40 || k != 0)
                line.send(pictures[i][k]);
        if (i == 40)
            line.keyframe_asked = false;
        line.pass(33ms);
    }
    line.pass(1s);
    EXPECT_TRUE(line.keyframe_asked);
    std::vector<std::int64_t> frames;
    for (const auto& unit : line.units)
        frames.push_back((unit.pts + 1) / 3'000);
    EXPECT_EQ(frames[39], 39);
    EXPECT_EQ(frames[40], 60) << "the next keyframe";
    EXPECT_TRUE(line.units[40].keyframe);
    EXPECT_EQ(frames.size(), 70u);
}

TEST(rtp_ingest, asks_for_a_keyframe_at_once_and_every_two_seconds) {
    rig line;
    line.begin();
    line.play(rtp_video(h264_line, 150, pt, ssrc));
    std::size_t asked = 0;
    for (const auto& one : line.feedback)
        asked += one.keyframes.size();
    EXPECT_EQ(asked, line.ingest->stats().keyframe_requests);
    EXPECT_GE(asked, 3u); // 0, 2, 4 s
    EXPECT_LE(asked, 8u);
    line.ingest->request_keyframe(line.now);
    line.pass(300ms);
    std::size_t later = 0;
    for (const auto& one : line.feedback)
        later += one.keyframes.size();
    EXPECT_GT(later, asked);
}

TEST(rtp_ingest, reports_reception_and_transport_wide_arrivals) {
    rig line;
    line.options.transport_cc = 5;
    line.begin();
    std::uint16_t number = 65'530;
    for (const auto& picture : by_picture(rtp_video(h264_line, 60, pt, ssrc))) {
        for (const auto& packet : picture)
            line.send(test::with_extension(packet, 5, number++));
        line.pass(33ms);
    }
    EXPECT_EQ(line.units.size(), 60u);
    EXPECT_GT(line.transport_reports, 15);
    std::size_t reports = 0;
    for (const auto& one : line.feedback)
        for (const auto& block : one.reports) {
            ++reports;
            EXPECT_EQ(block.ssrc, ssrc);
            EXPECT_EQ(block.fraction_lost, 0);
        }
    EXPECT_GE(reports, 2u);
}

TEST(rtp_ingest, b_frames_get_decoding_times) {
    rig line;
    line.begin();
    line.play(rtp_video(
        "x264enc speed-preset=veryfast bframes=2 b-adapt=false key-int-max=30 rc-lookahead=3 ! "
        "video/x-h264,profile=main ! rtph264pay config-interval=-1",
        60,
        pt,
        ssrc
    ));
    ASSERT_GE(line.units.size(), 55u);
    EXPECT_GT(line.ingest->stats().reordered, 0u);
    bool reordered = false;
    for (std::size_t i = 1; i < line.units.size(); ++i) {
        EXPECT_GT(line.units[i].dts, line.units[i - 1].dts) << i;
        EXPECT_LE(line.units[i].dts, line.units[i].pts) << i;
        reordered = reordered || line.units[i].pts < line.units[i - 1].pts;
    }
    EXPECT_TRUE(reordered);
}

TEST(rtp_ingest, audio_starts_with_the_video_and_is_placed_by_reports) {
    rig line;
    line.options.audio = rtp_track{codec::opus, 111};
    line.begin();
    auto pictures = by_picture(rtp_video(h264_line, 60, pt, ssrc));
    auto tones = test::rtp_opus(110, 111, audio_ssrc);
    ASSERT_GE(tones.size(), 100u);
    std::size_t tone = 0;
    for (int i = 0; i < 5; ++i)
        line.ingest->rtp(tones[tone++], line.now);
    EXPECT_TRUE(line.sounds.empty());
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        for (const auto& packet : pictures[i])
            line.send(packet);
        line.pass(33ms);
        for (; tone < tones.size() && (tone - 5) * 20 <= i * 33; ++tone)
            line.send(tones[tone]);
        if (i == 10) {
            auto video = parse_rtp(pictures[0][0])->timestamp;
            auto audio = parse_rtp(tones[5])->timestamp;
            // Taken 120 ms after the first picture, whenever it came.
            rtcp_sender_report reports[] = {
                {ssrc, std::uint64_t{4'000'000'000} << 32, video, 0, 0},
                {audio_ssrc,
                 (std::uint64_t{4'000'000'000} << 32) + std::uint64_t(0.12 * 4294967296.0),
                 audio,
                 0,
                 0}};
            line.ingest->rtcp(write_sender_reports(reports, "x"), line.now);
        }
    }
    line.pass(200ms);
    ASSERT_GT(line.sounds.size(), 80u);
    EXPECT_TRUE(line.ingest->stats().aligned);
    for (std::size_t i = 1; i < line.sounds.size(); ++i)
        EXPECT_GT(line.sounds[i].pts, line.sounds[i - 1].pts);
    auto last = line.sounds.size() - 1;
    double taken = 0.12 * 90'000 + double(tone - 5 - 1) * 1'800;
    EXPECT_NEAR(double(line.sounds[last].pts), taken, 90 * 5) << "5 ms";
}

TEST(rtp_ingest, mends_times_that_count_microseconds) {
    rig line;
    line.options.correct_timestamps = true;
    line.begin();
    auto pictures = by_picture(rtp_video(h264_line, 60, pt, ssrc));
    std::uint32_t timestamp = 4'294'000'000u;
    for (auto& picture : pictures) {
        for (auto& packet : picture) {
            for (int i = 0; i < 4; ++i)
                packet[std::size_t(4 + i)] = std::uint8_t(timestamp >> (24 - 8 * i));
            line.send(packet);
        }
        timestamp += 33'333;
        line.pass(33ms);
    }
    ASSERT_EQ(line.units.size(), 60u);
    EXPECT_TRUE(line.ingest->stats().corrected);
    for (std::size_t i = 0; i < 60; ++i)
        EXPECT_NEAR(double(line.units[i].pts), double(i) * 3'000, 3) << i;
}

TEST(rtp_ingest, probes_strangers_and_noise_are_passed_over) {
    rig line;
    line.begin();
    std::mt19937 random(5);
    auto pictures = by_picture(rtp_video(h264_line, 40, pt, ssrc));
    int extra = 0;
    std::uint16_t shift = 0;
    for (auto& picture : pictures) {
        for (auto packet : picture) {
            auto sequence = std::uint16_t(parse_rtp(packet)->sequence + shift);
            packet[2] = std::uint8_t(sequence >> 8);
            packet[3] = std::uint8_t(sequence);
            line.send(packet);
        }
        // A packet of padding only takes a sequence number of the stream.
        auto padding = picture.back();
        auto sequence = std::uint16_t(parse_rtp(padding)->sequence + ++shift);
        padding.resize(12);
        padding[0] = 0xa0;
        padding[2] = std::uint8_t(sequence >> 8);
        padding[3] = std::uint8_t(sequence);
        padding.resize(12 + 200);
        padding.back() = 200;
        line.send(padding);
        auto stranger = picture.front();
        stranger[8] ^= 0xff;
        line.put(stranger);
        test::rtp_bytes noise(std::size_t(random() % 200));
        for (auto& octet : noise)
            octet = std::uint8_t(random());
        line.put(noise);
        line.ingest->rtcp(noise, line.now);
        ++extra;
        line.pass(33ms);
    }
    EXPECT_EQ(line.units.size(), 40u);
    EXPECT_EQ(line.ingest->stats().damaged, 0u);
}

TEST(rtp_ingest, goes_on_with_a_new_stream_of_the_publisher) {
    rig line;
    line.begin();
    line.play(rtp_video(h264_line, 31, pt, ssrc));
    line.pass(1s);
    line.play(rtp_video(h264_line, 31, pt, 777));
    ASSERT_EQ(line.units.size(), 62u);
    for (std::size_t i = 1; i < 62; ++i)
        EXPECT_GT(line.units[i].pts, line.units[i - 1].pts);
    EXPECT_NEAR(double(line.units[31].pts - line.units[30].pts), 2 * 90'000, 9'000) << "the pause";
}

TEST(rtp_ingest, a_jump_of_the_clock_is_closed) {
    rig line;
    line.begin();
    std::uint32_t shift = 0;
    for (auto& picture : by_picture(rtp_video(h264_line, 60, pt, ssrc))) {
        if (line.units.size() >= 20)
            shift = 3'000'000'000u;
        for (auto& packet : picture) {
            auto timestamp = parse_rtp(packet)->timestamp + shift;
            for (int i = 0; i < 4; ++i)
                packet[std::size_t(4 + i)] = std::uint8_t(timestamp >> (24 - 8 * i));
            line.send(packet);
        }
        line.pass(33ms);
    }
    ASSERT_EQ(line.units.size(), 60u);
    for (std::size_t i = 1; i < 60; ++i)
        EXPECT_NEAR(double(line.units[i].pts - line.units[i - 1].pts), 3'000, 600) << i;
}

TEST(rtp_ingest, damaged_payloads_do_no_harm) {
    for (const auto& row :
         {std::pair{codec::h264, h264_line},
          std::pair{codec::vp8, std::string("vp8enc deadline=1 ! rtpvp8pay")},
          std::pair{codec::vp9, std::string("vp9enc deadline=1 cpu-used=8 ! rtpvp9pay")}}) {
        rig line(row.first, false);
        line.begin();
        std::mt19937 random(9);
        for (auto& picture : by_picture(rtp_video(row.second, 60, pt, ssrc))) {
            for (auto& packet : picture) {
                if (random() % 3 == 0)
                    for (int i = 0; i < 5; ++i)
                        packet[12 + random() % (packet.size() - 12)] = std::uint8_t(random());
                if (random() % 10 == 0)
                    packet.resize(13 + random() % 20);
                line.send(packet);
            }
            line.pass(33ms);
        }
    }
}

TEST(rtp_ingest, a_picture_without_end_takes_no_memory_without_end) {
    rig line(codec::h264, false);
    line.begin();
    const auto pictures = by_picture(rtp_video(h264_line, 60, pt, ssrc));
    for (std::size_t i = 0; i < 10; ++i)
        for (const auto& packet : pictures[i])
            line.ingest->rtp(packet, line.now);
    ASSERT_EQ(line.units.size(), 10u);
    // Slices of one picture; its marker never comes.
    test::rtp_bytes slice = pictures[10][0];
    slice[1] = pt;
    slice.resize(12);
    slice.push_back(0x41);
    slice.push_back(0x4b); // not its first macroblock
    slice.resize(1'200, 0x55);
    auto sequence = parse_rtp(pictures[9].back())->sequence;
    const auto number = [&](test::rtp_bytes packet) {
        ++sequence;
        packet[2] = std::uint8_t(sequence >> 8);
        packet[3] = std::uint8_t(sequence);
        return packet;
    };
    const auto before = mallinfo2().uordblks;
    std::size_t most = 0;
    for (int i = 0; i < 30'000; ++i) { // 36 MB
        line.ingest->rtp(number(slice), line.now);
        if (i % 100 == 0)
            most = std::max(most, mallinfo2().uordblks - before);
    }
    EXPECT_LT(most, 24u << 20);
    EXPECT_GT(line.ingest->stats().damaged, 0u);
    for (std::size_t i = 30; i < 60; ++i)
        for (const auto& packet : pictures[i])
            line.ingest->rtp(number(packet), line.now);
    EXPECT_GE(line.units.size(), 39u);
    EXPECT_TRUE(line.units[10].keyframe);
}

TEST(rtp_ingest, a_parameter_set_out_of_all_proportion_is_not_repeated) {
    rig line(codec::h264, false);
    line.begin();
    const auto pictures = by_picture(rtp_video(h264_line, 40, pt, ssrc));
    for (std::size_t i = 0; i < 10; ++i)
        for (const auto& packet : pictures[i])
            line.ingest->rtp(packet, line.now);
    ASSERT_EQ(line.formats.size(), 1u);
    auto sequence = parse_rtp(pictures[9].back())->sequence;
    const auto give = [&](test::rtp_bytes packet) {
        ++sequence;
        packet[2] = std::uint8_t(sequence >> 8);
        packet[3] = std::uint8_t(sequence);
        line.ingest->rtp(packet, line.now);
    };
    // The known SPS with 120 kB behind it, in fragments.
    auto sps = line.formats[0].sps;
    sps.resize(120'000, 0x55);
    for (std::size_t at = 1; at < sps.size(); at += 1'000) {
        test::rtp_bytes packet(pictures[10][0].begin(), pictures[10][0].begin() + 12);
        const auto end = std::min(at + 1'000, sps.size());
        packet[1] = std::uint8_t(pt | (end == sps.size() ? 0x80 : 0));
        packet.push_back(0x7c); // FU-A
        packet.push_back(std::uint8_t(7 | (at == 1 ? 0x80 : 0) | (end == sps.size() ? 0x40 : 0)));
        packet.insert(packet.end(), sps.begin() + long(at), sps.begin() + long(end));
        give(packet);
    }
    for (std::size_t i = 30; i < 40; ++i)
        for (const auto& packet : pictures[i]) {
            const auto type = packet[12] & 0x1f;
            if (type != 7 && type != 8 && type != 24)
                give(packet);
        }
    ASSERT_GT(line.units.size(), 10u);
    EXPECT_TRUE(line.units[10].keyframe);
    EXPECT_LT(line.units[10].data.size(), 100'000u);
    EXPECT_EQ(line.formats.size(), 1u);
}

TEST(rtp_ingest, av1_is_never_taken) {
    EXPECT_FALSE(can_depayload(codec::av1));
    EXPECT_TRUE(can_depayload(codec::h264));
    rtp_ingest_options options;
    options.video.type = codec::av1;
    auto made = rtp_ingest::create(options, {}, logger("test"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unsupported);
}

} // namespace rivulet::media
