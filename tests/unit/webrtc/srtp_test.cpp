#include "webrtc/srtp.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

using namespace rivulet;
using namespace rivulet::webrtc;

namespace {

using packet = std::vector<std::uint8_t>;

packet rtp(std::uint16_t sequence, std::uint32_t source = 0x01020304, std::size_t payload = 100) {
    packet made(12 + payload, 0x5a);
    made[0] = 0x80;
    made[1] = 96;
    made[2] = static_cast<std::uint8_t>(sequence >> 8);
    made[3] = static_cast<std::uint8_t>(sequence);
    std::memset(made.data() + 4, 0, 4);
    for (int i = 0; i < 4; ++i)
        made[8 + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(source >> (24 - 8 * i));
    return made;
}

packet receiver_report() {
    return {0x80, 201, 0, 1, 1, 2, 3, 4};
}

struct both_ways : testing::TestWithParam<srtp_profile> {
    both_ways() {
        srtp_keys ours;
        ours.profile = GetParam();
        for (std::size_t i = 0; i < ours.outbound.size(); ++i) {
            ours.outbound[i] = static_cast<std::uint8_t>(i);
            ours.inbound[i] = static_cast<std::uint8_t>(200 - i);
        }
        srtp_keys theirs = ours;
        std::swap(theirs.inbound, theirs.outbound);
        here.emplace(std::move(*srtp_session::make(ours)));
        there.emplace(std::move(*srtp_session::make(theirs)));
    }

    packet protect(packet plain) {
        const auto size = plain.size();
        plain.resize(size + srtp_overhead);
        plain.resize(here->protect_rtp(plain, size));
        return plain;
    }

    packet unprotect(packet wire) {
        wire.resize(there->unprotect_rtp(wire));
        return wire;
    }

    std::optional<srtp_session> here, there;
};

} // namespace

TEST_P(both_ways, rtp_comes_out_as_it_went_in) {
    for (std::size_t payload : {0u, 1u, 100u, 1'200u}) {
        const auto plain = rtp(static_cast<std::uint16_t>(payload), 7, payload);
        const auto wire = protect(plain);
        ASSERT_GT(wire.size(), plain.size());
        ASSERT_LE(wire.size(), plain.size() + srtp_overhead);
        EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + 12, wire.begin()));
        EXPECT_EQ(unprotect(wire), plain);
    }
}

TEST_P(both_ways, rtcp_comes_out_as_it_went_in) {
    auto wire = receiver_report();
    wire.resize(wire.size() + srtp_overhead);
    wire.resize(here->protect_rtcp(wire, receiver_report().size()));
    ASSERT_GT(wire.size(), receiver_report().size());
    wire.resize(there->unprotect_rtcp(wire));
    EXPECT_EQ(wire, receiver_report());
}

TEST_P(both_ways, damage_is_noticed) {
    const auto wire = protect(rtp(1));
    for (std::size_t i = 0; i < wire.size(); i += 7) {
        auto damaged = wire;
        damaged[i] ^= 1;
        EXPECT_TRUE(unprotect(damaged).empty()) << "octet " << i;
    }
    EXPECT_FALSE(unprotect(wire).empty());
}

TEST_P(both_ways, a_replayed_packet_is_refused) {
    const auto wire = protect(rtp(1));
    EXPECT_FALSE(unprotect(wire).empty());
    EXPECT_TRUE(unprotect(wire).empty());
}

TEST_P(both_ways, a_lost_packet_can_be_sent_again_unchanged) {
    const auto first = protect(rtp(1));
    for (std::uint16_t i = 2; i < 1'500; ++i)
        EXPECT_FALSE(unprotect(protect(rtp(i))).empty());
    const auto again = protect(rtp(1));
    EXPECT_EQ(again, first);
    EXPECT_EQ(unprotect(again), rtp(1));
}

TEST_P(both_ways, order_and_wrapping_do_not_matter) {
    for (std::uint32_t i = 65'000; i < 66'100; i += 2) {
        const auto later = protect(rtp(static_cast<std::uint16_t>(i + 1)));
        const auto sooner = protect(rtp(static_cast<std::uint16_t>(i)));
        EXPECT_EQ(unprotect(later), rtp(static_cast<std::uint16_t>(i + 1)));
        EXPECT_EQ(unprotect(sooner), rtp(static_cast<std::uint16_t>(i)));
    }
}

TEST_P(both_ways, a_peer_gets_memory_for_a_limited_number_of_sources) {
    for (std::uint32_t source = 1; source <= srtp_session::max_sources; ++source)
        EXPECT_FALSE(unprotect(protect(rtp(1, source))).empty());
    EXPECT_TRUE(unprotect(protect(rtp(1, 1'000))).empty());
    EXPECT_FALSE(unprotect(protect(rtp(2, 1))).empty());
}

TEST_P(both_ways, what_is_no_rtp_is_refused) {
    packet room(200, 0x80);
    EXPECT_EQ(here->protect_rtp(room, 11), 0u);
    EXPECT_EQ(here->protect_rtp(room, room.size()), 0u) << "no room for the tag";
    EXPECT_EQ(here->protect_rtcp(room, 7), 0u);
    for (std::size_t size = 0; size < 40; ++size) {
        packet short_one(size, 0x80);
        EXPECT_EQ(there->unprotect_rtp(short_one), 0u);
        EXPECT_EQ(there->unprotect_rtcp(short_one), 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(
    srtp,
    both_ways,
    testing::Values(srtp_profile::aes128_cm_sha1_80, srtp_profile::aead_aes_128_gcm),
    [](const auto& given) {
        return given.param == srtp_profile::aead_aes_128_gcm ? "gcm" : "sha1_80";
    }
);
