#include "media/rtp_packet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rivulet::media {

namespace {

using octets = std::vector<std::uint8_t>;
using testing::ElementsAre;

const octets plain{0x80, 0xe0, 0x12, 0x34, 0, 0, 0x10, 0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3};

} // namespace

TEST(rtp_packet, reads_the_fixed_header) {
    auto header = parse_rtp(plain).value();
    EXPECT_EQ(header.payload_type, 96);
    EXPECT_TRUE(header.marker);
    EXPECT_EQ(header.sequence, 0x1234);
    EXPECT_EQ(header.timestamp, 0x1000u);
    EXPECT_EQ(header.ssrc, 0xdeadbeefu);
    EXPECT_EQ(header.size, 12u);
    EXPECT_EQ(header.payload_size, 3u);
}

TEST(rtp_packet, steps_over_sources_extensions_and_padding) {
    octets packet = plain;
    packet.resize(12);
    packet[0] = 0x80 | 0x20 | 0x10 | 1;
    packet.insert(packet.end(), {9, 9, 9, 9});                         // a contributing source
    packet.insert(packet.end(), {0xbe, 0xde, 0, 2});                   // one-byte extensions
    packet.insert(packet.end(), {0x31, 0xab, 0xcd, 0, 0x50, 7, 0, 0}); // id 3, padding, id 5
    packet.insert(packet.end(), {42, 0, 0, 3});                        // payload, padding
    auto header = parse_rtp(packet).value();
    EXPECT_EQ(header.size, 28u);
    EXPECT_EQ(header.payload_size, 1u);
    ASSERT_TRUE(header.extension(3));
    EXPECT_THAT(*header.extension(3), ElementsAre(0xab, 0xcd));
    EXPECT_THAT(*header.extension(5), ElementsAre(7));
    EXPECT_FALSE(header.extension(4));
}

TEST(rtp_packet, reads_two_byte_extensions) {
    octets packet = plain;
    packet.resize(12);
    packet[0] |= 0x10;
    packet.insert(packet.end(), {0x10, 0, 0, 2, 20, 3, 1, 2, 3, 21, 0, 0});
    auto header = parse_rtp(packet).value();
    EXPECT_THAT(*header.extension(20), ElementsAre(1, 2, 3));
    EXPECT_TRUE(header.extension(21));
    EXPECT_TRUE(header.extension(21)->empty());
}

TEST(rtp_packet, refuses_what_reaches_past_the_end) {
    EXPECT_FALSE(parse_rtp(octets(11, 0x80)));
    auto changed = [](std::size_t at, std::uint8_t value) {
        octets packet = plain;
        packet[at] = value;
        return parse_rtp(packet).has_value();
    };
    EXPECT_FALSE(changed(0, 0x40)) << "version 1";
    EXPECT_FALSE(changed(0, 0x8f)) << "15 sources";
    EXPECT_FALSE(changed(0, 0x90)) << "extension longer than the packet";
    octets padded = plain;
    padded[0] |= 0x20;
    padded.back() = 4;
    EXPECT_FALSE(parse_rtp(padded));
    padded.back() = 0;
    EXPECT_FALSE(parse_rtp(padded));
    padded.back() = 3;
    EXPECT_EQ(parse_rtp(padded)->payload_size, 0u);
}

} // namespace rivulet::media
