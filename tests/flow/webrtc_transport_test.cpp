// The WebRTC transport over real sockets on loopback.
#include "support/run_on.hpp"
#include "support/udp_relay.hpp"
#include "support/webrtc_client.hpp"
#include "webrtc/network.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

using namespace rivulet;
using namespace rivulet::webrtc;
using namespace std::chrono_literals;
using test::run_on;
using test::sleep_for;
using test::webrtc_client;
using test::webrtc_client_options;

namespace {

using packet = std::vector<std::uint8_t>;

packet rtp(std::uint16_t sequence, std::size_t payload = 1'188, std::uint32_t source = 7) {
    packet made(12 + payload, static_cast<std::uint8_t>(sequence));
    made[0] = 0x80;
    made[1] = 96;
    made[2] = static_cast<std::uint8_t>(sequence >> 8);
    made[3] = static_cast<std::uint8_t>(sequence);
    for (std::size_t i = 0; i < 4; ++i)
        made[8 + i] = static_cast<std::uint8_t>(source >> (24 - 8 * i));
    return made;
}

std::uint16_t sequence_of(std::span<const std::uint8_t> p) {
    return static_cast<std::uint16_t>(p[2] << 8 | p[3]);
}

const packet report{0x80, 201, 0, 1, 0, 0, 0, 7};

network_options loopback() {
    network_options options;
    options.first_port = options.last_port = 0;
    return options;
}

std::size_t open_files() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        ++count;
    return count;
}

std::size_t resident_kib() {
    std::ifstream in("/proc/self/status");
    for (std::string word; in >> word;)
        if (word == "VmRSS:") {
            std::size_t kib = 0;
            in >> kib;
            return kib;
        }
    return 0;
}

struct webrtc_transport : testing::Test {
    void start(network_options options = loopback()) {
        net = std::make_unique<network>(threads, options, logger("webrtc"));
        const auto opened = net->open();
        ASSERT_TRUE(opened) << opened.error().detail;
        ports = *opened;
    }

    // One side of a session, the gateway's.
    struct session {
        std::shared_ptr<peer> transport;
        int connected = 0;
        std::vector<packet> rtp_in, rtcp_in;
        std::string gone;
    };

    std::shared_ptr<session> accept(const remote_transport& remote) {
        auto made = std::make_shared<session>();
        peer_events events;
        events.connected = [made] { ++made->connected; };
        events.rtp = [made](std::span<const std::uint8_t> p) {
            made->rtp_in.emplace_back(p.begin(), p.end());
        };
        events.rtcp = [made](std::span<const std::uint8_t> p) {
            made->rtcp_in.emplace_back(p.begin(), p.end());
        };
        events.gone = [made](std::string why) {
            made->gone = std::move(why);
            made->transport.reset();
        };
        auto opened = net->make_peer(remote, std::move(events), logger("test"));
        EXPECT_TRUE(opened);
        if (opened)
            made->transport = *opened;
        return made;
    }

    // A client and its session on the shard, connected; then `then`.
    using body = std::function<awaitable<void>(webrtc_client&, session&)>;

    void connected(webrtc_client_options options, body then) {
        const auto work = [&]() -> awaitable<void> {
            webrtc_client client(co_await asio::this_coro::executor, options);
            const auto here = accept(client.transport());
            auto ours = here->transport->local();
            const auto done = co_await client.connect(std::move(ours), 5s);
            EXPECT_TRUE(done) << done.error().detail;
            if (done) {
                const auto both = [&] { return here->connected == 1; };
                co_await settle(both);
                co_await then(client, *here);
            }
            if (here->transport)
                here->transport->close();
        };
        run_on(threads.at(0).get_executor(), work());
    }

    static awaitable<bool> settle(std::function<bool()> condition, duration limit = 5s) {
        const auto until = steady_clock::now() + limit;
        while (!condition() && steady_clock::now() < until)
            co_await sleep_for(5ms);
        co_return condition();
    }

