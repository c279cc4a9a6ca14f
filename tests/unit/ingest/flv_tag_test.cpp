#include "media/flv_tag.hpp"
#include "media/flv_write.hpp"
#include "media/h264.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::media;

namespace {

using raw = std::vector<std::uint8_t>;

raw bytes_of(const bytes& b) {
    return {b.view().begin(), b.view().end()};
}

} // namespace

TEST(flv_tag, reads_an_avc_frame_with_a_negative_composition_time) {
    const raw body{0x27, 1, 0xff, 0xff, 0xd6, 0xaa};
    const auto header = parse_flv_video(body).value();
    EXPECT_EQ(header.type, codec::h264);
    EXPECT_FALSE(header.keyframe);
    EXPECT_EQ(header.packet, flv_packet::frame);
    EXPECT_EQ(header.composition_time, -42);
    EXPECT_EQ(header.header_bytes, 5u);
}

TEST(flv_tag, reads_enhanced_headers) {
    const raw hevc{0x91, 'h', 'v', 'c', '1', 0, 0, 33, 1};
    const auto header = parse_flv_video(hevc).value();
    EXPECT_TRUE(header.enhanced);
    EXPECT_TRUE(header.keyframe);
    EXPECT_EQ(header.type, codec::h265);
    EXPECT_EQ(header.composition_time, 33);
    EXPECT_EQ(header.header_bytes, 8u);
    const raw av1{0xa3, 'a', 'v', '0', '1', 1};
    EXPECT_EQ(parse_flv_video(av1)->type, codec::av1);
    EXPECT_EQ(parse_flv_video(av1)->header_bytes, 5u);
}

TEST(flv_tag, refuses_headers_that_are_cut_off) {
    EXPECT_FALSE(parse_flv_video(raw{}));
    EXPECT_FALSE(parse_flv_video(raw{0x17, 1, 0}));
    EXPECT_FALSE(parse_flv_video(raw{0x91, 'h', 'v'}));
    EXPECT_FALSE(parse_flv_audio(raw{}));
    EXPECT_FALSE(parse_flv_audio(raw{0xaf}));
}

TEST(flv_write, turns_annex_b_into_length_prefixed_units_without_parameter_sets) {
    access_unit unit;
    unit.keyframe = true;
    unit.dts = 90'000;
    unit.pts = 90'000 + 3000;
    const raw annexb{0, 0, 0, 1, 9,    0xf0, 0, 0, 0, 1, 0x67, 1, 2,
                     3, 0, 0, 1, 0x68, 4,    0, 0, 0, 1, 0x65, 7, 8};
    unit.data = bytes::copy_of(annexb);
    EXPECT_EQ(bytes_of(flv_video_body(unit)), (raw{0x17, 1, 0, 0, 33, 0, 0, 0, 3, 0x65, 7, 8}));
}

TEST(flv_write, makes_sequence_headers) {
    video_format video;
    video.type = codec::h264;
    video.sps = {0x67, 0x42, 0xc0, 0x1e, 1};
    video.pps = {0x68, 2};
    const auto config = flv_video_config(video).value();
    const auto record = h264::parse_avcc_record(config.view().subspan(5));
    ASSERT_TRUE(record);
    EXPECT_EQ(record->sps.at(0), video.sps);
    EXPECT_EQ(record->pps.at(0), video.pps);
    audio_format audio;
    audio.type = codec::aac;
    audio.config = {0x11, 0x90};
    EXPECT_EQ(bytes_of(flv_audio_config(audio).value()), (raw{0xaf, 0, 0x11, 0x90}));
}

TEST(flv_write, refuses_codecs_without_a_legacy_form) {
    video_format video;
    video.type = codec::h265;
    EXPECT_FALSE(flv_video_config(video));
    video.type = codec::h264;
    EXPECT_FALSE(flv_video_config(video)); // no parameter sets
    audio_format audio;
    audio.type = codec::opus;
    EXPECT_FALSE(flv_audio_config(audio));
}

TEST(flv_file, reads_back_what_it_writes_and_leaves_out_a_cut_off_tag) {
    auto file = flv_file_header();
    for (std::int64_t time : {0ll, 40ll, 0x1234567ll}) {
        flv_tag tag;
        tag.type = flv_tag_type::video;
        tag.timestamp = time;
        tag.body = bytes::copy_of(raw{0x17, 1, 0, 0, 0, 9});
        append_flv_tag(file, tag);
    }
    EXPECT_EQ(parse_flv_file(file)->size(), 3u);
    EXPECT_EQ(parse_flv_file(file)->back().timestamp, 0x1234567);
    file.resize(file.size() - 5);
    EXPECT_EQ(parse_flv_file(file)->size(), 2u);
    EXPECT_FALSE(parse_flv_file(raw{'F', 'L', 'V'}));
}
