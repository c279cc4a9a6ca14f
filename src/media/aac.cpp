#include "media/aac.hpp"

#include "media/bit_reader.hpp"

namespace rivulet::media {

namespace {

constexpr int sample_rates[] = {
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350};

int read_object_type(bit_reader& bits) {
    int type = int(bits.u(5));
    return type == 31 ? 32 + int(bits.u(6)) : type;
}

// Index, and the rate itself where the index is an escape.
int read_sample_rate(bit_reader& bits, int& index) {
    index = int(bits.u(4));
    if (index == 15)
        return int(bits.u(24));
    return index < 13 ? sample_rates[index] : 0;
}

} // namespace

namespace aac {

std::optional<config_info> parse_config(byte_span config) {
    bit_reader bits(config);
    config_info info;
    info.object_type = read_object_type(bits);
    info.sample_rate = read_sample_rate(bits, info.rate_index);
    info.channels = int(bits.u(4));
    if (info.object_type == 5 || info.object_type == 29) { // explicit HE-AAC: the core follows
        int extension_index = 0;
        read_sample_rate(bits, extension_index);
        info.object_type = read_object_type(bits);
    }
    if (bits.overrun() || info.object_type == 0 || info.sample_rate <= 0)
        return std::nullopt;
    if (info.channels == 7)
        info.channels = 8;
    else if (info.channels > 7)
        return std::nullopt;
    if (info.rate_index == 15) // a rate written out may still be a listed one
        for (int i = 0; i < 13; ++i)
            if (sample_rates[i] == info.sample_rate)
                info.rate_index = i;
    return info;
}

std::vector<std::uint8_t> make_config(int object_type, int rate_index, int channels) {
    int layout = channels == 8 ? 7 : channels;
    return {
        std::uint8_t(object_type << 3 | rate_index >> 1),
        std::uint8_t((rate_index & 1) << 7 | layout << 3)};
}

std::optional<std::array<std::uint8_t, adts_header_size>>
make_adts_header(const config_info& info, std::size_t frame_size) {
    std::size_t total = frame_size + adts_header_size;
    if (total > 0x1fff || info.object_type < 1 || info.object_type > 4 || info.rate_index > 12)
        return std::nullopt;
    auto size = unsigned(total);
    auto layout = unsigned(info.channels == 8 ? 7 : info.channels);
    return std::array<std::uint8_t, adts_header_size>{
        0xff,
        0xf1, // MPEG-4, no checksum
        std::uint8_t(
            unsigned(info.object_type - 1) << 6 | unsigned(info.rate_index) << 2 | layout >> 2
        ),
        std::uint8_t((layout & 3) << 6 | size >> 11),
        std::uint8_t(size >> 3),
        std::uint8_t((size & 7) << 5 | 0x1f),
        0xfc};
}

std::optional<adts_header> parse_adts(byte_span data) {
    if (data.size() < adts_header_size || data[0] != 0xff || (data[1] & 0xf6) != 0xf0)
        return std::nullopt;
    adts_header header;
    header.header_size = data[1] & 1 ? 7 : 9;
    header.info.object_type = (data[2] >> 6) + 1;
    header.info.rate_index = data[2] >> 2 & 0xf;
    if (header.info.rate_index > 12)
        return std::nullopt;
    header.info.sample_rate = sample_rates[header.info.rate_index];
    int layout = (data[2] & 1) << 2 | data[3] >> 6;
    header.info.channels = layout == 7 ? 8 : layout;
    header.frame_size = std::size_t((data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5);
    if (header.frame_size <= header.header_size || (data[6] & 3) != 0)
        return std::nullopt;
    return header;
}

} // namespace aac

namespace mpeg_audio {

std::optional<header> parse_header(byte_span data) {
    if (data.size() < 4 || data[0] != 0xff || (data[1] & 0xe0) != 0xe0)
        return std::nullopt;
    int version = data[1] >> 3 & 3; // 0: 2.5, 2: 2, 3: 1
    int layer = 4 - (data[1] >> 1 & 3);
    int rate_index = data[2] >> 4, frequency_index = data[2] >> 2 & 3;
    if (version == 1 || layer == 4 || rate_index == 0 || rate_index == 15 || frequency_index == 3)
        return std::nullopt;
    // kbit/s
    static constexpr int rates[5][15] = {
        {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}, // version 1, layer
                                                                                // 1
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}, // version 1, layer 2
        {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},  // version 1, layer 3
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256}, // version 2, layer 1
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}       // version 2, 2 and 3
    };
    static constexpr int frequencies[] = {44100, 48000, 32000};
    bool first = version == 3;
    int rate = 1000 * rates[first ? layer - 1 : (layer == 1 ? 3 : 4)][rate_index];
    int frequency = frequencies[frequency_index] >> (first ? 0 : version == 2 ? 1 : 2);
    int padding = data[2] >> 1 & 1;
    header out;
    out.sample_rate = frequency;
    out.channels = data[3] >> 6 == 3 ? 1 : 2;
    out.samples = layer == 1 ? 384 : layer == 3 && !first ? 576 : 1152;
    out.frame_size = layer == 1 ? std::size_t((12 * rate / frequency + padding) * 4)
                                : std::size_t(out.samples / 8 * rate / frequency + padding);
    return out;
}

} // namespace mpeg_audio

namespace opus {

int packet_samples(byte_span packet) {
    if (packet.empty())
        return 0;
    int config = packet[0] >> 3;
    int frame = 0; // samples at 48 kHz
    if (config < 12) {
        static constexpr int silk[] = {480, 960, 1920, 2880};
        frame = silk[config & 3];
    } else if (config < 16) {
        frame = config & 1 ? 960 : 480;
    } else {
        frame = 120 << (config & 3);
    }
    int count = 1;
    switch (packet[0] & 3) {
    case 0:
        break;
    case 1:
    case 2:
        count = 2;
        break;
    default:
        if (packet.size() < 2)
            return 0;
        count = packet[1] & 0x3f;
    }
    int samples = frame * count;
    return samples > 5760 ? 0 : samples;
}

} // namespace opus

} // namespace rivulet::media
