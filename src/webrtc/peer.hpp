// One WebRTC peer's transport: ICE-lite, DTLS and SRTP over a UDP port that all peers of a shard
// share. What travels inside (RTP, RTCP) is its user's.
// Thread: the shard it was made for; callbacks run there too.
// Owns: its keys. The network (see network.hpp) outlives it.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rivulet::webrtc {

struct ice_parameters {
    std::string ufrag, password;
    bool operator==(const ice_parameters&) const = default;
};

struct ice_candidate {
    std::string address;
    std::uint16_t port = 0;
    bool tcp = false; // passive ICE-TCP
    std::uint32_t priority = 0;
    std::string foundation;
};

// What the answer says about our side.
struct local_transport {
    ice_parameters ice;
    std::string fingerprint; // of our certificate, "AB:CD:…", SHA-256
    std::vector<ice_candidate> candidates;
};

// What the offer says about theirs.
struct remote_transport {
    ice_parameters ice;
    std::string fingerprint_algorithm; // "sha-256", lower case; also sha-1, sha-384, sha-512
    std::string fingerprint;           // "AB:CD:…", any case
    bool active = true; // the peer begins DTLS (actpass, active); false: we do (passive)
};

struct peer_events {
    // DTLS is done and its fingerprint matched; sending is possible from now on. Once.
    std::function<void()> connected;
    // Decrypted packets, valid during the call only.
    std::function<void(std::span<const std::uint8_t>)> rtp;
    std::function<void(std::span<const std::uint8_t>)> rtcp;
    // The peer is gone: the deadline until `connected` passed, it fell silent, DTLS failed or
    // close_notify came. `reason` is for people. Once; not after close(). The owner drops it then.
    std::function<void(std::string reason)> gone;
};

struct peer_stats {
    bool connected = false;
    std::string remote; // "192.0.2.1:4321" once selected
    bool tcp = false;
    std::uint64_t bytes_in = 0, bytes_out = 0, packets_in = 0, packets_out = 0;
    std::uint64_t dropped_out = 0; // the kernel took no more
    std::uint64_t damaged_in = 0;  // failed authentication, replayed or unparsable
};

class peer {
  public:
    virtual ~peer() = default; // close()

    virtual const local_transport& local() const = 0;
    virtual const ice_parameters& remote_ice() const = 0;
    // ICE restart: fresh credentials of ours for the peer's new ones; media flows on meanwhile.
    virtual const local_transport& restart_ice(ice_parameters remote) = 0;

    // Encrypts and sends one packet, header and payload copied once. Packets of one turn of the
    // loop leave in one system call. False before `connected`, after the end, and when the kernel
    // takes no more. Header and payload together: at most max_packet bytes. A packet may be sent
    // again (of the last 2,000 or so), but only unchanged to the last bit: with another content
    // under the same SSRC and sequence number the encryption would be broken.
    virtual bool
    send_rtp(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload) = 0;
    virtual bool send_rtcp(std::span<const std::uint8_t> compound) = 0;
    static constexpr std::size_t max_packet = 1'400;

    virtual peer_stats stats() const = 0;
    // Says close_notify and forgets the peer. Idempotent; `gone` is not called.
    virtual void close() = 0;
};

} // namespace rivulet::webrtc
