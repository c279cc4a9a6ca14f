// The RTMP handshake, both sides, in its plain form and with digests ("complex"), which some
// players and encoders check. No I/O: bytes in, bytes to send out. Fails with: protocol_violation.
#pragma once

#include "base/error.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace rivulet::ingest {

inline constexpr std::size_t rtmp_handshake_size = 1536;
using rtmp_handshake_block = std::array<std::uint8_t, rtmp_handshake_size>;

// Where the digest of a block lies: two layouts exist.
enum class rtmp_digest_layout { first_half, second_half };

class rtmp_server_handshake {
  public:
    // Takes bytes off the front of `in`, appends what to send to `out`; true once complete (the
    // rest of `in` are chunks).
    result<bool> receive(std::span<const std::uint8_t>& in, std::vector<std::uint8_t>& out);

    bool used_digest() const { return used_digest_; }

  private:
    std::vector<std::uint8_t> held_;
    bool answered_ = false;
    bool used_digest_ = false;
};

class rtmp_client_handshake {
  public:
    // Appends C0 and C1.
    void start(std::vector<std::uint8_t>& out);
    result<bool> receive(std::span<const std::uint8_t>& in, std::vector<std::uint8_t>& out);

    // The server proved that it knows the digest form. Only for tests and logs.
    bool server_digest_valid() const { return server_digest_valid_; }

  private:
    std::vector<std::uint8_t> held_;
    rtmp_handshake_block c1_{};
    bool server_digest_valid_ = false;
};

} // namespace rivulet::ingest
