#include "worker/clip_writer.hpp"
#include "worker/model_functions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

extern "C" {
#include <libswscale/swscale.h>
}

namespace rivulet::worker {

namespace {

constexpr int frame_count = 25; // what the pipeline is billed for
constexpr std::int64_t side_limit = 4096;

// Where the camera looks: the centre and the share of the picture's width that is seen.
struct view {
    double x, y, share;
};

// From rest to rest.
double eased(double t) {
    return t * t * (3 - 2 * t);
}

struct journey {
    double angle;
    double depth; // of the zoom: share of the picture that is left out at its end
    bool outwards;

    view at(double t) const {
        const double way = eased(outwards ? 1 - t : t);
        const double share = 1 - depth * way;
        // As far aside as the edge allows at this zoom.
        const double room = (1 - share) / 2;
        return {0.5 + std::cos(angle) * room * 0.8, 0.5 + std::sin(angle) * room * 0.8, share};
    }
};

std::uint64_t scrambled(std::uint64_t z) {
    z = (z + 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Between pixels: a slow camera that jumps from one to the next would tremble.
void look(const AVFrame& from, AVFrame& into, const view& seen) {
    const double span_x = from.width * seen.share, span_y = from.height * seen.share;
    const double left = from.width * seen.x - span_x / 2, top = from.height * seen.y - span_y / 2;
    for (int y = 0; y < into.height; ++y) {
        const double sy =
            std::clamp(top + (y + 0.5) * span_y / into.height - 0.5, 0.0, from.height - 1.0);
        const int y0 = static_cast<int>(sy), y1 = std::min(y0 + 1, from.height - 1);
        const int fy = static_cast<int>((sy - y0) * 256);
        const auto* above = from.data[0] + std::ptrdiff_t{y0} * from.linesize[0];
        const auto* below = from.data[0] + std::ptrdiff_t{y1} * from.linesize[0];
        auto* out = into.data[0] + std::ptrdiff_t{y} * into.linesize[0];
        for (int x = 0; x < into.width; ++x, out += 3) {
            const double sx =
                std::clamp(left + (x + 0.5) * span_x / into.width - 0.5, 0.0, from.width - 1.0);
            const int x0 = static_cast<int>(sx), x1 = std::min(x0 + 1, from.width - 1);
            const int fx = static_cast<int>((sx - x0) * 256);
            for (int c = 0; c < 3; ++c) {
                const int high = above[x0 * 3 + c] * (256 - fx) + above[x1 * 3 + c] * fx;
                const int low = below[x0 * 3 + c] * (256 - fx) + below[x1 * 3 + c] * fx;
                out[c] = static_cast<std::uint8_t>((high * (256 - fy) + low * fy) >> 16);
            }
        }
    }
}

// The middle of the picture in the shape of the video; as large as the closest look needs.
outcome<frame_ptr> crop_to_shape(AVFrame& from, int width, int height) {
    const double shape = static_cast<double>(width) / height;
    int w = from.width, h = from.height;
    if (w > h * shape)
        w = std::max(1, static_cast<int>(std::lround(h * shape)));
    else
        h = std::max(1, static_cast<int>(std::lround(w / shape)));
    // By libav's own means, since the formats' planes differ.
    from.crop_left = static_cast<std::size_t>((from.width - w) / 2);
    from.crop_right = static_cast<std::size_t>(from.width - w) - from.crop_left;
    from.crop_top = static_cast<std::size_t>((from.height - h) / 2);
    from.crop_bottom = static_cast<std::size_t>(from.height - h) - from.crop_top;
    if (av_frame_apply_cropping(&from, AV_FRAME_CROP_UNALIGNED) < 0)
        return failure(errc::media_error, "the image can't be cut to shape");
    return convert_picture(from, width * 3 / 2, height * 3 / 2, AV_PIX_FMT_RGB24, SWS_BICUBIC);
}

} // namespace

outcome<model_answer> pan_and_zoom(const model_call& call) {
    const auto width = call.integer("width").value_or(1024);
    const auto height = call.integer("height").value_or(576);
    const auto fps = call.integer("fps").value_or(6);
    const auto motion =
        std::clamp<std::int64_t>(call.integer("motion_bucket_id").value_or(127), 0, 255);
    if (width < 64 || height < 64 || width > side_limit || height > side_limit || width % 8 ||
        height % 8 || width * height > picture_pixel_limit / 4)
        return failure(
            errc::invalid_argument,
            fmt::format(
                "`height` and `width` have to be divisible by 8, from 64 to {}, but are {} and {}.",
                side_limit,
                height,
                width
            )
        );
    if (fps < 1 || fps > 240)
        return failure(errc::invalid_argument, "fps must be from 1 to 240");
    auto decoded = decode_picture(call.file);
    if (!decoded)
        return decoded.error();
    auto from = crop_to_shape(**decoded, static_cast<int>(width), static_cast<int>(height));
    decoded->reset();
    if (!from)
        return from.error();

    const auto seed = call.integer("seed").value_or(0);
    const auto mixed = scrambled(static_cast<std::uint64_t>(seed));
    journey camera{};
    camera.angle = static_cast<double>(mixed % 3600) / 3600 * 2 * std::numbers::pi;
    camera.depth = 0.05 + 0.35 * static_cast<double>(motion) / 255;
    camera.outwards = (mixed >> 32) & 1;

    auto clip = clip_writer::open(
        static_cast<int>(width), static_cast<int>(height), static_cast<int>(fps), frame_count
    );
    if (!clip)
        return clip.error();
    auto picture =
        blank_picture(static_cast<int>(width), static_cast<int>(height), AV_PIX_FMT_RGB24);
    if (!picture)
        return failure(errc::no_capacity, "no memory for a picture");
    for (int i = 0; i < frame_count; ++i) {
        if (call.cancelled())
            return failure(errc::cancelled, "nobody waits for it any more");
        look(**from, *picture, camera.at(static_cast<double>(i) / (frame_count - 1)));
        if (auto added = clip->add(*picture); !added)
            return added.error();
    }
    auto file = clip->finish();
    if (!file)
        return file.error();
    model_answer made;
    made.files.emplace_back(std::move(*file), "mp4", "video/mp4", seed);
    return made;
}

} // namespace rivulet::worker
