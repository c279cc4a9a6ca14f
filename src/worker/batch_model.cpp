#include "worker/batch_model.hpp"

#include "worker/model_functions.hpp"

#include <algorithm>
#include <array>

namespace rivulet::worker {

namespace {

bool always() {
    return true;
}

namespace can = session::capability;

constexpr std::array<batch_model, 7> models{{
    {"rivulet/testcard", can::text_to_image, always, draw_test_cards},
    {"rivulet/avfilter", can::image_to_image, always, filter_picture},
    {"rivulet/lanczos-x4", can::upscale, always, enlarge_picture},
    {"rivulet/kenburns", can::image_to_video, always, pan_and_zoom},
    {"rivulet/espeak", can::text_to_speech, can_speak, speak_text},
    {"rivulet/tesseract", can::image_to_text, can_read, read_picture},
    {"rivulet/pocketsphinx", can::audio_to_text, can_hear, transcribe_sound},
}};

} // namespace

std::string model_call::text(std::string_view field) const {
    const auto* value = fields.if_contains(field);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::optional<std::int64_t> model_call::integer(std::string_view field) const {
    const auto* value = fields.if_contains(field);
    if (value && value->is_int64())
        return value->as_int64();
    // Beyond what is signed: only a seed can be, and there any number is as good as another.
    if (value && value->is_uint64())
        return static_cast<std::int64_t>(value->as_uint64() >> 1);
    return std::nullopt;
}

std::span<const batch_model> batch_models() {
    return models;
}

const batch_model* find_batch_model(session::capability_id capability, std::string_view name) {
    const auto found = std::find_if(models.begin(), models.end(), [&](const auto& each) {
        return each.capability == capability && each.name == name;
    });
    return found == models.end() ? nullptr : found;
}

} // namespace rivulet::worker
