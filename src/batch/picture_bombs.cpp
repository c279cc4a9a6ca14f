#include "batch/picture_bombs.hpp"

#include "batch/png_pixels.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace rivulet::batch {
namespace {

using octets = std::span<std::uint8_t>;

constexpr std::size_t chunk_head = 8, chunk_sum = 4;
// Progressive pictures have about ten; chance finds some marks more in profiles and thumbnails.
constexpr std::size_t most_scans = 500;

bool begins_with(octets file, std::string_view mark) {
    return file.size() >= mark.size() && std::memcmp(file.data(), mark.data(), mark.size()) == 0;
}

bool is_packed(const std::uint8_t* type) {
    const std::string_view name(reinterpret_cast<const char*>(type), 4);
    return name == "zTXt" || name == "iCCP" || name == "iTXt";
}

std::size_t without_packed_chunks(octets file, std::size_t begin) {
    std::size_t from = begin, to = begin;
    while (file.size() - from >= chunk_head) {
        const auto* head = file.data() + from;
        const std::size_t length = std::size_t{head[0]} << 24 | std::size_t{head[1]} << 16 |
                                   std::size_t{head[2]} << 8 | head[3];
        const auto left = file.size() - from;
        const auto whole = std::min(left, chunk_head + length + chunk_sum);
        if (!is_packed(head + 4)) {
            std::memmove(file.data() + to, head, whole);
            to += whole;
        }
        from += whole;
    }
    std::memmove(file.data() + to, file.data() + from, file.size() - from);
    return to + file.size() - from;
}

bool has_few_scans(octets file) {
    std::size_t scans = 0;
    const auto* at = file.data();
    const auto* const end = at + file.size();
    while (at < end) {
        at = static_cast<const std::uint8_t*>(
            std::memchr(at, 0xff, static_cast<std::size_t>(end - at))
        );
        if (!at || ++at == end)
            break;
        if (*at == 0xda && ++scans > most_scans)
            return false;
    }
    return true;
}

} // namespace

std::size_t without_bombs(octets file) {
    using namespace std::string_view_literals;
    constexpr auto png = "\x89PNG\r\n\x1a\n"sv;
    if (begins_with(file, png))
        return pixels_fit(file) ? without_packed_chunks(file, png.size()) : 0;
    if (begins_with(file, "\xff\xd8"sv) && !has_few_scans(file))
        return 0;
    return file.size();
}

} // namespace rivulet::batch