    awaitable<void> talk(webrtc_client& client, session& here) {
        std::vector<packet> rtp_in, rtcp_in;
        client.on_rtp = [&](std::span<const std::uint8_t> p) {
            rtp_in.emplace_back(p.begin(), p.end());
        };
        client.on_rtcp = [&](std::span<const std::uint8_t> p) {
            rtcp_in.emplace_back(p.begin(), p.end());
        };
        const auto whole = rtp(1);
        EXPECT_TRUE(client.send_rtp(rtp(2)));
        EXPECT_TRUE(client.send_rtcp(report));
        EXPECT_TRUE(
            here.transport->send_rtp(std::span(whole).first(12), std::span(whole).subspan(12))
        );
        EXPECT_TRUE(here.transport->send_rtcp(report));
        const auto all_there = [&] {
            return !rtp_in.empty() && !rtcp_in.empty() && !here.rtp_in.empty() &&
                   !here.rtcp_in.empty();
        };
        const bool arrived = co_await settle(all_there);
        EXPECT_TRUE(arrived);
        EXPECT_EQ(rtp_in, std::vector<packet>{rtp(1)});
        EXPECT_EQ(rtcp_in, std::vector<packet>{report});
        EXPECT_EQ(here.rtp_in, std::vector<packet>{rtp(2)});
        EXPECT_EQ(here.rtcp_in, std::vector<packet>{report});
        client.on_rtp = client.on_rtcp = nullptr;
    }

    ~webrtc_transport() override {
        if (net)
            net->stop();
        threads.stop();
    }

    shards threads{2};
    std::unique_ptr<network> net;
    std::vector<std::uint16_t> ports;
};

} // namespace

TEST_F(webrtc_transport, carries_packets_over_udp_with_either_dtls_role) {
    start();
    EXPECT_EQ(ports.size(), 2u);
    for (const bool active : {true, false}) {
        webrtc_client_options options;
        options.active = active;
        connected(options, [this](webrtc_client& client, session& here) -> awaitable<void> {
            co_await talk(client, here);
            EXPECT_FALSE(here.transport->stats().tcp);
            EXPECT_TRUE(here.transport->stats().connected);
            EXPECT_THAT(here.transport->stats().remote, testing::StartsWith("127.0.0.1:"));
        });
    }
    EXPECT_EQ(net->stats().peers, 0u);
    EXPECT_GE(net->stats().datagrams_in, 10u);
    EXPECT_GE(net->stats().datagrams_out, 10u);
}

TEST_F(webrtc_transport, carries_packets_over_tcp_on_the_same_port) {
    start();
    webrtc_client_options options;
    options.tcp = true;
    connected(options, [this](webrtc_client& client, session& here) -> awaitable<void> {
        co_await talk(client, here);
        EXPECT_TRUE(here.transport->stats().tcp);
        // The connection lost, the peer is only silent: ICE may bring it back.
        client.vanish();
        co_await sleep_for(50ms);
        EXPECT_EQ(here.gone, "");
        EXPECT_FALSE(here.transport->send_rtp(rtp(5), {}));
    });
}

TEST_F(webrtc_transport, sends_bursts_whole_and_in_order) {
    start();
    connected({}, [](webrtc_client& client, session& here) -> awaitable<void> {
        std::vector<packet> got;
        client.on_rtp = [&](std::span<const std::uint8_t> p) {
            got.emplace_back(p.begin(), p.end());
        };
        // Frames as a packetiser makes them: full packets and a shorter last one.
        std::vector<packet> sent;
        std::uint16_t sequence = 65'500;
        for (int frame = 0; frame < 20; ++frame) {
            for (int i = 0; i < 13; ++i)
                sent.push_back(rtp(sequence++));
            sent.push_back(rtp(sequence++, static_cast<std::size_t>(10 + frame * 7)));
        }
        for (const auto& each : sent) {
            const auto bytes = std::span(each);
            const bool taken = here.transport->send_rtp(bytes.first(12), bytes.subspan(12));
            EXPECT_TRUE(taken);
        }
        const auto all_there = [&] { return got.size() == sent.size(); };
        const bool arrived = co_await settle(all_there);
        EXPECT_TRUE(arrived);
        EXPECT_TRUE(got == sent) << got.size() << " of " << sent.size();
        EXPECT_EQ(client.stats().damaged, 0u);
        client.on_rtp = nullptr;
    });
}

