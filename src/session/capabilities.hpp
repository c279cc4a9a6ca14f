// What an orchestrator can do and what a gateway asks for: capability ids, the bit string, models
// with their constraints, and whether an offer satisfies a request (spec/orchestrators.md 3). Pure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::session {

using capability_id = int;

namespace capability {
constexpr capability_id text_to_image = 27;
constexpr capability_id image_to_image = 28;
constexpr capability_id image_to_video = 29;
constexpr capability_id upscale = 30;
constexpr capability_id audio_to_text = 31;
constexpr capability_id segment_anything_2 = 32;
constexpr capability_id llm = 33;
constexpr capability_id image_to_text = 34;
constexpr capability_id live_video_to_video = 35;
constexpr capability_id text_to_speech = 36;
constexpr capability_id byoc = 37;
} // namespace capability

// "text-to-image" ↔ 27. Nothing for a pipeline that nobody knows; "byoc" is one.
std::optional<capability_id> capability_of(std::string_view pipeline);
std::string pipeline_of(capability_id id);
// "Text to image"; empty for an id without a name (13).
std::string_view capability_name(capability_id id);
// Every id that has a name, with -2 and -1, as /getNetworkCapabilities lists them.
const std::map<capability_id, std::string>& capability_names();
// The model a gateway takes when a request names none. Empty when the pipeline has none.
std::string_view default_model(capability_id id);

struct model_constraint {
    bool warm = false;
    std::uint32_t capacity = 0;        // live: idle containers; batch: free slots
    std::uint32_t capacity_in_use = 0; // live: busy containers
    std::string runner_version;        // in a request: the least one wanted
};

using model_table = std::map<std::string, model_constraint>; // by model id

struct capability_table {
    std::vector<std::uint64_t> bits, mandatories;
    std::map<std::uint32_t, std::uint32_t> capacities;
    std::string version;
    std::string min_version;
    std::map<std::uint32_t, model_table> models; // PerCapability

    // Null when the table does not list it.
    const model_constraint* find(capability_id id, const std::string& model) const;
};

std::vector<std::uint64_t> to_bits(const std::vector<capability_id>& ids);
bool has_bit(const std::vector<std::uint64_t>& bits, capability_id id);

// What a gateway sends to find orchestrators for one model (spec 2.3): the default bits and this
// one, capacity 1 each, the model with the least runner version.
capability_table wanted_capabilities(
    capability_id id,
    const std::string& model,
    const std::string& min_version = {},
    const std::string& min_runner_version = {}
);

// "0.4.1-b3278dce-dirty" satisfies "0.4.1" (spec 3.3): suffixes are ignored, an unparsable minimum
// accepts, an unparsable version does not.
bool version_ok(std::string_view minimum, std::string_view version);

// Empty when `offered` satisfies `wanted`, else why not, for people.
std::string incompatibility(const capability_table& wanted, const capability_table& offered);

} // namespace rivulet::session
