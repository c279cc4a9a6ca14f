#include "media/ts_demuxer.hpp"
#include "support/ts_clip.hpp"
#include "worker/coded_size.hpp"
#include "worker/video_decoder.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace rivulet::worker {
namespace {

class bit_writer {
  public:
    bit_writer& u(int count, std::uint32_t value) {
        while (count-- > 0) {
            if (used_++ % 8 == 0)
                out_.push_back(0);
            out_.back() |= (value >> count & 1) << (7 - (used_ - 1) % 8);
        }
        return *this;
    }

    bit_writer& ue(std::uint32_t value) {
        int bits = 0;
        while ((value + 1) >> (bits + 1))
            ++bits;
        return u(bits, 0).u(bits + 1, value + 1);
    }

    // As a NAL unit with start code and escapes.
    std::vector<std::uint8_t> nal(std::vector<std::uint8_t> header) const {
        std::vector<std::uint8_t> made{0, 0, 0, 1};
        made.insert(made.end(), header.begin(), header.end());
        int zeros = 0;
        for (const auto byte : out_) {
            if (zeros >= 2 && byte <= 3) {
                made.push_back(3);
                zeros = 0;
            }
            zeros = byte ? 0 : zeros + 1;
            made.push_back(byte);
        }
        return made;
    }

  private:
    std::vector<std::uint8_t> out_;
    int used_ = 0;
};

// Baseline; `crop_right` and `crop_bottom` in units of two pixels.
std::vector<std::uint8_t> h264_set(
    std::uint32_t columns, std::uint32_t rows, std::uint32_t crop_right, std::uint32_t crop_bottom
) {
    bit_writer bits;
    bits.u(8, 66).u(8, 0).u(8, 51).ue(0); // profile, constraints, level, id
    bits.ue(0).ue(2).ue(1).u(1, 0);       // frame number, order, references, gaps
    bits.ue(columns - 1).ue(rows - 1).u(1, 1).u(1, 1);
    bits.u(1, 1).ue(0).ue(crop_right).ue(0).ue(crop_bottom).u(1, 0).u(1, 1);
    return bits.nal({0x67});
}

std::vector<std::uint8_t> h265_set(std::uint32_t width, std::uint32_t height, int layers) {
    bit_writer bits;
    bits.u(4, 0).u(3, static_cast<std::uint32_t>(layers)).u(1, 1);
    for (int i = 0; i < 11; ++i)
        bits.u(8, 0x11);
    bits.u(8, 120);
    for (int i = 0; i < layers; ++i)
        bits.u(2, 3);
    if (layers > 0)
        bits.u(2 * (8 - layers), 0);
    for (int i = 0; i < layers * 12; ++i)
        bits.u(8, 0x22);
    bits.ue(0).ue(1).ue(width).ue(height).u(1, 0).u(8, 0x80);
    return bits.nal({0x42, 0x01});
}

} // namespace

TEST(coded_size, is_that_before_the_crop) {
    // 64x64 pixels, cut from 16384x16384.
    const auto size = largest_coded_size(media::codec::h264, h264_set(1024, 1024, 8160, 8160));
    EXPECT_EQ(size.width, 16384);
    EXPECT_EQ(size.height, 16384);
    EXPECT_FALSE(size.unreadable);
}

TEST(coded_size, looks_at_every_parameter_set_of_a_unit) {
    auto unit = h264_set(10, 10, 0, 0);
    for (const auto& more : {h264_set(300, 2, 0, 0), h264_set(2, 300, 0, 0)})
        unit.insert(unit.end(), more.begin(), more.end());
    const auto size = largest_coded_size(media::codec::h264, unit);
    EXPECT_EQ(size.width, 4800);
    EXPECT_EQ(size.height, 4800);
}

TEST(coded_size, reads_h265_with_and_without_layers) {
    for (const int layers : {0, 1, 6}) {
        const auto size = largest_coded_size(media::codec::h265, h265_set(8192, 4320, layers));
        EXPECT_EQ(size.width, 8192) << layers;
        EXPECT_EQ(size.height, 4320) << layers;
    }
}

TEST(coded_size, tells_a_parameter_set_that_breaks_off) {
    auto unit = h264_set(1024, 1024, 0, 0);
    unit.resize(9);
    EXPECT_TRUE(largest_coded_size(media::codec::h264, unit).unreadable);
    EXPECT_FALSE(largest_coded_size(media::codec::h264, {}).unreadable);
}

TEST(coded_size, of_an_encoders_own_output_is_right) {
    const auto clip = test::make_clip({.frames = 1, .audio = false});
    media::codec type = media::codec::none;
    std::int64_t width = 0;
    media::ts_demuxer demuxer(media::ts_demuxer_events{
        .format = [&](const media::stream_format& format) { type = format.video->type; },
        .unit = [&](media::access_unit unit
                ) { width = largest_coded_size(media::codec::h264, unit.data.view()).width; }});
    for (const auto& block : clip.segments.at(0).blocks)
        demuxer.push(block.view());
    demuxer.flush();
    EXPECT_EQ(type, media::codec::h264);
    EXPECT_EQ(width, 160);
}

TEST(video_decoder, refuses_pictures_that_are_too_large_before_it_decodes_them) {
    for (const auto type : {media::codec::h264, media::codec::h265}) {
        auto decoder = video_decoder::open(type, 4096, 2160);
        ASSERT_TRUE(decoder);
        media::access_unit unit;
        unit.kind = media::track_kind::video;
        unit.keyframe = true;
        unit.data = bytes::copy_of(
            type == media::codec::h264 ? h264_set(1024, 1024, 8160, 8160) : h265_set(8192, 8192, 0)
        );
        EXPECT_EQ(decoder->decode(unit, [](frame_ptr) {}), errc::too_large);
        unit.data = bytes::copy_of(
            type == media::codec::h264 ? h264_set(135, 256, 0, 0) : h265_set(2160, 4096, 0)
        );
        EXPECT_NE(decoder->decode(unit, [](frame_ptr) {}), errc::too_large);
    }
}

} // namespace rivulet::worker
