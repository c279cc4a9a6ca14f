// Looks at an uploaded file with libav: is it a picture or sound, and how much of it. Only headers
// and packets are read; what can't be decoded is refused.
// Thread: any but a shard: it reads the file and takes milliseconds (base/off_shard.hpp).
// Fails with: media_error and a text for the client; unsupported for a format that isn't taken.
#pragma once

#include "base/error.hpp"
#include "batch/request.hpp"

namespace rivulet::batch {

struct probe_limits {
    std::int64_t width = 16'384, height = 16'384; // of an image
    double seconds = 4 * 3600;                    // of sound

    probe_limits() {}
};

outcome<media_facts>
probe_media(media_kind wanted, const spool& content, const probe_limits& limits = {});

} // namespace rivulet::batch
