// Sends garbage to a gateway's doors: pure noise, and noise behind a beginning that looks right.
// The same for the same seed. Thread: the test's.
#pragma once

#include "support/whole_gateway.hpp"

#include <cstdint>
#include <functional>
#include <random>
#include <string>

namespace rivulet::test {

class stranger {
  public:
    explicit stranger(std::uint32_t seed) : random_(seed) {}

    std::string bytes(std::size_t size);

    // Beginnings: of a datagram or a connection.
    using beginning = std::string (*)(stranger&);
    static std::string srt_like(stranger& self);    // handshakes of both phases, control, data
    static std::string webrtc_like(stranger& self); // STUN, DTLS, RTP
    static std::string framed_like(stranger& self); // the same with lengths before it (RFC 4571)
    static std::string tls_like(stranger& self);    // a ClientHello, cut or damaged
    static std::string rtmp_like(stranger& self);   // a whole handshake, or its start

    // UDP to 127.0.0.1.
    void datagrams(std::uint16_t port, beginning like, int times);
    // TCP: sends, then resets, half-closes or closes.
    void connections(std::uint16_t port, beginning like, int times);
    // POSTs what is, or was, an SDP offer. Every answer has to be a client's error, or a session,
    // which is deleted.
    void offers(whole_gateway& gateway, const std::string& path, const std::string& sdp, int times);

  private:
    std::size_t below(std::size_t limit) { return random_() % limit; }

    std::string damaged(std::string text);

    std::mt19937 random_;
};

} // namespace rivulet::test
