#include "payment/amount.hpp"
#include "payment/seg_data.hpp"
#include "payment/signature.hpp"
#include "session/keccak.hpp"

#include <boost/multiprecision/cpp_int.hpp>
#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

std::string hex(std::string_view text) {
    return *session::from_hex(text);
}

signing_key spec_key() {
    return *signing_key::of(hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
    );
}

TEST(payments_conformance, s4_signatures_are_those_of_the_vectors) {
    const auto key = spec_key();
    EXPECT_EQ(
        session::checksum_address(key.address()), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
    );
    const auto asked = info_request_message(key.address());
    EXPECT_EQ(
        session::to_hex(asked), "ffb011b0bd95db11b1f74b60c50582c11e588e3db3a046b72316c221599bcfe6"
    );
    EXPECT_EQ(
        session::to_hex(key.sign(asked)),
        "662f6ce6e23e70c7db9bdcc7b0d91bdf58d8743ba347ab0b9aa060154644c55122dd6afcc20a6cba9cab1d565a"
        "6b1dc36be9a9314e0317b943f8b0f1a726e2971b"
    );
    const auto preimage = segment_preimage("35_noop");
    EXPECT_EQ(preimage.size(), 71u);
    const auto message = keccak(preimage);
    EXPECT_EQ(
        session::to_hex(message), "8f47f1abbfcf645f13f43c923eb3c7344f4581660615ca50e9f87d6894b7b887"
    );
    EXPECT_EQ(
        session::to_hex(key.sign(message)),
        "010ed481a91010105d6b054dcbbabc9a011c2d223be20c93e1c209af4eaf296f3ccfc03de2b6d560f7501dfe11"
        "b524f11d86880dbed53d4241d1b1ffecfe40d01b"
    );
}

TEST(payments_conformance, s5_high_s_and_other_v_are_never_made_and_never_taken) {
    const auto key = spec_key();
    const integer order("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    for (int i = 0; i < 64; ++i) {
        const auto message = "message " + std::to_string(i);
        const auto good = key.sign(message);
        ASSERT_EQ(good.size(), 65u);
        EXPECT_TRUE(good[64] == 27 || good[64] == 28);
        const auto s = from_big_endian(good.substr(32, 32));
        EXPECT_LE(s, integer(order / 2));
        EXPECT_EQ(signer_of(message, good), key.address());
        // The same signature mirrored: valid by the curve, refused by the network.
        auto high = good.substr(0, 32) + big_endian_32(order - s);
        high += static_cast<char>(good[64] == 27 ? 28 : 27);
        EXPECT_FALSE(signer_of(message, high));
        for (int v : {0, 1, 26, 29, 255}) {
            auto other = good;
            other[64] = static_cast<char>(v);
            EXPECT_FALSE(signer_of(message, other));
        }
        EXPECT_FALSE(signer_of(message, good.substr(0, 64)));
        EXPECT_NE(signer_of(message + "!", good), key.address());
    }
}

TEST(signature, refuses_what_is_no_key) {
    EXPECT_FALSE(signing_key::of(""));
    EXPECT_FALSE(signing_key::of(std::string(31, '\1')));
    EXPECT_FALSE(signing_key::of(std::string(32, '\0')));
    EXPECT_FALSE(signing_key::of(std::string(32, '\xff'))); // above the curve's order
}

TEST(signature, garbage_has_no_signer) {
    EXPECT_FALSE(signer_of("m", std::string(64, '\0') + '\x1b'));
    EXPECT_FALSE(signer_of("m", std::string(64, '\xff') + '\x1b'));
    EXPECT_FALSE(signer_of("m", ""));
}

} // namespace
} // namespace rivulet::payment
