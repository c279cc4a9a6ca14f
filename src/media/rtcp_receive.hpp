// RTCP of a receiver (RFC 3550, 4585, 5104): sender reports and goodbyes read; receiver reports,
// NACK, PLI and FIR written. rtcp.hpp is a sender's side. Pure; any input is safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace rivulet::media {

// When a stream's RTP clock showed what.
struct rtcp_sender_time {
    std::uint32_t ssrc = 0;
    std::uint64_t ntp = 0; // 32.32
    std::uint32_t rtp = 0;
};

struct rtcp_from_sender {
    std::vector<rtcp_sender_time> reports;
    std::vector<std::uint32_t> goodbyes;
};

// Nothing when it is no RTCP. Unknown types are passed over, a damaged packet ends the reading.
std::optional<rtcp_from_sender> read_sender_rtcp(std::span<const std::uint8_t> compound);

struct rtcp_reception_block {
    std::uint32_t ssrc = 0; // the sender's stream
    std::uint8_t fraction_lost = 0;
    std::int32_t packets_lost = 0;
    std::uint32_t highest_sequence = 0;
    std::uint32_t jitter = 0;
    std::uint32_t last_sender_report = 0; // middle 32 bits of its NTP time; 0: none came
    std::uint32_t delay = 0;              // since it came, in 1/65536 s
};

// Compound packets begin with one of these; without blocks and name it is 8 bytes.
std::vector<std::uint8_t> write_receiver_report(
    std::uint32_t own, std::span<const rtcp_reception_block> blocks, std::string_view cname = {}
);

// Appended to a compound packet.
void add_nack(
    std::vector<std::uint8_t>& compound,
    std::uint32_t own,
    std::uint32_t ssrc,
    std::span<const std::uint16_t> sequences // rising, at most 500
);
void add_pli(std::vector<std::uint8_t>& compound, std::uint32_t own, std::uint32_t ssrc);
void add_fir(
    std::vector<std::uint8_t>& compound, std::uint32_t own, std::uint32_t ssrc, std::uint8_t number
);

} // namespace rivulet::media
