// Whether a PNG's pixel data are as much as its header promises: a decoder goes on unpacking what
// follows them, and a megabyte of it can keep a core busy for seconds. Pure.
#pragma once

#include <cstdint>
#include <span>

namespace rivulet::batch {

// Unpacks them, at most a little beyond the promise. True also for what is damaged: that is the
// decoder's to find.
bool pixels_fit(std::span<const std::uint8_t> png);

} // namespace rivulet::batch
