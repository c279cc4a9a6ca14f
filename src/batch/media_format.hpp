// Which file format some bytes are, by their content: names and declared types are not believed.
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace rivulet::batch {

enum class media_class { image, audio, video };

struct media_format {
    std::string_view name; // "png", "jpeg", "m4a", …
    media_class kind = media_class::image;
    std::string_view extension;    // "png", "jpg", "m4a", …
    std::string_view content_type; // as it is served
    const char* demuxer = nullptr; // libav's name; images have none
};

// What is enough of a file's beginning.
constexpr std::size_t sniffed_bytes = 64;

// Null for everything else.
const media_format* sniff_media(std::span<const std::uint8_t> beginning);
// "application/octet-stream" for an extension that no format has.
std::string_view content_type_of(std::string_view extension);

} // namespace rivulet::batch
