#include "worker/coded_size.hpp"

#include "media/bit_reader.hpp"

#include <algorithm>
#include <optional>

namespace rivulet::worker {

namespace {

using media::bit_reader;
using media::byte_span;

struct size {
    std::int64_t width, height;
};

void skip_scaling_list(bit_reader& bits, int entries) {
    int last = 8, next = 8;
    for (int i = 0; i < entries && !bits.overrun(); ++i) {
        if (next != 0)
            next = (last + bits.se() + 256) % 256;
        if (next != 0)
            last = next;
    }
}

// From behind the NAL unit's header byte.
std::optional<size> read_h264(bit_reader bits) {
    const auto profile = bits.u(8);
    bits.skip(16); // constraints, level
    bits.ue();     // id
    constexpr unsigned high[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135, 144};
    if (std::find(std::begin(high), std::end(high), profile) != std::end(high)) {
        const auto chroma = bits.ue();
        if (chroma == 3)
            bits.skip(1);
        bits.ue(); // depths
        bits.ue();
        bits.skip(1);
        if (bits.flag())
            for (int list = 0; list < (chroma == 3 ? 12 : 8); ++list)
                if (bits.flag())
                    skip_scaling_list(bits, list < 6 ? 16 : 64);
    }
    bits.ue(); // frame number
    const auto order = bits.ue();
    if (order == 0) {
        bits.ue();
    } else if (order == 1) {
        bits.skip(1);
        bits.ue();
        bits.ue();
        const auto count = bits.ue();
        for (std::uint32_t i = 0; i < count && !bits.overrun(); ++i)
            bits.ue();
    }
    bits.ue(); // reference frames
    bits.skip(1);
    const std::int64_t width = 16 * (std::int64_t{bits.ue()} + 1);
    const std::int64_t units = 16 * (std::int64_t{bits.ue()} + 1);
    const bool frames_only = bits.flag();
    if (bits.overrun())
        return std::nullopt;
    return size{width, frames_only ? units : 2 * units};
}

// From behind the NAL unit's two header bytes.
std::optional<size> read_h265(bit_reader bits) {
    bits.skip(4);
    const auto layers = bits.u(3);
    bits.skip(1 + 88 + 8); // nesting, profile, level
    bool profile[8] = {}, level[8] = {};
    for (std::uint32_t i = 0; i < layers; ++i) {
        profile[i] = bits.flag();
        level[i] = bits.flag();
    }
    if (layers > 0)
        bits.skip(2 * (8 - layers));
    for (std::uint32_t i = 0; i < layers; ++i)
        bits.skip((profile[i] ? 88u : 0u) + (level[i] ? 8u : 0u));
    bits.ue(); // id
    if (bits.ue() == 3)
        bits.skip(1);
    const std::int64_t width = bits.ue();
    const std::int64_t height = bits.ue();
    if (bits.overrun())
        return std::nullopt;
    return size{width, height};
}

} // namespace

coded_size largest_coded_size(media::codec type, byte_span unit) {
    const bool h265 = type == media::codec::h265;
    const std::size_t header = h265 ? 2 : 1;
    coded_size found;
    const auto take = [&](std::optional<size> one) {
        if (!one) {
            found.unreadable = true;
            return;
        }
        found.width = std::max(found.width, one->width);
        found.height = std::max(found.height, one->height);
    };
    constexpr std::uint8_t code[] = {0, 0, 1};
    auto at = std::search(unit.begin(), unit.end(), std::begin(code), std::end(code));
    while (at != unit.end()) {
        const auto begin = at + 3;
        at = std::search(begin, unit.end(), std::begin(code), std::end(code));
        const byte_span nal(begin, at);
        const bool is_set = !nal.empty() && (h265 ? media::h265::type_of(nal) == 33
                                                  : media::h264::type_of(nal) == media::h264::sps);
        if (!is_set || nal.size() <= header)
            continue;
        if (h265 && ((nal[0] & 1) != 0 || nal[1] >> 3 != 0))
            continue; // of another layer: other syntax, and libavcodec leaves it out
        const auto payload = nal.subspan(header);
        const auto read = h265 ? read_h265 : read_h264;
        const auto clean = media::without_emulation_prevention(payload);
        take(read(bit_reader(clean)));
        // libavcodec tries a set that fails once more with the escapes in it.
        if (clean.size() != payload.size())
            if (auto raw = read(bit_reader(payload)))
                take(raw);
    }
    return found;
}

} // namespace rivulet::worker
