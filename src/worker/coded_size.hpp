// How large the pictures are that a decoder would allocate for a unit, read from its parameter
// sets before the decoder sees them. The coded size, not the cropped one: a picture of 64x64 may be
// cut from one of 16384x16384. Pure; any input is safe.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <span>

namespace rivulet::worker {

struct coded_size {
    std::int64_t width = 0, height = 0; // the largest of each; 0 without a parameter set
    bool unreadable = false;            // a parameter set breaks off before its size
};

// Of every sequence parameter set in the Annex B unit.
coded_size largest_coded_size(media::codec type, std::span<const std::uint8_t> unit);

} // namespace rivulet::worker
