#include "media/rtcp_receive.hpp"

#include <algorithm>

namespace rivulet::media {

namespace {

constexpr std::uint8_t sender_report = 200, receiver_report = 201, description = 202, goodbye = 203,
                       transport_feedback = 205, payload_feedback = 206;

std::uint32_t u32(std::span<const std::uint8_t> data, std::size_t at) {
    return std::uint32_t{data[at]} << 24 | std::uint32_t{data[at + 1]} << 16 |
           std::uint32_t{data[at + 2]} << 8 | data[at + 3];
}

void put16(std::vector<std::uint8_t>& out, std::uint32_t value) {
    out.push_back(std::uint8_t(value >> 8));
    out.push_back(std::uint8_t(value));
}

void put32(std::vector<std::uint8_t>& out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}

// `words` follow the first one.
void put_header(
    std::vector<std::uint8_t>& out, std::uint8_t count, std::uint8_t type, std::size_t words
) {
    out.push_back(std::uint8_t(0x80 | count));
    out.push_back(type);
    put16(out, std::uint32_t(words));
}

} // namespace

std::optional<rtcp_from_sender> read_sender_rtcp(std::span<const std::uint8_t> compound) {
    if (compound.size() < 8 || compound[0] >> 6 != 2)
        return std::nullopt;
    rtcp_from_sender out;
    while (compound.size() >= 4 && compound[0] >> 6 == 2) {
        const std::size_t size = (std::size_t(compound[2] << 8 | compound[3]) + 1) * 4;
        if (size > compound.size())
            break;
        const auto packet = compound.first(size);
        const std::size_t count = packet[0] & 0x1f;
        if (packet[1] == sender_report && size >= 28)
            out.reports.push_back(
                {u32(packet, 4),
                 std::uint64_t{u32(packet, 8)} << 32 | u32(packet, 12),
                 u32(packet, 16)}
            );
        else if (packet[1] == goodbye)
            for (std::size_t i = 0; i < count && 8 + i * 4 <= size; ++i)
                out.goodbyes.push_back(u32(packet, 4 + i * 4));
        compound = compound.subspan(size);
    }
    return out;
}

std::vector<std::uint8_t> write_receiver_report(
    std::uint32_t own, std::span<const rtcp_reception_block> blocks, std::string_view cname
) {
    blocks = blocks.first(std::min<std::size_t>(blocks.size(), 31));
    cname = cname.substr(0, 200);
    std::vector<std::uint8_t> out;
    put_header(out, std::uint8_t(blocks.size()), receiver_report, 1 + blocks.size() * 6);
    put32(out, own);
    for (const auto& block : blocks) {
        put32(out, block.ssrc);
        auto lost = std::clamp(block.packets_lost, -0x80'0000, 0x7f'ffff);
        put32(out, std::uint32_t{block.fraction_lost} << 24 | (std::uint32_t(lost) & 0xff'ffff));
        put32(out, block.highest_sequence);
        put32(out, block.jitter);
        put32(out, block.last_sender_report);
        put32(out, block.delay);
    }
    if (!cname.empty()) {
        const std::size_t words = (4 + 2 + cname.size() + 1 + 3) / 4; // ends with a zero octet
        put_header(out, 1, description, words);
        const std::size_t end = out.size() + words * 4;
        put32(out, own);
        out.push_back(1);
        out.push_back(std::uint8_t(cname.size()));
        out.insert(out.end(), cname.begin(), cname.end());
        out.resize(end);
    }
    return out;
}

void add_nack(
    std::vector<std::uint8_t>& compound,
    std::uint32_t own,
    std::uint32_t ssrc,
    std::span<const std::uint16_t> sequences
) {
    std::vector<std::uint32_t> entries; // PID and a bit for each of the 16 after it
    for (const auto sequence : sequences.first(std::min<std::size_t>(sequences.size(), 500))) {
        if (!entries.empty()) {
            const auto distance = std::uint16_t(sequence - std::uint16_t(entries.back() >> 16));
            if (distance >= 1 && distance <= 16) {
                entries.back() |= 1u << (distance - 1);
                continue;
            }
        }
        entries.push_back(std::uint32_t{sequence} << 16);
    }
    if (entries.empty())
        return;
    put_header(compound, 1, transport_feedback, 2 + entries.size());
    put32(compound, own);
    put32(compound, ssrc);
    for (const auto entry : entries)
        put32(compound, entry);
}

void add_pli(std::vector<std::uint8_t>& compound, std::uint32_t own, std::uint32_t ssrc) {
    put_header(compound, 1, payload_feedback, 2);
    put32(compound, own);
    put32(compound, ssrc);
}

void add_fir(
    std::vector<std::uint8_t>& compound, std::uint32_t own, std::uint32_t ssrc, std::uint8_t number
) {
    put_header(compound, 4, payload_feedback, 4);
    put32(compound, own);
    put32(compound, 0);
    put32(compound, ssrc);
    put32(compound, std::uint32_t{number} << 24);
}

} // namespace rivulet::media
