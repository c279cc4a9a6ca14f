#include "media/aac.hpp"

#include <gtest/gtest.h>

namespace rivulet::media {

using bytes_of = std::vector<std::uint8_t>;

TEST(aac, reads_a_plain_configuration) {
    auto info = aac::parse_config(bytes_of{0x12, 0x10});
    ASSERT_TRUE(info);
    EXPECT_EQ(info->object_type, 2);
    EXPECT_EQ(info->sample_rate, 44100);
    EXPECT_EQ(info->channels, 2);
}

TEST(aac, reads_the_core_of_an_explicit_he_aac_configuration) {
    // Object type 5, core 24 kHz stereo, extension 48 kHz, core LC.
    auto info = aac::parse_config(bytes_of{0x2b, 0x11, 0x88, 0x00});
    ASSERT_TRUE(info);
    EXPECT_EQ(info->object_type, 2);
    EXPECT_EQ(info->sample_rate, 24000);
    EXPECT_EQ(info->channels, 2);
}

TEST(aac, refuses_short_and_reserved_configurations) {
    EXPECT_FALSE(aac::parse_config({}));
    EXPECT_FALSE(aac::parse_config(bytes_of{0x12}));
    EXPECT_FALSE(aac::parse_config(bytes_of{0x16, 0x90})) << "rate index 13";
}

TEST(aac, an_adts_header_says_what_it_was_made_of) {
    for (int channels : {1, 2, 6, 8})
        for (std::size_t size : {1u, 300u, 8184u}) {
            auto config = aac::parse_config(aac::make_config(2, 3, channels));
            ASSERT_TRUE(config);
            auto header = aac::make_adts_header(*config, size);
            ASSERT_TRUE(header);
            auto parsed = aac::parse_adts(*header);
            ASSERT_TRUE(parsed);
            EXPECT_EQ(parsed->header_size, 7u);
            EXPECT_EQ(parsed->frame_size, size + 7);
            EXPECT_EQ(parsed->info.sample_rate, 48000);
            EXPECT_EQ(parsed->info.channels, channels);
            EXPECT_EQ(parsed->info.object_type, 2);
        }
}

TEST(aac, refuses_a_frame_that_adts_cannot_count) {
    auto config = aac::parse_config(bytes_of{0x12, 0x10});
    EXPECT_TRUE(aac::make_adts_header(*config, 8184));
    EXPECT_FALSE(aac::make_adts_header(*config, 8185));
}

TEST(mpeg_audio, reads_layer_three_headers) {
    auto header = mpeg_audio::parse_header(bytes_of{0xff, 0xfb, 0x90, 0x64});
    ASSERT_TRUE(header);
    EXPECT_EQ(header->sample_rate, 44100);
    EXPECT_EQ(header->samples, 1152);
    EXPECT_EQ(header->frame_size, 417u);
    EXPECT_FALSE(mpeg_audio::parse_header(bytes_of{0xff, 0xfb, 0xf0, 0x64}));
    EXPECT_FALSE(mpeg_audio::parse_header(bytes_of{0xff, 0xfb}));
}

TEST(opus, counts_the_samples_of_a_packet) {
    EXPECT_EQ(opus::packet_samples(bytes_of{0xfc}), 960) << "CELT, 20 ms";
    EXPECT_EQ(opus::packet_samples(bytes_of{0xfd}), 1920) << "two frames";
    EXPECT_EQ(opus::packet_samples(bytes_of{0xe0}), 120) << "2.5 ms";
    EXPECT_EQ(opus::packet_samples(bytes_of{0x18}), 2880) << "SILK, 60 ms";
    EXPECT_EQ(opus::packet_samples(bytes_of{0xff, 0x03}), 2880) << "three frames";
    EXPECT_EQ(opus::packet_samples(bytes_of{0xff, 0x3f}), 0) << "longer than 120 ms";
    EXPECT_EQ(opus::packet_samples({}), 0);
}

} // namespace rivulet::media
