#include "media/ts_tables.hpp"

#include <array>

namespace rivulet::media {

namespace {

constexpr std::size_t max_section = 3 + 1021;

constexpr auto crc_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i << 24;
        for (int bit = 0; bit < 8; ++bit)
            crc = crc << 1 ^ (crc & 0x8000'0000 ? 0x04c1'1db7 : 0);
        table[i] = crc;
    }
    return table;
}();

std::uint32_t crc32(byte_span data) {
    std::uint32_t crc = 0xffff'ffff;
    for (std::uint8_t byte : data)
        crc = crc << 8 ^ crc_table[crc >> 24 ^ byte];
    return crc;
}

int read_pid(byte_span p) {
    return (p[0] & 0x1f) << 8 | p[1];
}

std::size_t read_length(byte_span p) {
    return std::size_t((p[0] & 0x0f) << 8 | p[1]);
}

// Private data says what it is in its descriptors.
void read_descriptors(byte_span descriptors, ts_stream& stream) {
    while (descriptors.size() >= 2) {
        std::uint8_t tag = descriptors[0];
        std::size_t length = descriptors[1];
        if (descriptors.size() - 2 < length)
            return;
        byte_span body = descriptors.subspan(2, length);
        if (tag == 0x05 && length >= 4) { // registration
            auto is = [&](const char* name) {
                return body[0] == name[0] && body[1] == name[1] && body[2] == name[2] &&
                       body[3] == name[3];
            };
            if (is("Opus"))
                stream.type = codec::opus;
            else if (is("HEVC"))
                stream.type = codec::h265;
        } else if (tag == 0x7f && length >= 2 && body[0] == 0x80) { // Opus channel configuration
            int code = body[1];
            stream.channels = code == 0 ? 2 : code <= 8 ? code : 2;
        }
        descriptors = descriptors.subspan(2 + length);
    }
}

} // namespace

void section_reader::reset() {
    data_.clear();
    collecting_ = false;
}

std::optional<byte_span> section_reader::push(byte_span payload, bool starts) {
    if (starts) {
        if (payload.empty() || payload.size() - 1 < payload[0])
            return std::nullopt;
        payload = payload.subspan(1 + std::size_t(payload[0]));
        data_.clear();
        collecting_ = true;
    }
    if (!collecting_)
        return std::nullopt;
    data_.insert(data_.end(), payload.begin(), payload.end());
    if (data_.size() < 3)
        return std::nullopt;
    std::size_t size = 3 + read_length(byte_span(data_).subspan(1));
    if (size > max_section || size < 3 + 9) {
        reset();
        return std::nullopt;
    }
    if (data_.size() < size)
        return std::nullopt;
    collecting_ = false;
    byte_span section = byte_span(data_).first(size);
    if (crc32(section) != 0) // the checksum included, the remainder is zero
        return std::nullopt;
    return section.first(size - 4);
}

std::optional<int> parse_pat(byte_span section) {
    if (section.size() < 8 || section[0] != 0x00 || !(section[5] & 1))
        return std::nullopt;
    for (std::size_t at = 8; section.size() - at >= 4; at += 4) {
        int number = section[at] << 8 | section[at + 1];
        if (number != 0)
            return read_pid(section.subspan(at + 2));
    }
    return std::nullopt;
}

std::optional<std::vector<ts_stream>> parse_pmt(byte_span section) {
    if (section.size() < 12 || section[0] != 0x02 || !(section[5] & 1))
        return std::nullopt;
    std::size_t at = 12 + read_length(section.subspan(10));
    std::vector<ts_stream> streams;
    while (at <= section.size() && section.size() - at >= 5) {
        ts_stream stream;
        stream.pid = read_pid(section.subspan(at + 1));
        std::size_t length = read_length(section.subspan(at + 3));
        if (section.size() - at - 5 < length)
            return std::nullopt;
        switch (section[at]) {
        case 0x1b:
            stream.type = codec::h264;
            break;
        case 0x24:
            stream.type = codec::h265;
            break;
        case 0x0f:
            stream.type = codec::aac;
            break;
        case 0x03:
        case 0x04:
            stream.type = codec::mp3;
            break;
        case 0x06:
            read_descriptors(section.subspan(at + 5, length), stream);
            break;
        default:
            break;
        }
        streams.push_back(stream);
        at += 5 + length;
    }
    return streams;
}

std::optional<opus_control> parse_opus_control(byte_span data) {
    if (data.size() < 3 || data[0] != 0x7f || (data[1] & 0xe0) != 0xe0)
        return std::nullopt;
    std::uint8_t flags = data[1];
    std::size_t at = 2, size = 0;
    while (at < data.size() && data[at] == 0xff) {
        size += 255;
        ++at;
    }
    if (at >= data.size())
        return std::nullopt;
    size += data[at++];
    if (flags & 0x10) // start trim
        at += 2;
    if (flags & 0x08) // end trim
        at += 2;
    if (flags & 0x04) { // control extension
        if (at >= data.size())
            return std::nullopt;
        at += 1 + std::size_t(data[at]);
    }
    if (at > data.size() || data.size() - at < size)
        return std::nullopt;
    return opus_control{at, size};
}

} // namespace rivulet::media
