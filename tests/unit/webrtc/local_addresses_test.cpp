#include "webrtc/local_addresses.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::webrtc;

TEST(local_addresses, are_the_host_itself_when_it_is_one) {
    const auto host = asio::ip::make_address("192.0.2.4");
    EXPECT_EQ(reachable_addresses(host), std::vector{host});
}

TEST(local_addresses, of_every_interface_can_be_reached) {
    const auto all = reachable_addresses(asio::ip::address_v4::any());
    ASSERT_FALSE(all.empty());
    for (const auto& address : all)
        EXPECT_TRUE(address.is_v4() && !address.is_unspecified());
}

TEST(host_candidates, prefer_udp_and_the_first_address) {
    const std::vector addresses{
        asio::ip::make_address("192.0.2.4"), asio::ip::make_address("2001:db8::4")};
    const auto all = host_candidates(addresses, "", 7280, true);
    ASSERT_EQ(all.size(), 4u);
    EXPECT_EQ(all[0].address, "192.0.2.4");
    EXPECT_EQ(all[1].address, "2001:db8::4");
    EXPECT_FALSE(all[1].tcp);
    EXPECT_TRUE(all[2].tcp);
    for (std::size_t i = 1; i < all.size(); ++i) {
        EXPECT_LT(all[i].priority, all[i - 1].priority);
        EXPECT_NE(all[i].foundation, all[i - 1].foundation);
        EXPECT_EQ(all[i].port, 7280);
    }
    EXPECT_EQ(all[0].priority, 2130706431u) << "the value of RFC 8445's formula";
}

TEST(host_candidates, name_the_nat_address_instead) {
    const auto all =
        host_candidates({asio::ip::make_address("10.0.0.1")}, "203.0.113.5", 7280, false);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].address, "203.0.113.5");
}
