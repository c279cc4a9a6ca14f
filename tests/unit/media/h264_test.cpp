#include "media/h264.hpp"
#include "support/media_samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::media {

using bytes_of = std::vector<std::uint8_t>;

TEST(nal_range, finds_units_behind_both_start_codes) {
    bytes_of stream{0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x65, 0, 3, 0, 0};
    nal_range nals(stream);
    EXPECT_THAT(nals.next(), testing::ElementsAre(9, 0xf0));
    EXPECT_THAT(nals.next(), testing::ElementsAre(0x67, 1, 2));
    EXPECT_EQ(nals.peek(), 0x65);
    EXPECT_THAT(nals.next(), testing::ElementsAre(0x65, 0, 3)) << "trailing zeros are not data";
    EXPECT_TRUE(nals.next().empty());
}

TEST(nal_range, finds_nothing_where_there_is_no_start_code) {
    bytes_of stream{1, 2, 3, 0, 0};
    EXPECT_TRUE(nal_range(stream).next().empty());
    EXPECT_TRUE(nal_range(byte_span{}).next().empty());
}

TEST(h264, reads_size_and_reordering_of_an_sps) {
    // 1920x1080 High, cropped from 1088, bitstream restrictions with two reorder frames.
    bytes_of sps{0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00,
                 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58};
    auto info = h264::parse_sps(sps);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->profile, 100);
    EXPECT_EQ(info->level, 40);
    EXPECT_EQ(info->width, 1920);
    EXPECT_EQ(info->height, 1080);
    EXPECT_EQ(info->reorder_frames, 2);
}

TEST(h264, reads_the_sps_of_real_recordings) {
    auto plain = test::units_of("av.flv");
    auto info = h264::parse_sps(plain.format.video->sps);
    EXPECT_EQ(info->width, 320);
    EXPECT_EQ(info->height, 180);
    EXPECT_EQ(info->reorder_frames, 0);
    auto reordered = test::units_of("bframes.flv");
    EXPECT_GT(h264::parse_sps(reordered.format.video->sps)->reorder_frames, 0);
}

TEST(h264, refuses_every_cut_off_sps_or_reads_it_within_bounds) {
    auto sps = test::units_of("av.flv").format.video->sps;
    for (std::size_t size = 0; size < sps.size(); ++size)
        (void)h264::parse_sps(byte_span(sps).first(size));
    EXPECT_FALSE(h264::parse_sps(byte_span(sps).first(6)));
}

TEST(h264, only_a_slice_of_type_five_is_an_idr) {
    EXPECT_TRUE(h264::has_idr(bytes_of{0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 1}));
    EXPECT_FALSE(h264::has_idr(bytes_of{0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x41, 1}));
    EXPECT_FALSE(h264::has_idr(bytes_of{}));
}

TEST(h264, a_recovery_point_is_found_among_other_messages_in_front_of_the_slice) {
    const bytes_of delimiter{0, 0, 1, 0x09, 0xf0}, slice{0, 0, 1, 0x41, 1, 2};
    const bytes_of message{0, 0, 1, 0x06, 6, 1, 0xc4, 0x80};
    const bytes_of after_another{0, 0, 1, 0x06, 5, 2, 7, 7, 6, 1, 0xc4, 0x80};
    bytes_of after_a_long_one{0, 0, 1, 0x06, 5, 255, 1};
    after_a_long_one.insert(after_a_long_one.end(), 256, 0x55);
    after_a_long_one.insert(after_a_long_one.end(), {6, 1, 0xc4, 0x80});
    const bytes_of other{0, 0, 1, 0x06, 5, 2, 6, 1, 0x80},
        cut_off{0, 0, 1, 0x06, 5, 200, 6, 1, 0x80};
    auto joined = [](std::initializer_list<bytes_of> parts) {
        bytes_of whole;
        for (const auto& part : parts)
            whole.insert(whole.end(), part.begin(), part.end());
        return whole;
    };
    EXPECT_TRUE(h264::has_recovery_point(joined({delimiter, message, slice})));
    EXPECT_TRUE(h264::has_recovery_point(joined({after_another, slice})));
    EXPECT_TRUE(h264::has_recovery_point(joined({other, after_a_long_one, slice})));
    EXPECT_FALSE(h264::has_recovery_point(joined({delimiter, other, slice})));
    EXPECT_FALSE(h264::has_recovery_point(joined({cut_off, slice})));
    EXPECT_FALSE(h264::has_recovery_point(joined({slice, message}))) << "it belongs to the next";
    EXPECT_FALSE(h264::has_recovery_point(bytes_of{0, 0, 1, 0x06}));
    EXPECT_FALSE(h264::has_recovery_point(bytes_of{0, 0, 1, 0x06, 255, 255, 255}));
}

