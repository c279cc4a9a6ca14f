#include "batch/result_check.hpp"

#include "batch/media_decoding.hpp"

#include <fmt/core.h>

namespace rivulet::batch {
namespace {

failure unwanted(reply_kind kind, const media_format* format) {
    const auto wanted = kind == reply_kind::audio   ? "sound"
                        : kind == reply_kind::video ? "a video"
                                                    : "a picture";
    return {
        errc::media_error,
        fmt::format(
            "the result should be {} and is {}", wanted, format ? format->name : "no media"
        )};
}

outcome<std::string> check_image(const media_format& format, const media_bytes& content) {
    const auto header = read_image_header(format, content);
    if (!header)
        return failure(
            errc::media_error, fmt::format("the {} picture's header is damaged", format.name)
        );
    const auto good = check_picture(format, *header, content);
    if (!good)
        return good.error();
    return std::string(format.extension);
}

} // namespace

outcome<std::string> check_result(reply_kind kind, const std::string& bytes) {
    const auto content = bytes_of(bytes);
    const std::span<const std::uint8_t> all(
        reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()
    );
    const auto* format = sniff_media(all.first(std::min(all.size(), sniffed_bytes)));
    if (!format)
        return unwanted(kind, format);
    const bool image = format->kind == media_class::image;
    // Models that make a video may answer with a moving picture.
    const bool moving =
        kind == reply_kind::video && (format->name == "gif" || format->name == "webp");
    if (kind == reply_kind::images || moving)
        return image ? check_image(*format, content) : unwanted(kind, format);
    if (image || (kind == reply_kind::video && format->kind != media_class::video))
        return unwanted(kind, format);
    const auto track = kind == reply_kind::audio ? media_class::audio : media_class::video;
    const auto good = check_track(*format, track, content);
    if (!good)
        return good.error();
    // An MP4 of sound is better known by its other name.
    if (kind == reply_kind::audio && format->name == "mp4")
        return std::string("m4a");
    return std::string(format->extension);
}

outcome<std::string> keep_result(result_store& store, reply_kind kind, std::string bytes) {
    const auto extension = check_result(kind, bytes);
    if (!extension)
        return extension.error();
    return store.put(std::move(bytes), *extension, steady_clock::now());
}

} // namespace rivulet::batch
