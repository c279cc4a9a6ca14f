#include "ingest/rtmp_handshake.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;

namespace {

using raw = std::vector<std::uint8_t>;

} // namespace

TEST(rtmp_handshake, both_sides_agree_on_the_digest_form) {
    rtmp_client_handshake client;
    rtmp_server_handshake server;
    raw c0c1, s, c2, nothing;
    client.start(c0c1);
    std::span<const std::uint8_t> in = c0c1;
    EXPECT_FALSE(server.receive(in, s).value());
    EXPECT_TRUE(server.used_digest());
    EXPECT_EQ(s.size(), 1 + 2 * rtmp_handshake_size);
    in = s;
    EXPECT_TRUE(client.receive(in, c2).value());
    EXPECT_TRUE(client.server_digest_valid());
    EXPECT_EQ(c2.size(), rtmp_handshake_size);
    in = c2;
    EXPECT_TRUE(server.receive(in, nothing).value());
    EXPECT_TRUE(nothing.empty());
}

TEST(rtmp_handshake, the_plain_form_echoes_the_client) {
    raw c0c1(1 + rtmp_handshake_size, 0x55);
    c0c1[0] = 3;
    std::fill_n(c0c1.begin() + 5, 4, std::uint8_t{0});
    rtmp_server_handshake server;
    raw s;
    std::span<const std::uint8_t> in = c0c1;
    EXPECT_FALSE(server.receive(in, s).value());
    EXPECT_FALSE(server.used_digest());
    const auto s2 = std::span(s).last(rtmp_handshake_size);
    EXPECT_TRUE(std::equal(s2.begin(), s2.end(), c0c1.begin() + 1));
}

TEST(rtmp_handshake, a_version_without_a_valid_digest_falls_back_to_the_plain_form) {
    raw c0c1(1 + rtmp_handshake_size, 0x55);
    c0c1[0] = 3;
    rtmp_server_handshake server;
    raw s;
    std::span<const std::uint8_t> in = c0c1;
    EXPECT_FALSE(server.receive(in, s).value());
    EXPECT_FALSE(server.used_digest());
    EXPECT_EQ(s.size(), 1 + 2 * rtmp_handshake_size);
}

TEST(rtmp_handshake, leaves_bytes_after_c2_to_the_chunk_reader) {
    raw all(1 + 2 * rtmp_handshake_size + 5, 0);
    all[0] = 3;
    rtmp_server_handshake server;
    raw s;
    std::span<const std::uint8_t> in = all;
    EXPECT_TRUE(server.receive(in, s).value());
    EXPECT_EQ(in.size(), 5u);
}

TEST(rtmp_handshake, works_byte_by_byte) {
    rtmp_client_handshake client;
    rtmp_server_handshake server;
    raw to_server, to_client;
    client.start(to_server);
    bool done = false;
    for (std::size_t i = 0; i < to_server.size(); ++i) {
        std::span<const std::uint8_t> one(&to_server[i], 1);
        done = server.receive(one, to_client).value();
    }
    EXPECT_FALSE(done);
    raw c2;
    for (std::size_t i = 0; i < to_client.size(); ++i) {
        std::span<const std::uint8_t> one(&to_client[i], 1);
        done = client.receive(one, c2).value();
    }
    EXPECT_TRUE(done);
}

TEST(rtmp_handshake, refuses_what_is_not_rtmp_at_the_first_byte) {
    const raw http{'G', 'E', 'T', ' '};
    rtmp_server_handshake server;
    raw s;
    std::span<const std::uint8_t> in = http;
    EXPECT_FALSE(server.receive(in, s));
    EXPECT_TRUE(s.empty());
}
