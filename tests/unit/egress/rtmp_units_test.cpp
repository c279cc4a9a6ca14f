#include "egress/rtmp_units.hpp"
#include "ingest/rtmp_amf0.hpp"
#include "media/flv_tag.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;
using ingest::rtmp_message;
using ingest::rtmp_type;

namespace {

std::shared_ptr<media::stream_format> av_format() {
    auto made = std::make_shared<media::stream_format>();
    auto& video = made->video.emplace();
    video.type = media::codec::h264;
    video.width = 640;
    video.height = 360;
    video.sps = {0x67, 0x42, 0xc0, 0x1e, 1};
    video.pps = {0x68, 2};
    auto& audio = made->audio.emplace();
    audio.type = media::codec::aac;
    audio.sample_rate = 48'000;
    audio.channels = 2;
    audio.config = {0x11, 0x90};
    return made;
}

feed_step step(
    media::track_kind kind,
    bool key,
    std::int64_t dts,
    std::shared_ptr<const media::stream_format> format
) {
    auto made = std::make_shared<feed_unit>();
    made->unit.kind = kind;
    made->unit.keyframe = key;
    made->unit.dts = dts;
    made->unit.pts = dts + 3600;
    const std::vector<std::uint8_t> data = kind == media::track_kind::video
                                               ? std::vector<std::uint8_t>{0, 0, 0, 1, 0x65, 1, 2}
                                               : std::vector<std::uint8_t>{0x21, 3};
    made->unit.data = bytes::copy_of(data);
    made->format = std::move(format);
    feed_step s;
    s.unit = std::move(made);
    return s;
}

constexpr auto video = media::track_kind::video;
constexpr auto audio = media::track_kind::audio;

} // namespace

TEST(rtmp_units, sends_metadata_and_sequence_headers_before_the_first_frames) {
    rtmp_units units(rtmp_times::as_they_are);
    const auto format = av_format();
    std::vector<rtmp_message> out;
    EXPECT_TRUE(units.append(step(video, true, 90'000, format), out));
    EXPECT_TRUE(units.append(step(audio, true, 91'800, format), out));
    EXPECT_TRUE(units.append(step(video, false, 93'600, format), out));
    ASSERT_EQ(out.size(), 6u);
    const auto meta = ingest::parse_amf0(out[0].payload.view()).value();
    EXPECT_EQ(meta[0].text(), "onMetaData");
    EXPECT_EQ(meta[1]["width"].number(), 640);
    EXPECT_EQ(
        media::parse_flv_video(out[1].payload.view())->packet, media::flv_packet::sequence_header
    );
    const auto frame = media::parse_flv_video(out[2].payload.view()).value();
    EXPECT_EQ(frame.packet, media::flv_packet::frame);
    EXPECT_TRUE(frame.keyframe);
    EXPECT_EQ(frame.composition_time, 40);
    EXPECT_EQ(out[2].timestamp, 1000u);
    EXPECT_EQ(
        media::parse_flv_audio(out[3].payload.view())->packet, media::flv_packet::sequence_header
    );
    EXPECT_EQ(out[4].timestamp, 1020u);
    EXPECT_EQ(out[5].timestamp, 1040u);
}

TEST(rtmp_units, counts_from_zero_when_asked_and_never_below) {
    rtmp_units units(rtmp_times::from_zero);
    const auto format = av_format();
    std::vector<rtmp_message> out;
    units.append(step(video, true, 900'000, format), out);
    units.append(step(audio, true, 899'000, format), out);
    units.append(step(video, false, 903'600, format), out);
    EXPECT_EQ(out.front().timestamp, 0u);
    EXPECT_EQ(out[4].timestamp, 0u);
    EXPECT_EQ(out.back().timestamp, 40u);
}

TEST(rtmp_units, goes_on_rising_when_the_streams_clock_jumps) {
    rtmp_units units(rtmp_times::from_zero);
    const auto format = av_format();
    std::vector<rtmp_message> out;
    std::uint32_t last = 0;
    const auto next = [&](std::int64_t dts) {
        units.append(step(video, true, dts, format), out);
        const auto rise = out.back().timestamp - last;
        last = out.back().timestamp;
        return rise;
    };
    next(900'000'000);
    EXPECT_EQ(next(900'003'600), 40u);
    for (std::int64_t restart : {std::int64_t{0}, std::int64_t{1} << 40}) {
        const auto rise = next(restart);
        EXPECT_GT(rise, 0u);
        EXPECT_LT(rise, 1000u);
        EXPECT_EQ(next(restart + 3600), 40u);
    }
    EXPECT_EQ(next(std::int64_t{1} << 40), 0u); // a little back: never below what was sent
}

TEST(rtmp_units, sends_a_new_sequence_header_only_when_the_format_really_changed) {
    rtmp_units units(rtmp_times::as_they_are);
    std::vector<rtmp_message> out;
    units.append(step(video, true, 0, av_format()), out);
    out.clear();
    units.append(step(video, true, 3600, av_format()), out); // equal, another object
    EXPECT_EQ(out.size(), 1u);
    auto changed = av_format();
    changed->video->sps[3] = 0x28;
    out.clear();
    units.append(step(video, true, 7200, changed), out);
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(
        media::parse_flv_video(out[0].payload.view())->packet, media::flv_packet::sequence_header
    );
}

TEST(rtmp_units, builds_a_body_once_for_all_viewers) {
    const auto one = step(video, true, 0, av_format());
    rtmp_units first(rtmp_times::as_they_are), second(rtmp_times::from_zero);
    std::vector<rtmp_message> a, b;
    first.append(one, a);
    second.append(one, b);
    EXPECT_EQ(a.back().payload.data(), b.back().payload.data());
}

TEST(rtmp_units, leaves_out_what_has_no_rtmp_form) {
    rtmp_units units(rtmp_times::as_they_are);
    auto format = av_format();
    format->audio->type = media::codec::opus;
    format->video->type = media::codec::h265;
    std::vector<rtmp_message> out;
    EXPECT_FALSE(units.append(step(video, true, 0, format), out));
    EXPECT_FALSE(units.append(step(audio, true, 0, format), out));
    EXPECT_TRUE(out.empty());
}

TEST(rtmp_units, time_wraps_at_32_bits_of_milliseconds) {
    rtmp_units units(rtmp_times::as_they_are);
    std::vector<rtmp_message> out;
    const std::int64_t wrap = (std::int64_t{1} << 32) * 90;
    units.append(step(video, true, wrap + 90, av_format()), out);
    EXPECT_EQ(out.back().timestamp, 1u);
}
