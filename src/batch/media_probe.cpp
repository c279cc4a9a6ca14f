#include "batch/media_probe.hpp"

#include "batch/media_decoding.hpp"

#include <fmt/core.h>

#include <array>

namespace rivulet::batch {
namespace {

media_bytes bytes_of(const spool& content) {
    media_bytes made;
    made.size = content.size();
    made.read = [&content](std::uint64_t offset, std::span<std::uint8_t> into) -> std::size_t {
        const auto n = content.read(offset, into);
        return n ? *n : 0;
    };
    return made;
}

outcome<media_facts>
probe_picture(const media_format& format, const media_bytes& content, const probe_limits& limits) {
    const auto header = read_image_header(format, content);
    if (!header)
        return failure(
            errc::media_error,
            fmt::format("the picture can't be decoded: its {} header is damaged", format.name)
        );
    if (header->width > limits.width || header->height > limits.height)
        return failure(
            errc::media_error,
            fmt::format(
                "the picture is {}x{}; at most {}x{} is taken",
                header->width,
                header->height,
                limits.width,
                limits.height
            )
        );
    const auto good = check_picture(format, *header, content);
    if (!good)
        return good.error();
    media_facts facts;
    facts.width = header->width;
    facts.height = header->height;
    facts.format = format.name;
    return facts;
}

outcome<media_facts>
probe_sound(const media_format& format, const media_bytes& content, const probe_limits& limits) {
    const auto good = check_track(format, media_class::audio, content);
    if (!good)
        return good.error();
    const auto seconds = sound_length(format, content, limits.seconds);
    if (!seconds)
        return seconds.error();
    media_facts facts;
    facts.seconds = *seconds;
    facts.format = format.name;
    return facts;
}

} // namespace

outcome<media_facts>
probe_media(media_kind wanted, const spool& content, const probe_limits& limits) {
    if (wanted == media_kind::none)
        return media_facts();
    if (content.size() == 0)
        return failure(errc::media_error, "the file is empty");
    const auto bytes = bytes_of(content);
    std::array<std::uint8_t, sniffed_bytes> beginning;
    const auto n = bytes.read(0, beginning);
    const auto* format = sniff_media(std::span(beginning).first(n));
    const bool picture = format && format->kind == media_class::image;
    if (wanted == media_kind::image) {
        if (!picture)
            return failure(
                errc::unsupported,
                "the file is no picture that is taken: PNG, JPEG, GIF, WebP, BMP or TIFF"
            );
        return probe_picture(*format, bytes, limits);
    }
    if (!format || picture)
        return failure(
            errc::unsupported,
            "the file is no sound that is taken: MP3, WAV, FLAC, Ogg, WebM, MP4 or M4A"
        );
    return probe_sound(*format, bytes, limits);
}

} // namespace rivulet::batch
