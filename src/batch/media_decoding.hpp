// Decodes so much of a file that one can tell that it is what it claims to be. libav gets the bytes
// through a reader of our own and opens nothing else; one thread, bounded pictures, bounded time.
// Thread: any but a shard.
// Fails with: media_error and a text for people.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "batch/image_header.hpp"
#include "batch/media_bytes.hpp"
#include "batch/media_format.hpp"

#include <cstdint>

namespace rivulet::batch {

// Larger ones count as good when their header is: decoding them costs more memory than knowing it
// is worth.
constexpr std::int64_t decoded_pixels = 4096 * 4096;

outcome<void>
check_picture(const media_format& format, const image_header& header, const media_bytes& content);

// A decodable track of that kind; the file's formats are those that have a demuxer.
outcome<void>
check_track(const media_format& format, media_class track, const media_bytes& content);

// Seconds of sound: what the container says, when its packets bear it out; else what these last.
// media_error beyond `most`.
outcome<double> sound_length(const media_format& format, const media_bytes& content, double most);

} // namespace rivulet::batch
