// What a batch request costs, in a pipeline's units of account, and how fast it was per unit: a
// number by which orchestrators of one pipeline and model compare, whatever was asked of them
// (spec/orchestrators.md 9). Lower is better. Pure.
#pragma once

#include "session/capabilities.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace rivulet::session {

// Of a request what its pipeline has; the rest stays empty. Sizes are those of the input picture
// where there is one.
struct work_shape {
    std::string model;
    std::optional<std::int64_t> width, height;
    std::optional<std::int64_t> pictures;     // wanted, each
    std::optional<std::int64_t> steps;        // num_inference_steps
    std::optional<std::int64_t> seconds;      // of sound, whole ones
    std::optional<std::int64_t> max_tokens;   // asked for
    std::optional<std::int64_t> total_tokens; // used, as the answer says
    std::optional<std::int64_t> text_bytes;   // to be spoken, in UTF-8
    std::optional<std::int64_t> text_points;  // the same in code points

    work_shape() {}
};

// What is billed. 0 when the pipeline isn't one of units, or when nothing is known; never negative.
std::int64_t units_of(capability_id pipeline, const work_shape& shape);

// Seconds per unit and step. Nothing when there is nothing to divide by.
std::optional<double> latency_score(capability_id pipeline, const work_shape& shape, double took);

// Live jobs: paid in advance, then by time.
constexpr std::int64_t live_units_each_second = 1280 * 720 * 30;
constexpr std::int64_t live_units_at_start = 60 * live_units_each_second;

} // namespace rivulet::session