TEST(h264, parameter_sets_go_behind_a_leading_delimiter) {
    const std::vector<std::uint8_t> sps{0x67, 1}, pps{0x68, 2};
    const auto prefixed = [&](const std::vector<std::uint8_t>& unit) {
        const auto made = h264::with_parameter_sets(bytes::copy_of(unit), sps, pps);
        return std::vector<std::uint8_t>(made.view().begin(), made.view().end());
    };
    using octets = std::vector<std::uint8_t>;
    EXPECT_EQ(
        prefixed({0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x41, 7}),
        (octets{0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 1,
                0, 0, 0, 1, 0x68, 2,    0, 0, 0, 1, 0x41, 7})
    );
    EXPECT_EQ(
        prefixed({0, 0, 1, 0x41, 7}),
        (octets{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x41, 7})
    );
}

TEST(h264, avc_records_and_units_survive_the_way_there_and_back) {
    auto recording = test::units_of("av.flv");
    const auto& video = *recording.format.video;
    auto record = h264::make_avcc_record(video.sps, video.pps);
    auto parsed = h264::parse_avcc_record(record);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->length_size, 4);
    EXPECT_THAT(parsed->sps, testing::ElementsAre(video.sps));
    EXPECT_THAT(parsed->pps, testing::ElementsAre(video.pps));

    const auto& unit = *std::ranges::find(recording.units, track_kind::video, &access_unit::kind);
    auto avcc = h264::to_avcc(unit.data.view(), true);
    auto annexb = h264::to_annexb(avcc);
    ASSERT_TRUE(annexb);
    // The way back has four-byte start codes and no delimiter; the NAL units are the same.
    nal_range before(unit.data.view()), after(*annexb);
    EXPECT_EQ(h264::type_of(before.next()), h264::access_unit_delimiter);
    for (auto nal = before.next(); !nal.empty(); nal = before.next())
        EXPECT_TRUE(std::ranges::equal(nal, after.next()));
    EXPECT_TRUE(after.next().empty());
}

TEST(h264, leaves_delimiters_and_parameter_sets_out_of_avc_units) {
    bytes_of annexb{0, 0, 0, 1,    9, 0xf0, 0, 0, 0,    1, 0x67, 1,
                    0, 0, 1, 0x68, 2, 0,    0, 1, 0x65, 7, 8};
    EXPECT_THAT(h264::to_avcc(annexb), testing::ElementsAre(0, 0, 0, 3, 0x65, 7, 8));
}

TEST(h264, refuses_lengths_that_reach_past_the_end) {
    EXPECT_FALSE(h264::to_annexb(bytes_of{0, 0, 0, 5, 1, 2, 3, 4}));
    EXPECT_FALSE(h264::to_annexb(bytes_of{0, 0, 0}));
    EXPECT_FALSE(h264::to_annexb(bytes_of{0xff, 0xff, 0xff, 0xff, 1}));
    EXPECT_FALSE(h264::parse_avcc_record(bytes_of{1, 66, 0, 30, 0xff, 0xe1, 0xff, 0xff, 1}));
}

} // namespace rivulet::media
