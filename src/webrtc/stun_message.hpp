// STUN messages (RFC 8489) as ICE needs them (RFC 8445): binding requests and their answers. Pure.
// Fails with protocol_violation.
#pragma once

#include "base/error.hpp"
#include "webrtc/path.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace rivulet::webrtc {

enum class stun_class { request, indication, success, error };

inline constexpr std::uint16_t stun_binding = 1;

using stun_transaction = std::array<std::uint8_t, 12>;

// Texts look into the datagram that was parsed.
struct stun_message {
    stun_class kind = stun_class::request;
    std::uint16_t method = stun_binding;
    stun_transaction transaction{};

    std::string_view username;
    std::optional<std::uint32_t> priority;
    bool use_candidate = false;
    std::optional<std::uint64_t> controlling, controlled; // tie-breakers
    std::optional<udp::endpoint> mapped;                  // XOR-MAPPED-ADDRESS
    std::optional<int> error;                             // 400-699
    std::string_view error_text;

    bool fingerprint = false;           // there, and right
    std::size_t integrity_at = 0;       // where MESSAGE-INTEGRITY begins; 0: there is none
    std::vector<std::uint16_t> unknown; // attributes that must be understood and are not
};

// By its first bytes, as RFC 7983 tells STUN from DTLS and SRTP; parse_stun() may still fail.
bool looks_like_stun(std::span<const std::uint8_t> datagram);
// A wrong FINGERPRINT is a failure; MESSAGE-INTEGRITY is checked by has_integrity().
result<stun_message> parse_stun(std::span<const std::uint8_t> datagram);
// True when the message has a MESSAGE-INTEGRITY that this short-term password made.
bool has_integrity(
    std::span<const std::uint8_t> datagram, const stun_message& message, std::string_view password
);

class stun_writer {
  public:
    stun_writer(stun_class kind, const stun_transaction& transaction);

    void username(std::string_view text);
    void priority(std::uint32_t value);
    void use_candidate();
    void controlling(std::uint64_t tie_breaker);
    void controlled(std::uint64_t tie_breaker);
    void mapped(const udp::endpoint& address);
    void error(int code, std::string_view text);
    void unknown_attributes(std::span<const std::uint16_t> types);

    // Adds MESSAGE-INTEGRITY unless the password is empty, and FINGERPRINT.
    std::vector<std::uint8_t> finish(std::string_view password);

  private:
    void attribute(std::uint16_t type, std::span<const std::uint8_t> value);
    void attribute(std::uint16_t type, std::string_view value);
    void set_length(std::size_t body);

    std::vector<std::uint8_t> wire_;
};

} // namespace rivulet::webrtc
