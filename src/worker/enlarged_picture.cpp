#include "worker/model_functions.hpp"
#include "worker/picture.hpp"

#include <fmt/format.h>

extern "C" {
#include <libswscale/swscale.h>
}

namespace rivulet::worker {

namespace {

constexpr int factor = 4;
constexpr std::int64_t input_pixel_limit = picture_pixel_limit / (factor * factor);

} // namespace

outcome<model_answer> enlarge_picture(const model_call& call) {
    auto from = decode_picture(call.file);
    if (!from)
        return from.error();
    const auto& picture = **from;
    if (std::int64_t{picture.width} * picture.height > input_pixel_limit)
        return failure(
            errc::too_large,
            fmt::format(
                "the image is {}x{}; this model enlarges at most {} pixels",
                picture.width,
                picture.height,
                input_pixel_limit
            )
        );
    if (call.cancelled())
        return failure(errc::cancelled, "nobody waits for it any more");
    auto large = convert_picture(
        picture, picture.width * factor, picture.height * factor, plain_format(picture), SWS_LANCZOS
    );
    if (!large)
        return large.error();
    from->reset();
    if (call.cancelled())
        return failure(errc::cancelled, "nobody waits for it any more");
    auto file = encode_png(**large);
    if (!file)
        return file.error();
    model_answer made;
    made.files.emplace_back(std::move(*file), "png", "image/png", call.integer("seed").value_or(0));
    return made;
}

} // namespace rivulet::worker
