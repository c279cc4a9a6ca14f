// The size of a picture by its header alone, so that nothing is allocated for a picture that only
// claims to be enormous. Pure but for reading.
#pragma once

#include "batch/media_bytes.hpp"
#include "batch/media_format.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::batch {

struct image_header {
    std::int64_t width = 0, height = 0; // positive
    bool animated = false;              // a WebP of several pictures
};

std::optional<image_header> read_image_header(const media_format& format, const media_bytes& from);

} // namespace rivulet::batch
