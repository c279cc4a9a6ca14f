#include "base/private_address.hpp"

#include <gtest/gtest.h>

namespace rivulet {
namespace {

TEST(private_address, knows_hosts_that_only_this_network_reaches) {
    for (const char* host :
         {"localhost",
          "LOCALHOST.",
          "a.localhost",
          "127.0.0.1",
          "127.1",
          "2130706433",
          "0x7f000001",
          "0.0.0.0",
          "10.1.2.3",
          "172.16.0.1",
          "172.31.255.255",
          "192.168.1.1",
          "169.254.169.254",
          "100.64.0.1",
          "224.0.0.1",
          "255.255.255.255",
          "::1",
          "[::1]",
          "::",
          "fe80::1",
          "fd00::1",
          "ff02::1",
          "::ffff:127.0.0.1",
          "64:ff9b::7f00:1"})
        EXPECT_TRUE(is_private_host(host)) << host;
    for (const char* host :
         {"example.com", "8.8.8.8", "172.32.0.1", "172.15.0.1", "2606:4700::1", "cafe.de"})
        EXPECT_FALSE(is_private_host(host)) << host;
}

} // namespace
} // namespace rivulet
