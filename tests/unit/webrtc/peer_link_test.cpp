// A link and a browser's side of it, without sockets: the time is the test's but for DTLS.
#include "support/controlling_peer.hpp"
#include "webrtc/peer_link.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::webrtc;
using namespace std::chrono_literals;

namespace {

using packet = std::vector<std::uint8_t>;

struct captured_output : packet_output {
    std::span<std::uint8_t> room(const path& to) override {
        last = to;
        if (full)
            return {};
        buffer.assign(packet_room, 0);
        return buffer;
    }

    void commit(std::size_t length) override {
        sent.emplace_back(buffer.begin(), buffer.begin() + static_cast<long>(length));
    }

    path last;
    bool full = false;
    packet buffer;
    std::vector<packet> sent;
};

packet rtp(std::uint16_t sequence) {
    packet made(112, 0x33);
    made[0] = 0x80;
    made[1] = 96;
    made[2] = static_cast<std::uint8_t>(sequence >> 8);
    made[3] = static_cast<std::uint8_t>(sequence);
    return made;
}

struct rig {
    explicit rig(test::controlling_options options = {}) : browser(options) {
        from.remote = {asio::ip::make_address("192.0.2.1"), 4000, false};
        link_start start;
        start.local = {"ours", "our long enough password"};
        start.remote = browser.announced().ice;
        start.fingerprint = *parse_fingerprint("sha-256", browser.announced().fingerprint);
        start.role = options.active ? dtls_role::server : dtls_role::client;
        start.limits = {10s, 5s};
        peer_events events;
        events.connected = [this] { ++connected; };
        events.rtp = [this](std::span<const std::uint8_t> p) {
            rtp_in.emplace_back(p.begin(), p.end());
            if (on_rtp)
                on_rtp();
        };
        events.rtcp = [this](std::span<const std::uint8_t> p) {
            rtcp_in.emplace_back(p.begin(), p.end());
        };
        events.gone = [this](std::string why) { gone.push_back(std::move(why)); };
        identity = test::client_identity();
        link.emplace(identity, std::move(start), std::move(events), output, logger("test"), now);
        browser.begin({"ours", "our long enough password"}, identity->fingerprint());
    }

    void deliver(packet datagram) {
        if (looks_like_stun(datagram)) {
            const auto message = parse_stun(datagram);
            link->check(datagram, *message, from, now);
        } else {
            link->receive(datagram, from.remote, now);
        }
    }

    void exchange() {
        for (int i = 0; i < 12; ++i) {
            browser.tick(now);
            for (auto& datagram : browser.output())
                deliver(std::move(datagram));
            for (auto& datagram : std::exchange(output.sent, {}))
                browser.receive(datagram, now);
        }
    }

    time_point now = time_point{} + 1h;
    path from;
    captured_output output;
    std::shared_ptr<const dtls_identity> identity;
    test::controlling_peer browser;
    std::optional<peer_link> link;
    int connected = 0;
    std::vector<packet> rtp_in, rtcp_in;
    std::vector<std::string> gone;
    std::function<void()> on_rtp;
};

} // namespace

TEST(peer_link, connects_and_carries_packets_both_ways) {
    for (const bool active : {true, false}) {
        test::controlling_options options;
        options.active = active;
        rig r(options);
        EXPECT_FALSE(r.link->send_rtp(rtp(1), {}));
        r.exchange();
        ASSERT_EQ(r.connected, 1);
        ASSERT_TRUE(r.browser.connected());
        const auto whole = rtp(7);
        EXPECT_TRUE(r.link->send_rtp(std::span(whole).first(12), std::span(whole).subspan(12)));
        EXPECT_TRUE(r.browser.send_rtp(rtp(9)));
        const packet report{0x80, 201, 0, 1, 0x33, 0x33, 0x33, 0x33};
        EXPECT_TRUE(r.browser.send_rtcp(report));
        EXPECT_TRUE(r.link->send_rtcp(report));
        r.exchange();
        EXPECT_EQ(r.browser.rtp_in, std::vector<packet>{whole});
        EXPECT_EQ(r.browser.rtcp_in, std::vector<packet>{report});
        EXPECT_EQ(r.rtp_in, std::vector<packet>{rtp(9)});
        EXPECT_EQ(r.rtcp_in, std::vector<packet>{report});
        EXPECT_EQ(r.link->stats().packets_in, 2u);
        EXPECT_EQ(r.link->stats().packets_out, 2u);
        EXPECT_EQ(r.link->stats().remote, "192.0.2.1:4000");
        EXPECT_TRUE(r.gone.empty());
    }
}

TEST(peer_link, listens_to_nobody_before_a_check_passed) {
    rig r;
    packet hello(200, 22);
    r.link->receive(hello, r.from.remote, r.now);
    EXPECT_TRUE(r.output.sent.empty());
    EXPECT_TRUE(r.gone.empty());
}