TEST_F(webrtc_transport, tells_apart_many_peers_on_one_port) {
    start();
    const auto work = [&]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        std::vector<std::unique_ptr<webrtc_client>> clients;
        std::vector<std::shared_ptr<session>> sessions;
        std::vector<int> got(20);
        for (std::size_t i = 0; i < got.size(); ++i) {
            clients.push_back(std::make_unique<webrtc_client>(executor));
            sessions.push_back(accept(clients[i]->transport()));
            EXPECT_EQ(sessions[i]->transport->local().candidates.at(0).port, ports[0]);
            auto ours = sessions[i]->transport->local();
            const auto done = co_await clients[i]->connect(std::move(ours), 5s);
            EXPECT_TRUE(done);
            clients[i]->on_rtp = [&got, i](std::span<const std::uint8_t> p) {
                got[i] += sequence_of(p);
            };
        }
        for (std::size_t i = 0; i < got.size(); ++i) {
            clients[i]->send_rtp(rtp(static_cast<std::uint16_t>(100 + i)));
            sessions[i]->transport->send_rtp(rtp(static_cast<std::uint16_t>(1 + i)), {});
        }
        const auto all_there = [&] {
            for (std::size_t i = 0; i < got.size(); ++i)
                if (got[i] == 0 || sessions[i]->rtp_in.empty())
                    return false;
            return true;
        };
        const bool arrived = co_await settle(all_there);
        EXPECT_TRUE(arrived);
        for (std::size_t i = 0; i < got.size(); ++i) {
            EXPECT_EQ(got[i], static_cast<int>(1 + i));
            EXPECT_EQ(sequence_of(sessions[i]->rtp_in.at(0)), 100 + i);
        }
        EXPECT_EQ(net->stats().peers, got.size());
    };
    run_on(threads.at(0).get_executor(), work());
}

TEST_F(webrtc_transport, gives_every_shard_a_port_of_its_own) {
    start();
    for (std::size_t shard = 0; shard < threads.size(); ++shard) {
        const auto work = [&, shard]() -> awaitable<void> {
            webrtc_client client(co_await asio::this_coro::executor);
            const auto here = accept(client.transport());
            for (const auto& candidate : here->transport->local().candidates)
                EXPECT_EQ(candidate.port, ports[shard]);
            auto ours = here->transport->local();
            const auto done = co_await client.connect(std::move(ours), 5s);
            EXPECT_TRUE(done);
            co_await talk(client, *here);
            here->transport->close();
        };
        run_on(threads.at(shard).get_executor(), work());
    }
    EXPECT_NE(ports[0], ports[1]);
    const auto outside = net->make_peer({}, {}, logger("test"));
    ASSERT_FALSE(outside) << "a peer belongs to the shard it is made on";
}

TEST_F(webrtc_transport, drops_a_client_whose_certificate_is_another) {
    start();
    const auto work = [&]() -> awaitable<void> {
        webrtc_client_options options;
        options.lie = true;
        webrtc_client client(co_await asio::this_coro::executor, options);
        const auto here = accept(client.transport());
        auto ours = here->transport->local();
        const auto done = co_await client.connect(std::move(ours), 5s);
        const auto is_gone = [&] { return !here->gone.empty(); };
        co_await settle(is_gone);
        EXPECT_THAT(here->gone, testing::HasSubstr("not the one its SDP announced"));
        EXPECT_EQ(here->connected, 0);
    };
    run_on(threads.at(0).get_executor(), work());
    EXPECT_EQ(net->stats().peers, 0u);
}

TEST_F(webrtc_transport, notices_that_a_client_closes_vanishes_or_never_comes) {
    auto options = loopback();
    options.silence_limit = 1s;
    options.connect_limit = 1s;
    start(options);
    connected({}, [](webrtc_client& client, session& here) -> awaitable<void> {
        client.close();
        const auto is_gone = [&] { return !here.gone.empty(); };
        co_await settle(is_gone, 500ms);
        EXPECT_EQ(here.gone, "the peer closed the connection");
    });
    connected({}, [](webrtc_client& client, session& here) -> awaitable<void> {
        client.vanish();
        const auto is_gone = [&] { return !here.gone.empty(); };
        co_await settle(is_gone, 3s);
        EXPECT_EQ(here.gone, "nothing heard for 1 s");
    });
    const auto work = [&]() -> awaitable<void> {
        webrtc_client client(co_await asio::this_coro::executor);
        const auto here = accept(client.transport());
        const auto is_gone = [&] { return !here->gone.empty(); };
        co_await settle(is_gone, 3s);
        EXPECT_EQ(here->gone, "not connected within 1 s: no connectivity check came through");
    };
    run_on(threads.at(0).get_executor(), work());
    EXPECT_EQ(net->stats().peers, 0u);
}

