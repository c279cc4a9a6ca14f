// The header of an RTP packet (RFC 3550) and its extensions (RFC 8285), read and changed in place.
// Pure; any input is safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace rivulet::media {

struct rtp_header {
    std::uint8_t payload_type = 0;
    bool marker = false;
    std::uint16_t sequence = 0;
    std::uint32_t timestamp = 0;
    std::uint32_t ssrc = 0;
    std::size_t size = 0;                     // of the header with everything in it
    std::size_t payload_size = 0;             // without padding; 0 of packets that only probe
    std::uint16_t profile = 0;                // of the extensions
    std::span<const std::uint8_t> extensions; // points into the packet

    // The value of one header extension, one-byte or two-byte form.
    std::optional<std::span<const std::uint8_t>> extension(std::uint8_t id) const;
};

std::optional<rtp_header> parse_rtp(std::span<const std::uint8_t> packet);

// RFC 5761: true when a packet of a shared port is RTCP.
inline bool looks_like_rtcp(std::span<const std::uint8_t> packet) {
    return packet.size() >= 8 && packet[1] >= 192 && packet[1] <= 223;
}

} // namespace rivulet::media
