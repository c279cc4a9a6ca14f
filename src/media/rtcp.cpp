#include "media/rtcp.hpp"

#include <algorithm>

namespace rivulet::media {
namespace {

using byte_span = std::span<const std::uint8_t>;

enum packet_type : std::uint8_t {
    sender_report = 200,
    receiver_report = 201,
    source_description = 202,
    goodbye = 203,
    transport_feedback = 205,
    payload_feedback = 206
};

std::uint32_t u16(byte_span at) {
    return std::uint32_t{at[0]} << 8 | at[1];
}

std::uint32_t u32(byte_span at) {
    return u16(at) << 16 | u16(at.subspan(2));
}

void read_blocks(byte_span body, std::size_t count, rtcp_feedback& out) {
    constexpr std::size_t block = 24;
    for (std::size_t i = 0; i < count && body.size() >= block; ++i, body = body.subspan(block)) {
        rtcp_report_block report;
        report.ssrc = u32(body);
        report.fraction_lost = body[4];
        // 24 bits, signed.
        report.packets_lost = static_cast<std::int32_t>(u32(body.subspan(4)) << 8) >> 8;
        report.highest_sequence = u32(body.subspan(8));
        report.jitter = u32(body.subspan(12));
        report.last_sender_report = u32(body.subspan(16));
        report.delay = u32(body.subspan(20));
        out.reports.push_back(report);
    }
}

void read_nacks(byte_span body, rtcp_feedback& out) {
    const auto ssrc = u32(body.subspan(4));
    for (auto rest = body.subspan(8); rest.size() >= 4; rest = rest.subspan(4)) {
        const auto first = static_cast<std::uint16_t>(u16(rest));
        const auto following = u16(rest.subspan(2));
        for (int i = -1; i < 16; ++i) {
            if (i >= 0 && !(following >> i & 1))
                continue;
            if (out.nacks.size() == max_nacks)
                return;
            out.nacks.push_back({ssrc, static_cast<std::uint16_t>(first + 1 + i)});
        }
    }
}

void read_payload_feedback(int format, byte_span body, rtcp_feedback& out) {
    constexpr int picture_loss = 1, full_intra_request = 4;
    if (format == picture_loss)
        out.keyframes.push_back(u32(body.subspan(4)));
    else if (format == full_intra_request)
        for (auto rest = body.subspan(8); rest.size() >= 8; rest = rest.subspan(8))
            out.keyframes.push_back(u32(rest));
}

class writer {
  public:
    explicit writer(std::vector<std::uint8_t>& out) : out_(out) {}

    // The header; its length is filled in by end().
    void begin(std::size_t count, packet_type type) {
        begin_ = out_.size();
        out_.push_back(static_cast<std::uint8_t>(0x80 | (count & 0x1f)));
        out_.push_back(type);
        out_.insert(out_.end(), 2, 0);
    }

    void u32(std::uint32_t value) {
        for (int shift = 24; shift >= 0; shift -= 8)
            out_.push_back(static_cast<std::uint8_t>(value >> shift));
    }

    void text(std::string_view what) { out_.insert(out_.end(), what.begin(), what.end()); }

    void octet(std::uint8_t value) { out_.push_back(value); }

    // Zeros up to the next word, at least one: it ends a chunk of items.
    void end_items() {
        do
            out_.push_back(0);
        while ((out_.size() - begin_) % 4 != 0);
    }

    void end() {
        const auto words = (out_.size() - begin_) / 4 - 1;
        out_[begin_ + 2] = static_cast<std::uint8_t>(words >> 8);
        out_[begin_ + 3] = static_cast<std::uint8_t>(words);
    }

  private:
    std::vector<std::uint8_t>& out_;
    std::size_t begin_ = 0;
};

} // namespace

std::optional<rtcp_feedback> parse_rtcp(byte_span compound) {
    if (compound.size() < 4 || compound[0] >> 6 != 2 || compound[1] < 192 || compound[1] > 223)
        return std::nullopt;
    rtcp_feedback out;
    for (auto rest = compound; rest.size() >= 4;) {
        const auto size = (u16(rest.subspan(2)) + 1) * 4;
        if (rest[0] >> 6 != 2 || size > rest.size())
            break;
        const int count = rest[0] & 0x1f;
        const auto type = rest[1];
        const std::size_t padding = rest[0] & 0x20 ? rest[size - 1] : 0;
        if (padding > size - 4)
            break;
        const auto body = rest.subspan(4, size - 4 - padding);
        rest = rest.subspan(size);
        if (type == sender_report && body.size() >= 24)
            read_blocks(body.subspan(24), count, out);
        else if (type == receiver_report && body.size() >= 4)
            read_blocks(body.subspan(4), count, out);
        else if (type == transport_feedback && count == 1 && body.size() >= 12)
            read_nacks(body, out);
        else if (type == payload_feedback && body.size() >= 8)
            read_payload_feedback(count, body, out);
    }
    return out;
}

std::vector<std::uint8_t>
write_sender_reports(std::span<const rtcp_sender_report> reports, std::string_view cname) {
    std::vector<std::uint8_t> out;
    writer to(out);
    for (const auto& report : reports) {
        to.begin(0, sender_report);
        to.u32(report.ssrc);
        to.u32(static_cast<std::uint32_t>(report.ntp >> 32));
        to.u32(static_cast<std::uint32_t>(report.ntp));
        to.u32(report.rtp);
        to.u32(report.packets);
        to.u32(report.octets);
        to.end();
    }
    cname = cname.substr(0, 255);
    to.begin(reports.size(), source_description);
    for (const auto& report : reports) {
        to.u32(report.ssrc);
        to.octet(1); // CNAME
        to.octet(static_cast<std::uint8_t>(cname.size()));
        to.text(cname);
        to.end_items();
    }
    to.end();
    return out;
}

std::vector<std::uint8_t>
write_goodbye(std::span<const rtcp_sender_report> reports, std::string_view cname) {
    auto out = write_sender_reports(reports, cname);
    writer to(out);
    to.begin(reports.size(), goodbye);
    for (const auto& report : reports)
        to.u32(report.ssrc);
    to.end();
    return out;
}

} // namespace rivulet::media
