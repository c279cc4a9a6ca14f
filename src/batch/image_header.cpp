#include "batch/image_header.hpp"

#include <array>
#include <cstdlib>
#include <vector>

namespace rivulet::batch {
namespace {

using octets = std::span<const std::uint8_t>;

std::uint32_t big(octets at, std::size_t offset, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
        value = value << 8 | at[offset + i];
    return value;
}

std::uint32_t little(octets at, std::size_t offset, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = count; i > 0; --i)
        value = value << 8 | at[offset + i - 1];
    return value;
}

template <std::size_t Count>
bool take(const media_bytes& from, std::uint64_t offset, std::array<std::uint8_t, Count>& into) {
    return read_exactly(from, offset, into);
}

using header = std::optional<image_header>;

header png(const media_bytes& from) {
    std::array<std::uint8_t, 16> at;
    if (!take(from, 8, at) || big(at, 4, 4) != 0x49484452) // IHDR comes first
        return std::nullopt;
    return image_header{big(at, 8, 4), big(at, 12, 4)};
}

header gif(const media_bytes& from) {
    std::array<std::uint8_t, 4> at;
    if (!take(from, 6, at))
        return std::nullopt;
    return image_header{little(at, 0, 2), little(at, 2, 2)};
}

header bmp(const media_bytes& from) {
    std::array<std::uint8_t, 12> at;
    if (!take(from, 14, at))
        return std::nullopt;
    if (little(at, 0, 4) == 12) // OS/2's
        return image_header{little(at, 4, 2), little(at, 6, 2)};
    // A negative height means top to bottom.
    const auto height = static_cast<std::int32_t>(little(at, 8, 4));
    return image_header{
        static_cast<std::int32_t>(little(at, 4, 4)), std::abs(std::int64_t{height})};
}

header jpeg(const media_bytes& from) {
    std::uint64_t offset = 2;
    // A picture has some dozen segments before its frame; a file made of them is none.
    for (int segments = 0; segments < 2'000; ++segments) {
        std::array<std::uint8_t, 9> at;
        if (!read_exactly(from, offset, std::span(at).first(4)) || at[0] != 0xff)
            return std::nullopt;
        const int marker = at[1];
        if (marker == 0xff) { // fill bytes
            ++offset;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { // without length
            offset += 2;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda) // the end or the pixels, before any frame
            return std::nullopt;
        const bool frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame) {
            if (!take(from, offset, at))
                return std::nullopt;
            return image_header{big(at, 7, 2), big(at, 5, 2)};
        }
        const auto length = big(at, 2, 2);
        if (length < 2)
            return std::nullopt;
        offset += 2 + length;
    }
    return std::nullopt;
}

header webp(const media_bytes& from) {
    std::array<std::uint8_t, 18> at;
    if (!take(from, 12, at))
        return std::nullopt;
    const octets data(at.data() + 8, at.size() - 8);
    switch (big(at, 0, 4)) {
    case 0x56503820: // "VP8 ": frame tag, start code, 14 bits each
        if (big(data, 3, 3) != 0x9d012a)
            return std::nullopt;
        return image_header{little(data, 6, 2) & 0x3fff, little(data, 8, 2) & 0x3fff};
    case 0x5650384c: { // "VP8L"
        if (data[0] != 0x2f)
            return std::nullopt;
        const auto bits = little(data, 1, 4);
        return image_header{(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
    }
    case 0x56503858: // "VP8X"
        return image_header{
            std::int64_t{little(data, 4, 3)} + 1,
            std::int64_t{little(data, 7, 3)} + 1,
            (data[0] & 2) != 0};
    default:
        return std::nullopt;
    }
}

header tiff(const media_bytes& from) {
    std::array<std::uint8_t, 8> start;
    if (!take(from, 0, start))
        return std::nullopt;
    const bool intel = start[0] == 'I';
    const auto number = [intel](octets at, std::size_t offset, std::size_t count) {
        return intel ? little(at, offset, count) : big(at, offset, count);
    };
    const std::uint64_t directory = number(start, 4, 4);
    std::array<std::uint8_t, 2> count;
    if (!take(from, directory, count))
        return std::nullopt;
    image_header found;
    // Entries stand in the order of their tags, so both sizes are among the first.
    const auto entries = std::min<std::uint32_t>(number(count, 0, 2), 16);
    for (std::uint32_t i = 0; i < entries; ++i) {
        std::array<std::uint8_t, 12> entry;
        if (!take(from, directory + 2 + i * 12, entry))
            return std::nullopt;
        const auto tag = number(entry, 0, 2);
        const std::size_t size = number(entry, 2, 2) == 3 ? 2 : 4; // SHORT or LONG
        if (tag == 256)
            found.width = number(entry, 8, size);
        if (tag == 257)
            found.height = number(entry, 8, size);
    }
    return found;
}

} // namespace

std::optional<image_header> read_image_header(const media_format& format, const media_bytes& from) {
    const auto read = [&]() -> header {
        if (format.name == "png")
            return png(from);
        if (format.name == "jpeg")
            return jpeg(from);
        if (format.name == "gif")
            return gif(from);
        if (format.name == "webp")
            return webp(from);
        if (format.name == "bmp")
            return bmp(from);
        if (format.name == "tiff")
            return tiff(from);
        return std::nullopt;
    };
    auto found = read();
    if (found && (found->width <= 0 || found->height <= 0))
        found.reset();
    return found;
}

} // namespace rivulet::batch
