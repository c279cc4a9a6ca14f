#include "session/keccak.hpp"

#include <gtest/gtest.h>

using namespace rivulet::session;

namespace {

std::string hex(const hash256& hash) {
    return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

TEST(keccak, hashes_as_ethereum_does) {
    EXPECT_EQ(
        hex(keccak256("")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    );
    EXPECT_EQ(
        hex(keccak256("abc")), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    );
}

TEST(keccak, names_functions_by_four_bytes) {
    EXPECT_EQ(to_hex(function_selector("transfer(address,uint256)")), "a9059cbb");
    EXPECT_EQ(to_hex(function_selector("balanceOf(address)")), "70a08231");
}

TEST(keccak, writes_addresses_with_their_checksum) {
    for (const char* address :
         {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
          "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
          "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
          "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"})
        EXPECT_EQ(checksum_address(parse_address(address).value()), address);
    EXPECT_EQ(checksum_address("short"), "");
}

TEST(keccak, reads_addresses_however_they_are_written) {
    const std::string raw(20, '\x11');
    const std::string digits(40, '1');
    EXPECT_EQ(parse_address("0x" + digits), raw);
    EXPECT_EQ(parse_address("0X" + digits), raw);
    EXPECT_EQ(parse_address(" \t" + digits + "\n"), raw);
    EXPECT_EQ(parse_address("0x" + digits.substr(1)), std::nullopt);
    EXPECT_EQ(parse_address("0x" + digits + "11"), std::nullopt);
    EXPECT_EQ(parse_address("0xg" + digits.substr(1)), std::nullopt);
    EXPECT_EQ(parse_address(""), std::nullopt);
    EXPECT_EQ(parse_address("  "), std::nullopt);
}

TEST(keccak, hex_goes_both_ways) {
    EXPECT_EQ(from_hex("0x00fFAb"), std::string("\x00\xff\xab", 3));
    EXPECT_EQ(from_hex("0xabc"), std::nullopt);
    EXPECT_EQ(from_hex("zz"), std::nullopt);
    EXPECT_EQ(from_hex(""), std::string());
}

} // namespace