TEST_F(webrtc_transport, says_goodbye_to_clients) {
    start();
    for (const bool tcp : {false, true}) {
        webrtc_client_options options;
        options.tcp = tcp;
        connected(options, [](webrtc_client& client, session& here) -> awaitable<void> {
            here.transport->close();
            const auto is_over = [&] { return client.ended(); };
            const bool told = co_await settle(is_over, 1s);
            EXPECT_TRUE(told);
            EXPECT_EQ(here.gone, "");
        });
    }
}

TEST_F(webrtc_transport, follows_a_client_to_another_address) {
    start();
    connected({}, [this](webrtc_client& client, session& here) -> awaitable<void> {
        const auto before = here.transport->stats().remote;
        co_await sleep_for(3'100ms); // the old nomination holds for three seconds
        client.move();
        const auto moved = [&] { return here.transport->stats().remote != before; };
        const bool followed = co_await settle(moved, 2s);
        EXPECT_TRUE(followed);
        co_await talk(client, here);
        EXPECT_EQ(here.connected, 1);
    });
}

TEST_F(webrtc_transport, restarts_ice_while_media_flows) {
    start();
    connected({}, [this](webrtc_client& client, session& here) -> awaitable<void> {
        const auto before = here.transport->local().ice;
        const auto theirs = client.begin_restart();
        const auto ours = here.transport->restart_ice(theirs).ice;
        EXPECT_NE(ours, before);
        EXPECT_EQ(here.transport->remote_ice(), theirs);
        client.finish_restart(ours);
        const auto answered = client.stats().checks_answered;
        const auto more = [&] { return client.stats().checks_answered > answered; };
        const bool checked = co_await settle(more, 1s);
        EXPECT_TRUE(checked);
        co_await talk(client, here);
    });
}

TEST_F(webrtc_transport, listens_on_every_address_of_both_families) {
    auto options = loopback();
    options.host = "::";
    start(options);
    for (const auto* address : {"127.0.0.1", "127.0.0.2", "::1"}) {
        webrtc_client_options through;
        through.through = udp::endpoint(asio::ip::make_address(address), ports[0]);
        connected(through, [this](webrtc_client& client, session& here) -> awaitable<void> {
            co_await talk(client, here);
        });
    }
}

TEST_F(webrtc_transport, connects_and_carries_on_over_a_bad_line) {
    start();
    test::udp_relay_options bad;
    bad.lose_up = bad.lose_down = 0.2;
    bad.double_up = bad.double_down = 0.1;
    bad.delay = 5ms;
    bad.jitter = 10ms;
    bad.media_only = false;
    test::udp_relay relay(
        threads.at(0).get_executor(), {asio::ip::address_v4::loopback(), ports[0]}, bad
    );
    webrtc_client_options options;
    options.through = relay.endpoint();
    connected(options, [&](webrtc_client& client, session& here) -> awaitable<void> {
        for (std::uint16_t i = 0; i < 200; ++i)
            client.send_rtp(rtp(i));
        co_await sleep_for(100ms);
        EXPECT_GT(here.rtp_in.size(), 120u);
        EXPECT_LE(here.rtp_in.size(), 200u) << "doubled packets come through once";
        EXPECT_GT(relay.stats().lost_up, 10u);
    });
    const auto work = [&]() -> awaitable<void> {
        relay.close();
        co_return;
    };
    run_on(threads.at(0).get_executor(), work());
}

TEST_F(webrtc_transport, shrugs_off_garbage) {
    start();
    const auto work = [&]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        udp::socket stranger(executor, udp::v4());
        const udp::endpoint there(asio::ip::make_address("127.0.0.1"), ports[0]);
        std::uint32_t seed = 1;
        for (int i = 0; i < 500; ++i) {
            packet garbage(static_cast<std::size_t>(i % 300 + 1));
            for (auto& octet : garbage)
                octet = static_cast<std::uint8_t>((seed = seed * 1'664'525 + 1'013'904'223) >> 24);
            garbage[0] = std::array<std::uint8_t, 4>{0, 22, 0x80, 0xff}[i % 4];
            stranger.send_to(asio::buffer(garbage), there);
        }
        tcp::socket wire(executor);
        const tcp::endpoint same(there.address(), there.port());
        co_await wire.async_connect(same, asio::use_awaitable);
        const packet nonsense{0, 40, 1, 2, 3, 0xff, 0xff, 0xff};
        co_await asio::async_write(wire, asio::buffer(nonsense), asio::use_awaitable);
        const packet more(60, 'G');
        co_await asio::async_write(wire, asio::buffer(more), asio::use_awaitable);
        std::array<char, 16> answer;
        const auto [ec, count] = co_await wire.async_read_some(asio::buffer(answer), as_tuple);
        EXPECT_TRUE(ec) << "the connection is closed";
    };
    run_on(threads.at(0).get_executor(), work());
    EXPECT_GE(net->stats().foreign_in, 490u);
    connected({}, [this](webrtc_client& client, session& here) -> awaitable<void> {
        co_await talk(client, here);
    });
}

TEST_F(webrtc_transport, has_a_limit_of_peers) {
    auto options = loopback();
    options.peers = 2;
    start(options);
    const auto work = [&]() -> awaitable<void> {
        webrtc_client client(co_await asio::this_coro::executor);
        const auto first = accept(client.transport());
        const auto second = accept(client.transport());
        const auto third = net->make_peer(client.transport(), {}, logger("test"));
        EXPECT_FALSE(third);
        EXPECT_EQ(third.error().code, make_error_code(errc::too_many));
        first->transport->close();
        const auto again = accept(client.transport());
        EXPECT_NE(again->transport, nullptr);
        auto wrong = client.transport();
        wrong.fingerprint = "AB:CD";
        second->transport.reset();
        const auto refused = net->make_peer(wrong, {}, logger("test"));
        EXPECT_FALSE(refused);
        EXPECT_EQ(refused.error().code, make_error_code(errc::invalid_argument));
    };
    run_on(threads.at(0).get_executor(), work());
}

TEST_F(webrtc_transport, needs_a_free_port_of_its_range) {
    start();
    auto options = loopback();
    options.first_port = options.last_port = ports[0];
    network second(threads, options, logger("webrtc"));
    const auto opened = second.open();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().detail, testing::HasSubstr(std::to_string(ports[0])));
    options.host = "localhost";
    network third(threads, options, logger("webrtc"));
    EXPECT_THAT(third.open().error().detail, testing::HasSubstr("no literal"));
}

TEST_F(webrtc_transport, ends_every_peer_when_it_stops) {
    start();
    std::shared_ptr<session> here;
    std::unique_ptr<webrtc_client> client;
    const auto work = [&]() -> awaitable<void> {
        client = std::make_unique<webrtc_client>(co_await asio::this_coro::executor);
        here = accept(client->transport());
        auto ours = here->transport->local();
        const auto done = co_await client->connect(std::move(ours), 5s);
        EXPECT_TRUE(done);
    };
    run_on(threads.at(0).get_executor(), work());
    net->stop();
    EXPECT_EQ(here->gone, "the gateway ends");
    net->stop();
    const auto later = [&]() -> awaitable<void> {
        const auto is_over = [&] { return client->ended(); };
        const bool told = co_await settle(is_over, 1s);
        EXPECT_TRUE(told);
        client.reset();
        EXPECT_FALSE(net->make_peer({}, {}, logger("test")));
    };
    run_on(threads.at(0).get_executor(), later());
}

TEST_F(webrtc_transport, leaves_nothing_of_200_sessions) {
    start();
    const auto sessions = [&](int count) {
        const auto work = [&, count]() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            for (int i = 0; i < count; ++i) {
                webrtc_client_options options;
                options.tcp = i % 5 == 4;
                webrtc_client client(executor, options);
                const auto here = accept(client.transport());
                auto ours = here->transport->local();
                if (i % 4 == 3) { // aborted: the client never comes
                    here->transport->close();
                    continue;
                }
                const auto done = co_await client.connect(std::move(ours), 5s);
                EXPECT_TRUE(done);
                client.send_rtp(rtp(1));
                here->transport->send_rtp(rtp(1), {});
                if (i % 4 == 2)
                    client.vanish();
                here->transport->close();
            }
            co_await sleep_for(100ms);
        };
        run_on(threads.at(0).get_executor(), work(), 60s);
    };
    sessions(40);
    const auto files = open_files(), memory = resident_kib();
    sessions(200);
    EXPECT_EQ(net->stats().peers, 0u);
    EXPECT_LE(open_files(), files);
    // A session that was kept would cost some 40 KiB. Sanitizers keep freed memory on purpose.
#ifndef __SANITIZE_ADDRESS__
    EXPECT_LT(resident_kib(), memory + 2'000);
#else
    static_cast<void>(memory);
#endif
}
