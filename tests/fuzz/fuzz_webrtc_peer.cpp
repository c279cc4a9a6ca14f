// A peer's transport behind the connectivity checks: DTLS and SRTP from a hostile peer. The first
// octet chooses how far the connection has come, the rest is datagrams with a length of two octets.
#include "webrtc/peer_link.hpp"

#include <algorithm>
#include <cstdlib>

using namespace rivulet;
using namespace rivulet::webrtc;

namespace {

std::shared_ptr<const dtls_identity> identity() {
    static const auto made = *dtls_identity::make();
    return made;
}

struct captured_output : packet_output {
    std::span<std::uint8_t> room(const path&) override { return buffer; }

    void commit(std::size_t length) override {
        if (length > buffer.size())
            std::abort();
        sent.emplace_back(buffer.begin(), buffer.begin() + static_cast<long>(length));
    }

    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(packet_room);
    std::vector<std::vector<std::uint8_t>> sent;
};

const ice_parameters ours{"ours", "a password of ours"}, theirs{"theirs", "a password of theirs"};

struct connection {
    connection() : browser(identity(), dtls_role::client, fingerprint()) {
        from.remote = {asio::ip::make_address("192.0.2.1"), 4000, false};
        link_start start;
        start.local = ours;
        start.remote = theirs;
        start.fingerprint = fingerprint();
        peer_events events;
        events.rtp = events.rtcp = [this](std::span<const std::uint8_t> packet) {
            delivered += packet.size();
        };
        events.gone = [this](std::string) { ++gone; };
        link.emplace(identity(), std::move(start), std::move(events), output, logger(), now);
        stun_writer check(stun_class::request, {});
        check.username("ours:theirs");
        check.controlling(1);
        const auto wire = check.finish(ours.password);
        link->check(wire, *parse_stun(wire), from, now);
        output.sent.clear();
    }

    static dtls_fingerprint fingerprint() {
        return *parse_fingerprint("sha-256", identity()->fingerprint());
    }

    void receive(std::vector<std::uint8_t> datagram) { link->receive(datagram, from.remote, now); }

    void handshake() {
        browser.start();
        for (int i = 0; i < 6; ++i) {
            for (auto& datagram : browser.output())
                receive(std::move(datagram));
            for (const auto& datagram : std::exchange(output.sent, {}))
                browser.receive(datagram);
        }
        if (link->connecting() || browser.phase() != dtls_phase::connected)
            std::abort();
        const auto keys = browser.keys();
        srtp.emplace(std::move(*srtp_session::make(*keys)));
    }

    time_point now{};
    path from;
    captured_output output;
    dtls_session browser;
    std::optional<srtp_session> srtp;
    std::optional<peer_link> link;
    std::size_t delivered = 0;
    int gone = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const int mode = data[0] % 3;
    connection c;
    if (mode > 0)
        c.handshake();
    std::span in(data + 1, size - 1);
    while (in.size() > 2) {
        const auto length = std::min<std::size_t>(in[0] << 8 | in[1], in.size() - 2);
        std::vector<std::uint8_t> datagram(
            in.begin() + 2, in.begin() + 2 + static_cast<long>(length)
        );
        in = in.subspan(2 + length);
        if (mode == 2 && length >= 12) {
            // Any plaintext, encrypted as it should be.
            const bool control = datagram[1] >= 192 && datagram[1] <= 223;
            datagram.resize(length + srtp_overhead);
            datagram.resize(
                control ? c.srtp->protect_rtcp(datagram, length)
                        : c.srtp->protect_rtp(datagram, length)
            );
        }
        c.receive(std::move(datagram));
        c.link->send_rtp(in.first(std::min<std::size_t>(in.size(), 1'500)), {});
    }
    if (mode == 0 && c.delivered > 0)
        std::abort(); // nothing may come through before the handshake
    c.link->tick(c.now + std::chrono::hours(1));
    if (c.gone != 1)
        std::abort();
    return 0;
}
