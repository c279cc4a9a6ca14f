// Encrypts and decrypts RTP and RTCP in place (RFC 3711, RFC 7714) by libsrtp.
// Thread: one at a time per session.
// Owns: the session's keys.
#pragma once

#include "base/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace rivulet::webrtc {

// Those of RFC 5764 and RFC 7714 that browsers agree on.
enum class srtp_profile { aes128_cm_sha1_80 = 1, aead_aes_128_gcm = 7 };

std::size_t srtp_key_bytes(srtp_profile profile);  // 16
std::size_t srtp_salt_bytes(srtp_profile profile); // 14 or 12

struct srtp_keys {
    srtp_profile profile = srtp_profile::aes128_cm_sha1_80;
    // Master key, then master salt.
    std::array<std::uint8_t, 30> outbound{}, inbound{};

    ~srtp_keys(); // wipes them
};

// What encryption adds to a packet at most.
inline constexpr std::size_t srtp_overhead = 20;

class srtp_session {
  public:
    // Fails with media_error.
    static outcome<srtp_session> make(const srtp_keys& keys);
    srtp_session(srtp_session&&) noexcept;
    srtp_session& operator=(srtp_session&&) noexcept;
    ~srtp_session();

    // The packet is the first `size` octets of `room`, which has srtp_overhead more; its new size,
    // 0 when the packet is not RTP (RTCP) or its sequence number is far behind those sent.
    std::size_t protect_rtp(std::span<std::uint8_t> room, std::size_t size);
    std::size_t protect_rtcp(std::span<std::uint8_t> room, std::size_t size);
    // The size of the decrypted packet; 0 when it is damaged, replayed or too old. `packet` begins
    // at a multiple of four.
    std::size_t unprotect_rtp(std::span<std::uint8_t> packet);
    std::size_t unprotect_rtcp(std::span<std::uint8_t> packet);

    // A peer that invents sources is not given memory for them without end.
    static constexpr std::size_t max_sources = 32;

  private:
    struct state;
    explicit srtp_session(std::unique_ptr<state> state);
    std::unique_ptr<state> state_;
};

} // namespace rivulet::webrtc
