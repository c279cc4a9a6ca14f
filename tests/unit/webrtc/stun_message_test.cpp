#include "webrtc/stun_message.hpp"

#include <gtest/gtest.h>

#include <string>

using namespace rivulet;
using namespace rivulet::webrtc;

namespace {

std::vector<std::uint8_t> octets(std::string_view hex) {
    std::vector<std::uint8_t> out;
    int half = -1;
    for (char c : hex) {
        if (c == ' ' || c == '\n')
            continue;
        const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
        if (half < 0) {
            half = digit;
        } else {
            out.push_back(static_cast<std::uint8_t>(half << 4 | digit));
            half = -1;
        }
    }
    return out;
}

// RFC 5769, 2.1 to 2.3.
const auto sample_request = octets("00010058 2112a442 b7e7a701 bc34d686 fa87dfae"
                                   "80220010 5354554e 20746573 7420636c 69656e74"
                                   "00240004 6e0001ff"
                                   "80290008 932ff9b1 51263b36"
                                   "00060009 6576746a 3a683676 59202020"
                                   "00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2"
                                   "80280004 e57a3bcf");
const auto sample_answer_v4 = octets("0101003c 2112a442 b7e7a701 bc34d686 fa87dfae"
                                     "8022000b 74657374 20766563 746f7220"
                                     "00200008 0001a147 e112a643"
                                     "00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7"
                                     "80280004 c07d4c96");
const auto sample_answer_v6 = octets("01010048 2112a442 b7e7a701 bc34d686 fa87dfae"
                                     "8022000b 74657374 20766563 746f7220"
                                     "00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9"
                                     "00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41"
                                     "80280004 c8fb0b4c");
constexpr std::string_view sample_password = "VOkJxbRl1RmTxUk/WvJxBt";

constexpr stun_transaction transaction{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

} // namespace

TEST(stun_message, reads_the_sample_request_of_rfc_5769) {
    const auto message = parse_stun(sample_request);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, stun_class::request);
    EXPECT_EQ(message->method, stun_binding);
    EXPECT_EQ(message->username, "evtj:h6vY");
    EXPECT_EQ(message->priority, 0x6e0001ffu);
    EXPECT_EQ(message->controlled, 0x932ff9b151263b36u);
    EXPECT_FALSE(message->controlling);
    EXPECT_TRUE(message->fingerprint);
    EXPECT_TRUE(message->unknown.empty());
    EXPECT_TRUE(has_integrity(sample_request, *message, sample_password));
    EXPECT_FALSE(has_integrity(sample_request, *message, "VOkJxbRl1RmTxUk/WvJxBT"));
}

TEST(stun_message, reads_the_sample_answers_of_rfc_5769) {
    const auto v4 = parse_stun(sample_answer_v4);
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->kind, stun_class::success);
    EXPECT_EQ(v4->mapped, udp::endpoint(asio::ip::make_address("192.0.2.1"), 32853));
    EXPECT_TRUE(has_integrity(sample_answer_v4, *v4, sample_password));
    const auto v6 = parse_stun(sample_answer_v6);
    ASSERT_TRUE(v6);
    const auto address = asio::ip::make_address("2001:db8:1234:5678:11:2233:4455:6677");
    EXPECT_EQ(v6->mapped, udp::endpoint(address, 32853));
    EXPECT_TRUE(has_integrity(sample_answer_v6, *v6, sample_password));
}

TEST(stun_message, reads_back_what_it_writes) {
    stun_writer writer(stun_class::request, transaction);
    writer.username("abcd:efgh1");
    writer.priority(77);
    writer.controlling(0x0102030405060708);
    writer.use_candidate();
    const auto wire = writer.finish("secret");
    const auto message = parse_stun(wire);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->transaction, transaction);
    EXPECT_EQ(message->username, "abcd:efgh1");
    EXPECT_EQ(message->priority, 77u);
    EXPECT_EQ(message->controlling, 0x0102030405060708u);
    EXPECT_TRUE(message->use_candidate);
    EXPECT_TRUE(message->fingerprint);
    EXPECT_TRUE(has_integrity(wire, *message, "secret"));
}

TEST(stun_message, writes_addresses_of_both_families_as_they_are_read) {
    for (const auto* text : {"198.51.100.7", "2001:db8::17"}) {
        const udp::endpoint address(asio::ip::make_address(text), 7280);
        stun_writer writer(stun_class::success, transaction);
        writer.mapped(address);
        const auto message = parse_stun(writer.finish("secret"));
        ASSERT_TRUE(message);
        EXPECT_EQ(message->mapped, address);
    }
}

TEST(stun_message, tells_errors_with_code_and_text) {
    stun_writer writer(stun_class::error, transaction);
    writer.error(487, "Role Conflict");
    const auto wire = writer.finish({});
    const auto message = parse_stun(wire);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, stun_class::error);
    EXPECT_EQ(message->error, 487);
    EXPECT_EQ(message->error_text, "Role Conflict");
    EXPECT_EQ(message->integrity_at, 0u);
    EXPECT_FALSE(has_integrity(wire, *message, ""));
}

TEST(stun_message, notes_attributes_that_must_be_understood_and_are_not) {
    // 0x0026 is below 0x8000, 0x8030 is not.
    auto wire =
        octets("00010010 2112a442 010203040506070809101112 00260004 00000000 80300004 00000000");
    const auto message = parse_stun(wire);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->unknown, std::vector<std::uint16_t>{0x26});
}

TEST(stun_message, refuses_a_changed_octet_by_its_fingerprint) {
    // Up to the fingerprint's own header, which may change into an attribute of no importance.
    for (std::size_t i = 20; i < sample_request.size() - 8; ++i) {
        auto changed = sample_request;
        changed[i] ^= 0x10;
        EXPECT_FALSE(parse_stun(changed)) << "octet " << i;
    }
}

TEST(stun_message, ignores_what_follows_the_integrity) {
    auto wire = octets("00010000 2112a442 010203040506070809101112");
    // USERNAME behind MESSAGE-INTEGRITY: anybody on the way could have put it there.
    const auto add = [&](std::string_view hex) {
        const auto more = octets(hex);
        wire.insert(wire.end(), more.begin(), more.end());
        wire[3] = static_cast<std::uint8_t>(wire.size() - 20);
    };
    add("00080014 0000000000000000000000000000000000000000");
    add("00060004 61626364");
    add("00250000");
    const auto message = parse_stun(wire);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->username, "");
    EXPECT_FALSE(message->use_candidate);
}

TEST(stun_message, refuses_what_is_cut_or_too_long) {
    for (std::size_t length = 0; length < sample_request.size(); ++length)
        EXPECT_FALSE(parse_stun(std::span(sample_request).first(length))) << length;
    auto longer = sample_request;
    longer.resize(longer.size() + 4);
    EXPECT_FALSE(parse_stun(longer));
    // An attribute that says it is longer than the message.
    EXPECT_FALSE(parse_stun(octets("00010004 2112a442 010203040506070809101112 0006ffff")));
    EXPECT_FALSE(parse_stun(octets("00010008 2112a442 010203040506070809101112 00240002 00010000"))
    );
}

TEST(stun_message, is_told_from_dtls_and_srtp) {
    EXPECT_TRUE(looks_like_stun(sample_request));
    auto dtls = sample_request;
    dtls[0] = 22;
    EXPECT_FALSE(looks_like_stun(dtls));
    auto rtp = sample_request;
    rtp[0] = 0x80;
    EXPECT_FALSE(looks_like_stun(rtp));
    auto cookie = sample_request;
    cookie[4] = 0;
    EXPECT_FALSE(looks_like_stun(cookie));
}
