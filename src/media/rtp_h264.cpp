#include "media/rtp_h264.hpp"

#include <algorithm>
#include <cstring>

namespace rivulet::media {
namespace {

constexpr std::uint8_t stap_a = 24;
constexpr std::uint8_t fu_a = 28;

bool travels(byte_span nal) {
    const auto type = h264::type_of(nal);
    // 0 and 24 to 31 are not NAL units of a stream: a receiver would take them for RTP structures.
    return type >= 1 && type < stap_a && type != h264::access_unit_delimiter &&
           type != h264::filler;
}

// NAL units [first, end) of the list travel in one packet.
struct group {
    std::size_t first, end;
    std::size_t bytes; // as STAP-A
};

std::vector<group> group_small(const std::vector<byte_span>& nals, std::size_t limit) {
    std::vector<group> groups;
    for (std::size_t i = 0; i < nals.size(); ++i) {
        const auto added = 2 + nals[i].size();
        if (!groups.empty() && groups.back().bytes + added <= limit) {
            groups.back().end = i + 1;
            groups.back().bytes += added;
        } else {
            groups.push_back({i, i + 1, 1 + added});
        }
    }
    return groups;
}

void split(byte_span nal, std::size_t limit, std::vector<rtp_payload>& out) {
    const std::uint8_t indicator = (nal[0] & 0xe0) | fu_a;
    const std::uint8_t type = nal[0] & 0x1f;
    auto rest = nal.subspan(1);
    // Parts of equal size, the last one at most a little shorter: a tiny packet costs as much as a
    // full one, and kernels send a run of equal ones in one go.
    const auto room = limit - 2;
    const auto parts = (rest.size() + room - 1) / room;
    const auto part = (rest.size() + parts - 1) / parts;
    for (std::size_t i = 0; i < parts; ++i) {
        rtp_payload packet;
        packet.prefix = {indicator, type};
        packet.prefix_size = 2;
        if (i == 0)
            packet.prefix[1] |= 0x80;
        if (i + 1 == parts)
            packet.prefix[1] |= 0x40;
        const auto size = std::min(part, rest.size());
        packet.data = rest.first(size);
        rest = rest.subspan(size);
        out.push_back(packet);
    }
}

} // namespace

rtp_payloads packetise_h264(bytes annexb, std::size_t limit) {
    rtp_payloads made;
    made.unit = std::move(annexb);
    limit = std::max<std::size_t>(limit, 16);

    std::vector<byte_span> nals;
    nal_range range(made.unit.view());
    for (auto nal = range.next(); !nal.empty(); nal = range.next())
        if (travels(nal))
            nals.push_back(nal);
    const auto groups = group_small(nals, limit);

    std::size_t aggregated = 0;
    for (const auto& g : groups)
        if (g.end - g.first > 1)
            aggregated += g.bytes;
    if (aggregated > 0)
        made.aggregated = std::make_unique_for_overwrite<std::uint8_t[]>(aggregated);

    auto* out = made.aggregated.get();
    for (const auto& g : groups) {
        if (g.end - g.first > 1) {
            auto* begin = out++;
            *begin = stap_a;
            for (auto i = g.first; i < g.end; ++i) {
                const auto nal = nals[i];
                *begin |= nal[0] & 0x80;
                *begin = std::max<std::uint8_t>(*begin & 0x60, nal[0] & 0x60) | (*begin & 0x9f);
                *out++ = static_cast<std::uint8_t>(nal.size() >> 8);
                *out++ = static_cast<std::uint8_t>(nal.size());
                std::memcpy(out, nal.data(), nal.size());
                out += nal.size();
            }
            rtp_payload packet;
            packet.data = byte_span(begin, out);
            made.packets.push_back(packet);
        } else if (nals[g.first].size() <= limit) {
            rtp_payload packet;
            packet.data = nals[g.first];
            made.packets.push_back(packet);
        } else {
            split(nals[g.first], limit, made.packets);
        }
    }
    if (!made.packets.empty())
        made.packets.back().marker = true;
    return made;
}

} // namespace rivulet::media
