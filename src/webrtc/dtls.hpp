// DTLS as WebRTC uses it (RFC 5763, RFC 8827): self-signed certificates on both sides, known by
// the fingerprints of offer and answer, for nothing but the keys of SRTP. Datagrams in, datagrams
// out; no socket. Retransmissions go by OpenSSL's clock.
// Thread: one at a time per session.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "webrtc/dtls_identity.hpp"
#include "webrtc/srtp.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::webrtc {

enum class dtls_role { server, client };
enum class dtls_phase { handshaking, connected, closed, failed };

class dtls_session {
  public:
    dtls_session(
        std::shared_ptr<const dtls_identity> identity, dtls_role role, dtls_fingerprint expected
    );
    ~dtls_session();
    dtls_session(const dtls_session&) = delete;
    dtls_session& operator=(const dtls_session&) = delete;

    // Client: says hello. Server: does nothing.
    void start();
    void receive(std::span<const std::uint8_t> datagram);
    // Repeats what got lost when it is time; now and then until connected.
    void tick();
    // Says close_notify.
    void close();

    dtls_phase phase() const;
    const std::string& reason() const; // of `failed`
    // Once connected, which implies that the fingerprint matched. Fails with tls_failed when the
    // peers agreed on no profile of ours.
    outcome<srtp_keys> keys() const;

    // What is to be sent, a datagram each; taken.
    std::vector<std::vector<std::uint8_t>> output();

  private:
    struct state;
    std::unique_ptr<state> state_;
};

// By its first octet, RFC 7983.
inline bool looks_like_dtls(std::span<const std::uint8_t> datagram) {
    return datagram.size() >= 13 && datagram[0] >= 20 && datagram[0] <= 63;
}

} // namespace rivulet::webrtc
