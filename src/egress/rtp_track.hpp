// One viewer's side of a shared RTP track: its SSRC, payload type and sequence numbers on packets
// that all viewers share, and the answers to its NACKs. Pure.
#pragma once

#include "base/asio.hpp"
#include "egress/rtp_log.hpp"
#include "media/rtcp.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rivulet::egress {

struct rtx_setup {
    std::uint8_t payload_type = 0;
    std::uint32_t ssrc = 0;
    std::uint16_t first_sequence = 0;
};

struct rtp_track_setup {
    std::uint8_t payload_type = 0;
    std::uint32_t ssrc = 0;
    std::uint16_t first_sequence = 0;
    std::optional<rtx_setup> rtx;
    std::optional<std::uint8_t> playout_delay; // the extension's id; see show_at_once()
};

// What stands in front of the shared payload: RTP header, extension, RTX's original sequence
// number, prefix of a fragment.
class rtp_header {
  public:
    std::span<const std::uint8_t> view() const { return {octets_.data(), size_}; }

  private:
    friend class rtp_track;

    void octet(std::uint8_t value) { octets_[size_++] = value; }

    void u16(std::uint16_t value) {
        octet(static_cast<std::uint8_t>(value >> 8));
        octet(static_cast<std::uint8_t>(value));
    }

    void u32(std::uint32_t value) {
        u16(static_cast<std::uint16_t>(value >> 16));
        u16(static_cast<std::uint16_t>(value));
    }

    std::array<std::uint8_t, 12 + 8 + 2 + 2> octets_{};
    std::size_t size_ = 0;
};

class rtp_track {
  public:
    explicit rtp_track(const rtp_track_setup& setup)
        : setup_(setup), next_(setup.first_sequence),
          next_rtx_(setup.rtx ? setup.rtx->first_sequence : std::uint16_t{0}) {}

    const rtp_track_setup& setup() const { return setup_; }

    // Keyframes from now on ask the viewer to show pictures as they come, or (false, as it begins)
    // to delay them as it sees fit: a browser that shows at once keeps no lip sync.
    void show_at_once(bool wanted) { show_at_once_ = wanted; }

    // The header of a packet that is sent for the first time. A packet that does not follow the one
    // before (the viewer skipped some) still gets the next sequence number: a gap would be a loss
    // that the viewer asks for.
    rtp_header next(const rtp_frame& frame, std::size_t index);

    // The packet of a sequence number that was sent lately; nothing for any other.
    std::optional<std::uint64_t> sent_as(std::uint16_t sequence) const;

    // The header of a packet that is sent again: by RTX when that was negotiated, else as it was.
    rtp_header again(const rtp_frame& frame, std::size_t index);

    bool started() const { return last_.has_value(); }

    std::uint32_t packets() const { return packets_; }

    std::uint32_t octets() const { return octets_; }

  private:
    void write_fixed(
        rtp_header& out,
        const rtp_frame& frame,
        std::size_t index,
        std::uint8_t type,
        std::uint16_t sequence,
        std::uint32_t ssrc
    ) const;
    bool shown_at_once(std::uint64_t packet) const;

    const rtp_track_setup setup_;
    bool show_at_once_ = false;
    // Packet numbers from which on the other one was said. A packet that is sent again must not
    // differ: SRTP would encrypt two texts with one key stream.
    std::vector<std::uint64_t> switched_;
    std::uint16_t next_; // sequence number
    std::uint16_t next_rtx_;
    std::optional<std::uint64_t> last_; // packet number
    std::uint64_t unbroken_from_ = 0;   // since then, sequence numbers follow packet numbers
    std::uint32_t packets_ = 0, octets_ = 0;
};

// Bounds what a viewer's NACKs can cost: half of what it was sent and a little, and no packet twice
// within a round trip.
class resend_limit {
  public:
    // `payload` bytes were sent for the first time.
    void sent(std::size_t payload);
    bool allow(std::uint64_t packet, std::size_t payload, time_point now, duration round_trip);

  private:
    static constexpr double floor_rate = 16'000; // bytes a second
    static constexpr double cap = 256'000, begin = 64'000;

    struct recent {
        std::uint64_t packet = ~std::uint64_t{0};
        time_point at;
    };

    double budget_ = begin;
    std::optional<time_point> refilled_;
    std::array<recent, 256> recent_{};
};

} // namespace rivulet::egress
