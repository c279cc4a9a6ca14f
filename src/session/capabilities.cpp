#include "session/capabilities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace rivulet::session {
namespace {

// What every gateway asks for besides the pipeline itself: the codecs, containers and storage that
// transcoding always had. Orchestrators set them, so asking costs nothing and leaves out what
// speaks another protocol.
constexpr std::array<capability_id, 15> default_bits{
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 26};

std::string capability_text(capability_id id) {
    const auto name = capability_name(id);
    return name.empty() ? fmt::format("capability {}", id) : std::string(name);
}

// The first bit of `these` that `those` lacks. Words beyond the end are zero.
std::optional<capability_id>
first_missing(const std::vector<std::uint64_t>& these, const std::vector<std::uint64_t>& those) {
    for (std::size_t i = 0; i < these.size(); ++i) {
        const auto missing = these[i] & ~(i < those.size() ? those[i] : 0);
        for (int bit = 0; bit < 64; ++bit)
            if ((missing >> bit) & 1)
                return static_cast<capability_id>(i * 64) + bit;
    }
    return {};
}

using version_numbers = std::array<std::uint64_t, 3>;

bool alphanumeric_or_dash(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

// "a.b-c.1": dot-separated, no part empty.
bool identifiers(std::string_view text) {
    bool begun = false;
    for (const char c : text) {
        if (c == '.' ? !begun : !alphanumeric_or_dash(c))
            return false;
        begun = c != '.';
    }
    return begun;
}

// Semantic versions as people write them: an optional v, missing parts are 0, suffixes are checked
// and dropped.
std::optional<version_numbers> read_version(std::string_view text) {
    if (text.starts_with('v'))
        text.remove_prefix(1);
    if (const auto plus = text.find('+'); plus != text.npos) {
        if (!identifiers(text.substr(plus + 1)))
            return {};
        text = text.substr(0, plus);
    }
    if (const auto dash = text.find('-'); dash != text.npos) {
        if (!identifiers(text.substr(dash + 1)))
            return {};
        text = text.substr(0, dash);
    }
    version_numbers numbers{};
    for (std::size_t i = 0;; ++i) {
        const auto dot = text.find('.');
        const auto part = text.substr(0, dot);
        const auto [end, error] =
            std::from_chars(part.data(), part.data() + part.size(), numbers[i]);
        if (error != std::errc{} || end != part.data() + part.size())
            return {};
        if (dot == text.npos)
            return numbers;
        if (i + 1 == numbers.size())
            return {};
        text.remove_prefix(dot + 1);
    }
}

} // namespace

const std::map<capability_id, std::string>& capability_names() {
    static const std::map<capability_id, std::string> names{
        {-2, "Invalid"},
        {-1, "Unused"},
        {0, "H.264"},
        {1, "MPEGTS"},
        {2, "MP4"},
        {3, "Fractional framerates"},
        {4, "Storage direct"},
        {5, "Storage S3"},
        {6, "Storage GCS"},
        {7, "H264 Baseline profile"},
        {8, "H264 Main profile"},
        {9, "H264 High profile"},
        {10, "H264 Constrained, Contained High profile"},
        {11, "GOP"},
        {12, "Auth token"},
        {14, "MPEG7 signature"},
        {15, "HEVC decode"},
        {16, "HEVC encode"},
        {17, "VP8 decode"},
        {18, "VP9 decode"},
        {19, "VP8 encode"},
        {20, "VP9 encode"},
        {21, "H264 Decode YUV444 8-bit"},
        {22, "H264 Decode YUV422 8-bit"},
        {23, "H264 Decode YUV444 10-bit"},
        {24, "H264 Decode YUV422 10-bit"},
        {25, "H264 Decode YUV420 10-bit"},
        {26, "Segment slicing"},
        {capability::text_to_image, "Text to image"},
        {capability::image_to_image, "Image to image"},
        {capability::image_to_video, "Image to video"},
        {capability::upscale, "Upscale"},
        {capability::audio_to_text, "Audio to text"},
        {capability::segment_anything_2, "Segment anything 2"},
        {capability::llm, "Llm"},
        {capability::image_to_text, "Image to text"},
        {capability::live_video_to_video, "Live video to video"},
        {capability::text_to_speech, "Text to speech"},
        {capability::byoc, "byoc"},
    };
    return names;
}

std::string_view capability_name(capability_id id) {
    const auto found = capability_names().find(id);
    return found == capability_names().end() ? std::string_view() : found->second;
}

std::string pipeline_of(capability_id id) {
    std::string text(capability_name(id));
    for (char& c : text)
        c = c == ' ' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

std::optional<capability_id> capability_of(std::string_view pipeline) {
    // What comes before are codecs and containers, which nobody calls a pipeline.
    const auto& names = capability_names();
    for (auto it = names.lower_bound(capability::text_to_image); it != names.end(); ++it)
        if (pipeline == pipeline_of(it->first))
            return it->first;
    return {};
}

std::string_view default_model(capability_id id) {
    switch (id) {
    case capability::text_to_image:
    case capability::image_to_image:
        return "stabilityai/sdxl-turbo";
    case capability::image_to_video:
        return "stabilityai/stable-video-diffusion-img2vid-xt";
    case capability::upscale:
        return "stabilityai/stable-diffusion-x4-upscaler";
    case capability::audio_to_text:
        return "openai/whisper-large-v3";
    case capability::segment_anything_2:
        return "facebook/sam2-hiera-large";
    case capability::llm:
        return "meta-llama/llama-3.1-8B-Instruct";
    case capability::image_to_text:
        return "Salesforce/blip-image-captioning-large";
    case capability::live_video_to_video:
        return "noop";
    case capability::text_to_speech:
        return "parler-tts/parler-tts-large-v1";
    default:
        return {};
    }
}

const model_constraint* capability_table::find(capability_id id, const std::string& model) const {
    const auto entry = id < 0 ? models.end() : models.find(static_cast<std::uint32_t>(id));
    if (entry == models.end())
        return nullptr;
    const auto found = entry->second.find(model);
    return found == entry->second.end() ? nullptr : &found->second;
}

std::vector<std::uint64_t> to_bits(const std::vector<capability_id>& ids) {
    std::vector<std::uint64_t> words;
    for (const auto id : ids) {
        if (id < 0)
            continue; // "Invalid" and "Unused" are never said
        const auto word = static_cast<std::size_t>(id) / 64;
        if (word >= words.size())
            words.resize(word + 1);
        words[word] |= std::uint64_t{1} << (id % 64);
    }
    return words;
}

bool has_bit(const std::vector<std::uint64_t>& bits, capability_id id) {
    if (id < 0)
        return false;
    const auto word = static_cast<std::size_t>(id) / 64;
    return word < bits.size() && ((bits[word] >> (id % 64)) & 1) != 0;
}

capability_table wanted_capabilities(
    capability_id id,
    const std::string& model,
    const std::string& min_version,
    const std::string& min_runner_version
) {
    std::vector<capability_id> ids(default_bits.begin(), default_bits.end());
    ids.push_back(id);
    capability_table table;
    table.bits = to_bits(ids);
    // Who prices requests looks at the capacities: without them it would name its transcoding
    // price.
    for (const auto each : ids)
        if (each >= 0)
            table.capacities[static_cast<std::uint32_t>(each)] = 1;
    table.version = RIVULET_VERSION;
    table.min_version = min_version;
    model_constraint wanted;
    wanted.runner_version = min_runner_version;
    if (id >= 0)
        table.models[static_cast<std::uint32_t>(id)][model] = std::move(wanted);
    return table;
}

bool version_ok(std::string_view minimum, std::string_view version) {
    if (minimum.empty())
        return true;
    if (version.empty() || version == "undefined")
        return false;
    const auto least = read_version(minimum);
    if (!least)
        return true;
    const auto got = read_version(version);
    return got && *got >= *least;
}

std::string incompatibility(const capability_table& wanted, const capability_table& offered) {
    if (!version_ok(wanted.min_version, offered.version))
        return fmt::format(
            "version {} is older than {}",
            offered.version.empty() ? "(none)" : offered.version,
            wanted.min_version
        );
    if (const auto id = first_missing(offered.mandatories, wanted.bits))
        return "it insists on " + capability_text(*id);
    for (const auto& [id, models] : wanted.models) {
        const auto there = offered.models.find(id);
        if (there == offered.models.end())
            continue; // no constraint on this capability
        for (const auto& [model, constraint] : models) {
            const auto found = there->second.find(model);
            if (found == there->second.end())
                return fmt::format(
                    "no model {} for {}", model, capability_text(static_cast<capability_id>(id))
                );
            if (constraint.warm && !found->second.warm)
                return fmt::format("model {} is not loaded", model);
            if (!version_ok(constraint.runner_version, found->second.runner_version))
                return fmt::format(
                    "the runner of {} has version {}, older than {}",
                    model,
                    found->second.runner_version.empty() ? "(none)" : found->second.runner_version,
                    constraint.runner_version
                );
        }
    }
    if (const auto id = first_missing(wanted.bits, offered.bits))
        return "no " + capability_text(*id);
    return {};
}

} // namespace rivulet::session
