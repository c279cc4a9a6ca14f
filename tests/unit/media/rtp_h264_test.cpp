#include "media/rtp_h264.hpp"
#include "support/media_samples.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::media;

namespace {

using octets = std::vector<std::uint8_t>;

octets nal(std::uint8_t header, std::size_t size) {
    octets made(size);
    made[0] = header;
    for (std::size_t i = 1; i < size; ++i)
        made[i] = static_cast<std::uint8_t>(i % 250 + 5); // never a start code
    return made;
}

bytes annexb(const std::vector<octets>& nals) {
    octets all;
    for (const auto& one : nals) {
        all.insert(all.end(), {0, 0, 0, 1});
        all.insert(all.end(), one.begin(), one.end());
    }
    return bytes::copy_of(all);
}

// What a receiver makes of the payloads (RFC 6184, 5.7 and 5.8).
std::vector<octets> depacketise(const rtp_payloads& payloads) {
    std::vector<octets> nals;
    for (const auto& packet : payloads.packets) {
        octets payload(packet.prefix.begin(), packet.prefix.begin() + packet.prefix_size);
        payload.insert(payload.end(), packet.data.begin(), packet.data.end());
        const int type = payload.at(0) & 0x1f;
        if (type == 24) {
            for (std::size_t at = 1; at < payload.size();) {
                const std::size_t size = payload.at(at) << 8 | payload.at(at + 1);
                nals.emplace_back(
                    payload.begin() + static_cast<long>(at) + 2,
                    payload.begin() + static_cast<long>(at + 2 + size)
                );
                at += 2 + size;
            }
        } else if (type == 28) {
            const auto fragment = payload.at(1);
            if (fragment & 0x80)
                nals.push_back({static_cast<std::uint8_t>((payload[0] & 0xe0) | (fragment & 0x1f))}
                );
            nals.back().insert(nals.back().end(), payload.begin() + 2, payload.end());
        } else {
            nals.push_back(payload);
        }
    }
    return nals;
}

} // namespace

TEST(rtp_h264, a_small_nal_unit_is_a_packet) {
    const auto slice = nal(0x61, 300);
    const auto made = packetise_h264(annexb({slice}));
    ASSERT_EQ(made.packets.size(), 1u);
    EXPECT_EQ(made.packets[0].prefix_size, 0);
    EXPECT_TRUE(made.packets[0].marker);
    EXPECT_EQ(octets(made.packets[0].data.begin(), made.packets[0].data.end()), slice);
    // Nothing was copied.
    EXPECT_EQ(made.packets[0].data.data(), made.unit.data() + 4);
}

TEST(rtp_h264, small_nal_units_share_a_packet) {
    const auto sps = nal(0x67, 20), pps = nal(0x68, 5), sei = nal(0x06, 30);
    const auto made = packetise_h264(annexb({sps, pps, sei}));
    ASSERT_EQ(made.packets.size(), 1u);
    // The highest importance among them, type 24.
    EXPECT_EQ(made.packets[0].data[0], 0x60 | 24);
    EXPECT_EQ(made.packets[0].size(), 1u + 3 * 2 + 20 + 5 + 30);
    EXPECT_EQ(depacketise(made), (std::vector<octets>{sps, pps, sei}));
}

TEST(rtp_h264, a_large_nal_unit_is_split_evenly) {
    const auto idr = nal(0x65, 3000);
    const auto made = packetise_h264(annexb({idr}), 1200);
    ASSERT_EQ(made.packets.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& packet = made.packets[i];
        EXPECT_EQ(packet.prefix[0], 0x60 | 28);
        EXPECT_EQ(packet.prefix[1], (i == 0 ? 0x80 : 0) | (i == 2 ? 0x40 : 0) | 5);
        EXPECT_EQ(packet.marker, i == 2);
        EXPECT_LE(packet.size(), 1200u);
        EXPECT_GE(packet.size(), 999u);
    }
    EXPECT_EQ(depacketise(made), (std::vector<octets>{idr}));
}

TEST(rtp_h264, one_byte_over_the_limit_makes_two_packets) {
    EXPECT_EQ(packetise_h264(annexb({nal(0x65, 1200)}), 1200).packets.size(), 1u);
    EXPECT_EQ(packetise_h264(annexb({nal(0x65, 1201)}), 1200).packets.size(), 2u);
}

TEST(rtp_h264, delimiters_and_fillers_stay_behind) {
    const auto slice = nal(0x41, 100);
    const auto made = packetise_h264(annexb({nal(0x09, 2), slice, nal(0x0c, 500), nal(0x1c, 9)}));
    EXPECT_EQ(depacketise(made), (std::vector<octets>{slice}));
}

TEST(rtp_h264, a_unit_without_nal_units_makes_no_packet) {
    EXPECT_TRUE(packetise_h264({}).packets.empty());
    EXPECT_TRUE(packetise_h264(bytes::copy_of(octets{1, 2, 3, 4})).packets.empty());
    EXPECT_TRUE(packetise_h264(annexb({nal(0x09, 2)})).packets.empty());
}

TEST(rtp_h264, every_unit_of_a_recording_comes_out_again_at_any_limit) {
    const auto recording = test::units_of("av.flv");
    std::size_t units = 0;
    for (const auto& unit : recording.units) {
        if (unit.kind != track_kind::video)
            continue;
        ++units;
        std::vector<octets> sent;
        nal_range nals(unit.data.view());
        for (auto one = nals.next(); !one.empty(); one = nals.next())
            if (h264::type_of(one) != h264::access_unit_delimiter)
                sent.emplace_back(one.begin(), one.end());
        for (std::size_t limit : {16, 100, 1200, 60'000}) {
            const auto made = packetise_h264(unit.data, limit);
            EXPECT_EQ(depacketise(made), sent);
            for (const auto& packet : made.packets) {
                EXPECT_LE(packet.size(), limit);
                EXPECT_EQ(packet.marker, &packet == &made.packets.back());
            }
        }
    }
    EXPECT_GT(units, 10u);
}
