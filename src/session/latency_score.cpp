#include "session/latency_score.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

namespace rivulet::session {
namespace {

constexpr std::string_view lightning = "ByteDance/SDXL-Lightning";
constexpr std::int64_t lightning_steps = 8;

// One row for each pipeline of pictures.
struct picture_row {
    capability_id pipeline;
    std::int64_t width, height; // when the request names none; 0: the input's, always known
    std::int64_t frames;        // for each picture
    bool counted;               // `pictures` multiply
    std::int64_t steps;         // when the request names none; 0: steps don't count
};

constexpr picture_row pictures[] = {
    {capability::text_to_image, 512, 512, 1, true, 50},
    {capability::image_to_image, 0, 0, 1, true, 100},
    {capability::image_to_video, 1024, 576, 25, false, 25},
    {capability::upscale, 0, 0, 1, false, 75},
    {capability::segment_anything_2, 0, 0, 1, false, 0},
    {capability::image_to_text, 0, 0, 1, false, 0},
};

const picture_row* picture_row_of(capability_id pipeline) {
    const auto* at = std::ranges::find(pictures, pipeline, &picture_row::pipeline);
    return at == std::end(pictures) ? nullptr : at;
}

// Stops at the largest number instead of passing it: sizes come from clients.
std::int64_t times(std::int64_t a, std::int64_t b) {
    std::int64_t out = 0;
    if (__builtin_mul_overflow(a, b, &out))
        return std::numeric_limits<std::int64_t>::max();
    return out;
}

std::int64_t at_least(std::int64_t least, std::optional<std::int64_t> value, std::int64_t usual) {
    return std::max(least, value.value_or(usual));
}

// "…_4step.safetensors" → 4. The name is the only place where such a model says it.
std::int64_t steps_in_name(std::string_view model) {
    constexpr std::string_view mark = "step";
    for (auto at = model.find(mark); at != model.npos; at = model.find(mark, at + 1)) {
        auto begin = at;
        while (begin > 0 && model[begin - 1] >= '0' && model[begin - 1] <= '9')
            --begin;
        if (begin == at || begin == 0 || model[begin - 1] != '_')
            continue;
        std::int64_t steps = 0;
        const auto [end, error] = std::from_chars(model.data() + begin, model.data() + at, steps);
        if (error == std::errc())
            return std::max<std::int64_t>(1, steps);
    }
    return lightning_steps;
}

std::int64_t steps_of(const picture_row& row, const work_shape& shape) {
    if (row.steps == 0)
        return 1;
    if (row.counted && std::string_view(shape.model).starts_with(lightning))
        return steps_in_name(shape.model);
    return at_least(1, shape.steps, row.steps);
}

} // namespace

std::int64_t units_of(capability_id pipeline, const work_shape& shape) {
    if (const auto* row = picture_row_of(pipeline)) {
        const auto size =
            times(at_least(0, shape.width, row->width), at_least(0, shape.height, row->height));
        const auto count = row->counted ? at_least(1, shape.pictures, 1) : 1;
        return times(times(size, count), row->frames);
    }
    switch (pipeline) {
    case capability::audio_to_text:
        return times(at_least(0, shape.seconds, 0), 1000);
    case capability::llm:
        return at_least(0, shape.max_tokens, 256);
    case capability::text_to_speech:
        // What an orchestrator debits; a gateway that pays a unit for each byte runs out of
        // balance.
        return times(at_least(0, shape.text_points, 0), 1000);
    default:
        return 0;
    }
}

std::optional<double> latency_score(capability_id pipeline, const work_shape& shape, double took) {
    double by = 0;
    if (const auto* row = picture_row_of(pipeline))
        by = static_cast<double>(units_of(pipeline, shape)) *
             static_cast<double>(steps_of(*row, shape));
    else if (pipeline == capability::audio_to_text)
        by = static_cast<double>(at_least(0, shape.seconds, 0));
    else if (pipeline == capability::llm)
        by = static_cast<double>(at_least(0, shape.total_tokens, 0));
    else if (pipeline == capability::text_to_speech)
        by = static_cast<double>(at_least(0, shape.text_bytes, 0));
    if (by <= 0 || !(took > 0))
        return std::nullopt;
    return took / by;
}

} // namespace rivulet::session
