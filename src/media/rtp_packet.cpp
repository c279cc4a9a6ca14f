#include "media/rtp_packet.hpp"

namespace rivulet::media {

namespace {

std::uint16_t u16(std::span<const std::uint8_t> data, std::size_t at) {
    return static_cast<std::uint16_t>(data[at] << 8 | data[at + 1]);
}

std::uint32_t u32(std::span<const std::uint8_t> data, std::size_t at) {
    return std::uint32_t{u16(data, at)} << 16 | u16(data, at + 2);
}

} // namespace

std::optional<rtp_header> parse_rtp(std::span<const std::uint8_t> packet) {
    if (packet.size() < 12 || packet[0] >> 6 != 2)
        return std::nullopt;
    rtp_header header;
    header.marker = packet[1] & 0x80;
    header.payload_type = packet[1] & 0x7f;
    header.sequence = u16(packet, 2);
    header.timestamp = u32(packet, 4);
    header.ssrc = u32(packet, 8);
    header.size = 12 + std::size_t(packet[0] & 0x0f) * 4;
    if (packet[0] & 0x10) {
        if (packet.size() < header.size + 4)
            return std::nullopt;
        header.profile = u16(packet, header.size);
        const std::size_t length = std::size_t(u16(packet, header.size + 2)) * 4;
        header.size += 4;
        if (packet.size() < header.size + length)
            return std::nullopt;
        header.extensions = packet.subspan(header.size, length);
        header.size += length;
    }
    if (packet.size() < header.size)
        return std::nullopt;
    header.payload_size = packet.size() - header.size;
    if (packet[0] & 0x20) {
        const std::size_t padding = packet.back();
        if (padding == 0 || padding > header.payload_size)
            return std::nullopt;
        header.payload_size -= padding;
    }
    return header;
}

std::optional<std::span<const std::uint8_t>> rtp_header::extension(std::uint8_t id) const {
    const bool one_byte = profile == 0xbede;
    if (!one_byte && profile >> 4 != 0x100)
        return std::nullopt;
    auto rest = extensions;
    while (!rest.empty()) {
        if (rest[0] == 0) { // padding
            rest = rest.subspan(1);
            continue;
        }
        std::uint8_t found = 0;
        std::size_t length = 0;
        if (one_byte) {
            found = rest[0] >> 4;
            if (found == 15)
                return std::nullopt;
            length = std::size_t(rest[0] & 0x0f) + 1;
            rest = rest.subspan(1);
        } else {
            if (rest.size() < 2)
                return std::nullopt;
            found = rest[0];
            length = rest[1];
            rest = rest.subspan(2);
        }
        if (length > rest.size())
            return std::nullopt;
        if (found == id)
            return rest.first(length);
        rest = rest.subspan(length);
    }
    return std::nullopt;
}

} // namespace rivulet::media
