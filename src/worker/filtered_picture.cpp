#include "worker/filter_graph_rules.hpp"
#include "worker/model_functions.hpp"
#include "worker/picture.hpp"
#include "worker/video_filter.hpp"

#include <fmt/format.h>

#include <algorithm>

extern "C" {
#include <libswscale/swscale.h>
}

namespace rivulet::worker {

namespace {

constexpr picture_size size_limit{8192, 8192};
constexpr std::int64_t copies_limit = 16;

} // namespace

outcome<model_answer> filter_picture(const model_call& call) {
    auto graph = parse_filter_graph(call.text("prompt"));
    if (!graph)
        return failure(
            errc::invalid_argument,
            "the prompt of this model is a libavfilter graph: " + graph.error().detail
        );
    const auto count = std::max<std::int64_t>(1, call.integer("num_images_per_prompt").value_or(1));
    if (count > copies_limit)
        return failure(
            errc::invalid_argument,
            fmt::format("num_images_per_prompt: at most {} here", copies_limit)
        );
    auto decoded = decode_picture(call.file);
    if (!decoded)
        return decoded.error();
    const auto format = plain_format(**decoded);
    auto plain =
        convert_picture(**decoded, (*decoded)->width, (*decoded)->height, format, SWS_BICUBIC);
    decoded->reset();
    if (!plain)
        return plain.error();
    (*plain)->pts = 0;
    auto filter = video_filter::build(*graph, **plain, std::nullopt, size_limit, format);
    if (!filter)
        return filter.error();
    if (call.cancelled())
        return failure(errc::cancelled, "nobody waits for it any more");
    frame_ptr first;
    const auto keep = [&](frame_ptr frame) {
        if (!first)
            first = std::move(frame);
    };
    if (filter->push(std::move(*plain), keep))
        return failure(errc::media_error, "the graph does not take this image");
    if (!first)
        filter->drain(keep);
    if (!first)
        return failure(errc::invalid_argument, "the graph makes no picture from a single one");
    auto file = encode_png(*first);
    if (!file)
        return file.error();
    // Nothing in a graph depends on chance that the seed could turn.
    const auto seed = call.integer("seed").value_or(0);
    model_answer made;
    for (std::int64_t i = 0; i < count; ++i)
        made.files.emplace_back(
            *file,
            "png",
            "image/png",
            static_cast<std::int64_t>(static_cast<std::uint64_t>(seed) + std::uint64_t(i))
        );
    return made;
}

} // namespace rivulet::worker
