#include "session/keccak.hpp"
#include "worker/session_token.hpp"

#include <gtest/gtest.h>

namespace rivulet::worker {

TEST(session_token, is_good_for_half_an_hour) {
    const token_mint mint("secret");
    const auto token = mint.make(1'000);
    EXPECT_EQ(token.expiration, 1'000 + 1'800);
    EXPECT_EQ(token.session_id.size(), 8u);
    EXPECT_EQ(mint.fault(token, 1'000), "");
    EXPECT_EQ(mint.fault(token, 2'799), "");
    EXPECT_EQ(mint.fault(token, 2'800), "expired auth token");
}

TEST(session_token, nothing_of_it_can_be_changed) {
    const token_mint mint("secret");
    const auto good = mint.make(1'000);
    auto longer = good;
    ++longer.expiration;
    EXPECT_EQ(mint.fault(longer, 1'000), "invalid auth token");
    auto other = good;
    other.session_id += "0";
    EXPECT_EQ(mint.fault(other, 1'000), "invalid auth token");
    auto cut = good;
    cut.seal.pop_back();
    EXPECT_EQ(mint.fault(cut, 1'000), "invalid auth token");
    EXPECT_EQ(token_mint("another").fault(good, 1'000), "invalid auth token");
    EXPECT_EQ(token_mint().fault(good, 1'000), "invalid auth token");
}

// HMAC-SHA256("key", "0a0b0c0d" and 1,700,000,000 in eight bytes), computed with another library.
TEST(session_token, is_sealed_as_the_networks_orchestrators_do_it) {
    const auto wanted =
        session::from_hex("99951981d2a8e68de74ae12af3eaf3b9c5dd3b39763ba0c339c30ada436047b1");
    ASSERT_TRUE(wanted);
    EXPECT_EQ(token_mint("key").fault({*wanted, "0a0b0c0d", 1'700'000'000}, 1'000), "");
}

TEST(session_token, a_header_that_is_none_says_so) {
    const token_mint mint("secret");
    EXPECT_EQ(mint.header_fault("", 0), "missing auth token");
    EXPECT_EQ(mint.header_fault("???", 0), "ErrorSegEncoding");
    EXPECT_EQ(mint.header_fault(std::string(100'000, 'A'), 0), "ErrorSegEncoding");
    EXPECT_EQ(mint.header_fault("QhUKAwECAxIIMGEwYjBjMGQYgOLPqgY=", 0), "invalid auth token");
}

} // namespace rivulet::worker
