#include "batch/media_format.hpp"

#include <array>

namespace rivulet::batch {
namespace {

constexpr std::array<media_format, 13> formats{{
    {"png", media_class::image, "png", "image/png", nullptr},
    {"jpeg", media_class::image, "jpg", "image/jpeg", nullptr},
    {"gif", media_class::image, "gif", "image/gif", nullptr},
    {"webp", media_class::image, "webp", "image/webp", nullptr},
    {"bmp", media_class::image, "bmp", "image/bmp", nullptr},
    {"tiff", media_class::image, "tiff", "image/tiff", nullptr},
    {"wav", media_class::audio, "wav", "audio/wav", "wav"},
    {"mp3", media_class::audio, "mp3", "audio/mpeg", "mp3"},
    {"flac", media_class::audio, "flac", "audio/flac", "flac"},
    {"ogg", media_class::audio, "ogg", "audio/ogg", "ogg"},
    {"m4a", media_class::audio, "m4a", "audio/mp4", "mov"},
    {"mp4", media_class::video, "mp4", "video/mp4", "mov"},
    {"webm", media_class::video, "webm", "video/webm", "matroska"},
}};

const media_format* named(std::string_view name) {
    for (const auto& each : formats)
        if (each.name == name)
            return &each;
    return nullptr;
}

// The four bytes of an MPEG audio frame's head: layer II or III, and nothing reserved.
bool is_mpeg_audio(std::string_view text) {
    if (text.size() < 4)
        return false;
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const int version = octet(1) >> 3 & 3;
    const int layer = octet(1) >> 1 & 3;
    const int bitrate = octet(2) >> 4;
    const int rate = octet(2) >> 2 & 3;
    return octet(0) == 0xff && octet(1) >> 5 == 7 && version != 1 && (layer == 1 || layer == 2) &&
           bitrate != 0 && bitrate != 15 && rate != 3;
}

} // namespace

const media_format* sniff_media(std::span<const std::uint8_t> beginning) {
    using namespace std::string_view_literals;
    const std::string_view text(reinterpret_cast<const char*>(beginning.data()), beginning.size());
    const auto at = [&](std::size_t offset, std::string_view mark) {
        return text.size() >= offset + mark.size() && text.substr(offset, mark.size()) == mark;
    };
    if (at(0, "\x89PNG\r\n\x1a\n"sv))
        return named("png");
    if (at(0, "\xff\xd8\xff"sv))
        return named("jpeg");
    if (at(0, "GIF87a"sv) || at(0, "GIF89a"sv))
        return named("gif");
    if (at(0, "RIFF"sv) && at(8, "WEBP"sv))
        return named("webp");
    if (at(0, "RIFF"sv) && at(8, "WAVE"sv))
        return named("wav");
    if (at(0, "II*\0"sv) || at(0, "MM\0*"sv))
        return named("tiff");
    // "BM" alone is too little: its header's size says more.
    if (at(0, "BM"sv) && text.size() >= 18 && text[15] == 0 && text[16] == 0 && text[17] == 0)
        return named("bmp");
    if (at(0, "fLaC"sv))
        return named("flac");
    if (at(0, "OggS"sv))
        return named("ogg");
    if (at(4, "ftyp"sv))
        return named(at(8, "M4A"sv) || at(8, "M4B"sv) ? "m4a" : "mp4");
    if (at(0, "\x1a\x45\xdf\xa3"sv))
        return named("webm");
    if (at(0, "ID3"sv) || is_mpeg_audio(text))
        return named("mp3");
    return nullptr;
}

std::string_view content_type_of(std::string_view extension) {
    for (const auto& each : formats)
        if (each.extension == extension)
            return each.content_type;
    return "application/octet-stream";
}

} // namespace rivulet::batch
