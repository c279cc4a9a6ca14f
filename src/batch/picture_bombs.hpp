// What makes libav's decoders work for minutes, or fill the memory, on a picture of a few pixels is
// taken out of its bytes before they are decoded. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rivulet::batch {

// PNG: without compressed texts and profiles (a megabyte of them unpacks to gigabytes). Everything
// else stays as it is. The new size, at the beginning of `file`; 0: it isn't decoded at all (a JPEG
// of very many scans, a PNG with more pixels than its header says).
std::size_t without_bombs(std::span<std::uint8_t> file);

} // namespace rivulet::batch
