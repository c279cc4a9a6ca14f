// The size of a picture by its header alone, so that nothing is allocated for a picture that only
// claims to be enormous. Pure but for reading.
#pragma once

#include "batch/media_bytes.hpp"
#include "batch/media_format.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace rivulet::batch {

struct image_header {
    std::int64_t width = 0, height = 0; // positive
    bool animated = false;              // a WebP of several pictures

    // At most 2^60: sides may be anything that 32 bits hold.
    std::int64_t pixels() const {
        constexpr std::int64_t most_side = 1 << 30;
        return std::min(width, most_side) * std::min(height, most_side);
    }
};

std::optional<image_header> read_image_header(const media_format& format, const media_bytes& from);

} // namespace rivulet::batch
