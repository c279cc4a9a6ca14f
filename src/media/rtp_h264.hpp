// H.264 access units as RTP payloads (RFC 6184, packetization-mode 1): a NAL unit alone, small ones
// together (STAP-A), large ones in parts (FU-A). Nothing of a large NAL unit is copied. Pure.
#pragma once

#include "media/access_unit.hpp"
#include "media/h264.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rivulet::media {

// The payload of one packet: `prefix` and then `data`.
struct rtp_payload {
    std::array<std::uint8_t, 2> prefix{}; // of a FU-A
    std::uint8_t prefix_size = 0;
    bool marker = false; // last packet of its access unit
    byte_span data;

    std::size_t size() const { return prefix_size + data.size(); }

    byte_span prefix_view() const { return byte_span(prefix).first(prefix_size); }
};

// The payloads of one access unit and what they point into.
struct rtp_payloads {
    std::vector<rtp_payload> packets;
    bytes unit;
    std::unique_ptr<std::uint8_t[]> aggregated; // the STAP-As
};

inline constexpr std::size_t rtp_payload_limit = 1'200;

// Delimiters and fillers are left out; everything else travels as it is. No packets for a unit
// without NAL units. `limit` is at least 16.
rtp_payloads packetise_h264(bytes annexb, std::size_t limit = rtp_payload_limit);

} // namespace rivulet::media