TEST(peer_link, drops_a_peer_with_another_certificate) {
    test::controlling_options options;
    options.lie = true;
    rig r(options);
    r.exchange();
    EXPECT_EQ(r.connected, 0);
    ASSERT_EQ(r.gone.size(), 1u);
    EXPECT_NE(r.gone[0].find("not the one its SDP announced"), std::string::npos);
    EXPECT_FALSE(r.link->send_rtp(rtp(1), {}));
}

TEST(peer_link, gives_up_when_nothing_connects_in_time) {
    rig r;
    r.now += 9s;
    r.link->tick(r.now);
    EXPECT_TRUE(r.gone.empty());
    r.now += 1s;
    r.link->tick(r.now);
    ASSERT_EQ(r.gone.size(), 1u);
    EXPECT_EQ(r.gone[0], "not connected within 10 s: no connectivity check came through");
}

TEST(peer_link, is_gone_after_silence_but_lives_on_checks_alone) {
    rig r;
    r.exchange();
    for (int i = 0; i < 4; ++i) {
        r.now += 4s;
        r.exchange();
        r.link->tick(r.now);
        EXPECT_TRUE(r.gone.empty());
    }
    r.now += 5s;
    r.link->tick(r.now);
    EXPECT_EQ(r.gone, std::vector<std::string>{"nothing heard for 5 s"});
}

TEST(peer_link, is_gone_when_the_peer_says_so) {
    rig r;
    r.exchange();
    r.browser.close();
    r.exchange();
    EXPECT_EQ(r.gone, std::vector<std::string>{"the peer closed the connection"});
}

TEST(peer_link, says_goodbye_when_closed_and_calls_nobody_after) {
    rig r;
    r.exchange();
    r.link->close();
    for (auto& datagram : std::exchange(r.output.sent, {}))
        r.browser.receive(datagram, r.now);
    EXPECT_EQ(r.browser.phase(), dtls_phase::closed);
    r.browser.send_rtp(rtp(1));
    r.exchange();
    r.link->tick(r.now + 1h);
    EXPECT_TRUE(r.rtp_in.empty());
    EXPECT_TRUE(r.gone.empty());
}

TEST(peer_link, may_be_closed_in_its_own_callback) {
    rig r;
    r.exchange();
    r.on_rtp = [&] { r.link->close(); };
    r.browser.send_rtp(rtp(1));
    r.browser.send_rtp(rtp(2));
    r.exchange();
    EXPECT_EQ(r.rtp_in.size(), 1u);
    EXPECT_TRUE(r.link->ended());
}

TEST(peer_link, counts_damaged_packets_and_lives_on) {
    rig r;
    r.exchange();
    r.browser.send_rtp(rtp(1));
    auto sent = r.browser.output();
    ASSERT_EQ(sent.size(), 1u);
    sent[0].back() ^= 1;
    r.deliver(sent[0]);
    r.deliver(packet(40, 0x81));
    r.deliver(packet(3, 0x81));
    EXPECT_TRUE(r.rtp_in.empty());
    EXPECT_EQ(r.link->stats().damaged_in, 3u);
    EXPECT_TRUE(r.gone.empty());
}

TEST(peer_link, ignores_media_from_elsewhere) {
    rig r;
    r.exchange();
    r.browser.send_rtp(rtp(1));
    auto sent = r.browser.output();
    path_id elsewhere = r.from.remote;
    elsewhere.port = 4001;
    r.link->receive(sent.at(0), elsewhere, r.now);
    EXPECT_TRUE(r.rtp_in.empty());
}

TEST(peer_link, tells_when_no_more_is_taken) {
    rig r;
    r.exchange();
    r.output.full = true;
    EXPECT_FALSE(r.link->send_rtp(rtp(1), {}));
    EXPECT_EQ(r.link->stats().dropped_out, 1u);
    r.output.full = false;
    EXPECT_TRUE(r.link->send_rtp(rtp(1), {}));
    EXPECT_FALSE(r.link->send_rtp(packet(peer::max_packet + 1, 0x80), {}));
}

TEST(peer_link, moves_to_another_address_while_media_flows) {
    rig r;
    r.exchange();
    r.link->restart_ice({"fresh", "fresh long password"}, {"theirs2", "their new password"});
    EXPECT_EQ(r.link->remote_ice().ufrag, "theirs2");
    r.browser.send_rtp(rtp(1));
    r.exchange();
    EXPECT_EQ(r.rtp_in.size(), 1u);
    r.browser.restart({"theirs2", "their new password"}, {"fresh", "fresh long password"});
    r.from.remote.port = 4321;
    r.now += 3s;
    r.exchange();
    EXPECT_TRUE(r.link->send_rtp(rtp(2), {}));
    EXPECT_EQ(r.output.last.remote.port, 4321);
    r.exchange();
    EXPECT_EQ(r.browser.rtp_in.size(), 1u);
    EXPECT_EQ(r.connected, 1);
}
