// 16-bit mono sound: written as a WAV file, and read from any common file.
// Thread: any but a shard.
// Fails with: unsupported, media_error, too_large.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

std::string wave_file(std::span<const std::int16_t> samples, int rate);

// WAV, MP3, FLAC, Ogg, WebM, MP4 and AAC; mixed down and resampled. What is damaged is left out.
outcome<std::vector<std::int16_t>> decode_sound(
    std::string_view file, int rate, double seconds_limit, const std::function<bool()>& cancelled
);

} // namespace rivulet::worker
