#include "webrtc/dtls.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::webrtc;

namespace {

std::shared_ptr<const dtls_identity> identity() {
    auto made = dtls_identity::make();
    EXPECT_TRUE(made);
    return *made;
}

dtls_fingerprint fingerprint_of(const dtls_identity& who) {
    return *parse_fingerprint("sha-256", who.fingerprint());
}

struct pair_of_sessions {
    pair_of_sessions()
        : server(server_identity, dtls_role::server, fingerprint_of(*client_identity)),
          client(client_identity, dtls_role::client, fingerprint_of(*server_identity)) {}

    // Until nobody has anything to say.
    void talk() {
        client.start();
        for (bool said = true; said;) {
            said = false;
            for (const auto& datagram : client.output()) {
                largest = std::max(largest, datagram.size());
                server.receive(datagram);
                said = true;
            }
            for (const auto& datagram : server.output()) {
                largest = std::max(largest, datagram.size());
                client.receive(datagram);
                said = true;
            }
        }
    }

    std::shared_ptr<const dtls_identity> server_identity = identity(), client_identity = identity();
    dtls_session server, client;
    std::size_t largest = 0;
};

} // namespace

TEST(dtls, agrees_on_keys_for_srtp) {
    pair_of_sessions both;
    both.talk();
    ASSERT_EQ(both.server.phase(), dtls_phase::connected);
    ASSERT_EQ(both.client.phase(), dtls_phase::connected);
    const auto server = both.server.keys(), client = both.client.keys();
    ASSERT_TRUE(server);
    ASSERT_TRUE(client);
    EXPECT_EQ(server->profile, srtp_profile::aead_aes_128_gcm);
    EXPECT_EQ(server->outbound, client->inbound);
    EXPECT_EQ(server->inbound, client->outbound);
    EXPECT_NE(server->inbound, server->outbound);
}

TEST(dtls, keeps_its_datagrams_small_enough_for_every_path) {
    pair_of_sessions both;
    both.talk();
    EXPECT_GT(both.largest, 100u);
    EXPECT_LE(both.largest, 1'200u);
}

TEST(dtls, refuses_a_peer_whose_certificate_was_not_announced) {
    auto server_identity = identity(), client_identity = identity(), announced = identity();
    dtls_session server(server_identity, dtls_role::server, fingerprint_of(*announced));
    dtls_session client(client_identity, dtls_role::client, fingerprint_of(*server_identity));
    client.start();
    for (int i = 0; i < 10; ++i) {
        for (const auto& datagram : client.output())
            server.receive(datagram);
        for (const auto& datagram : server.output())
            client.receive(datagram);
    }
    EXPECT_EQ(server.phase(), dtls_phase::failed);
    EXPECT_NE(server.reason().find("not the one its SDP announced"), std::string::npos);
    EXPECT_NE(client.phase(), dtls_phase::handshaking);
}

TEST(dtls, tells_the_peer_that_it_closes) {
    pair_of_sessions both;
    both.talk();
    both.client.close();
    both.talk();
    EXPECT_EQ(both.server.phase(), dtls_phase::closed);
}

TEST(dtls, survives_garbage) {
    pair_of_sessions both;
    std::vector<std::uint8_t> garbage(300, 22);
    both.server.receive(garbage);
    both.client.start();
    both.client.receive(garbage);
    garbage[0] = 23;
    both.client.receive(garbage);
    EXPECT_EQ(both.server.phase(), dtls_phase::handshaking);
    both.talk();
    EXPECT_EQ(both.server.phase(), dtls_phase::connected);
    both.server.receive(garbage);
    EXPECT_EQ(both.server.phase(), dtls_phase::connected);
}

TEST(dtls_fingerprint, is_read_in_any_case) {
    const auto who = identity();
    std::string lower = who->fingerprint();
    for (auto& c : lower)
        c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(parse_fingerprint("SHA-256", lower)->digest, fingerprint_of(*who).digest);
    EXPECT_EQ(fingerprint_of(*who).digest.size(), 32u);
}

TEST(dtls_fingerprint, is_refused_when_it_is_none) {
    const auto text = identity()->fingerprint();
    EXPECT_FALSE(parse_fingerprint("md5", text));
    EXPECT_FALSE(parse_fingerprint("sha-1", text));
    EXPECT_FALSE(parse_fingerprint("sha-256", ""));
    EXPECT_FALSE(parse_fingerprint("sha-256", text.substr(1)));
    EXPECT_FALSE(parse_fingerprint("sha-256", text + ":"));
    auto bad = text;
    bad[4] = 'G';
    EXPECT_FALSE(parse_fingerprint("sha-256", bad));
    bad = text;
    bad[2] = '-';
    EXPECT_FALSE(parse_fingerprint("sha-256", bad));
}
