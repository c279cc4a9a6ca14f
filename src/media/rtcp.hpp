// RTCP of a sender (RFC 3550, 4585, 5104): what receivers report and ask for, read; sender reports
// and goodbyes, written. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::media {

// A receiver's report about one of our streams.
struct rtcp_report_block {
    std::uint32_t ssrc = 0;         // our stream
    std::uint8_t fraction_lost = 0; // of 256, since the report before
    std::int32_t packets_lost = 0;  // since the beginning; negative with duplicates
    std::uint32_t highest_sequence = 0;
    std::uint32_t jitter = 0;             // ticks of the stream's clock
    std::uint32_t last_sender_report = 0; // middle 32 bits of its NTP time; 0: none came
    std::uint32_t delay = 0;              // since it came, in 1/65536 s
};

struct rtcp_nack {
    std::uint32_t ssrc = 0;
    std::uint16_t sequence = 0;
};

struct rtcp_feedback {
    std::vector<rtcp_report_block> reports;
    std::vector<rtcp_nack> nacks;         // at most max_nacks, the rest is dropped
    std::vector<std::uint32_t> keyframes; // streams that need one (PLI, FIR)
};

inline constexpr std::size_t max_nacks = 1'000; // of one compound packet

// Nothing when it is no RTCP. Packets of unknown types are passed over, a damaged one ends the
// reading.
std::optional<rtcp_feedback> parse_rtcp(std::span<const std::uint8_t> compound);

struct rtcp_sender_report {
    std::uint32_t ssrc = 0;
    std::uint64_t ntp = 0; // 32.32, since 1900
    std::uint32_t rtp = 0; // the stream's clock at that time
    std::uint32_t packets = 0, octets = 0;
};

// One compound packet: the reports and the streams' common name.
std::vector<std::uint8_t>
write_sender_reports(std::span<const rtcp_sender_report> reports, std::string_view cname);

// The same with a goodbye to every stream at its end.
std::vector<std::uint8_t>
write_goodbye(std::span<const rtcp_sender_report> reports, std::string_view cname);

} // namespace rivulet::media
