// Single pictures as libav frames: out of a file's bytes, converted, scaled, and into a PNG file.
// Thread: any but a shard.
// Fails with: unsupported (no picture format that is known), media_error (damaged), too_large.
#pragma once

#include "base/error.hpp"
#include "media/av_ptr.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::worker {

using frame_ptr = media::av_ptr<AVFrame>;

inline constexpr std::int64_t picture_pixel_limit = 33'554'432; // 8192x4096

// PNG, JPEG, GIF (its first picture), WebP, BMP, TIFF. The size is checked before the decoder
// allocates.
outcome<frame_ptr> decode_picture(std::string_view file);

// A picture without content. Null without memory.
frame_ptr blank_picture(int width, int height, AVPixelFormat format);

// RGBA when the picture has transparency, else RGB24: what nothing is lost in.
AVPixelFormat plain_format(const AVFrame& picture);

// In another format, size or both; `flags` are libswscale's (SWS_LANCZOS, …).
outcome<frame_ptr>
convert_picture(const AVFrame& from, int width, int height, AVPixelFormat format, int flags);

// RGB24 and RGBA.
outcome<std::string> encode_png(const AVFrame& picture);

} // namespace rivulet::worker
