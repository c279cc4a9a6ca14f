// The last picture of a piece of MPEG-TS as keyframes that can be repeated: what viewers see while
// nothing new comes. Bounded in memory (one decoder, one encoder, pictures up to 4096x4096) and in
// time: what isn't decoded by then is left out, and an earlier picture of the same group stands.
// Costs the caller's thread some 10 to 100 ms; not for a shard's.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace rivulet::media {

struct still_picture {
    // The picture twice, to be sent in turn: a decoder may take two equal IDRs for one. H.264, or
    // the last keyframe as it was when the newest picture can't be decoded.
    std::array<access_unit, 2> keyframes;
    stream_format format; // with the sound of the piece, if it had any
    bool newest = false;  // the last picture, not just the last keyframe
};

struct still_limits {
    duration decoding = std::chrono::seconds(1);
    std::size_t group_bytes = 32u << 20;
};

// `ts` in order, cut anywhere; `abandoned` ends it early. Fails with not_found without a keyframe,
// cancelled.
outcome<still_picture> make_still(
    const std::vector<bytes>& ts, const still_limits& limits, const std::atomic<bool>& abandoned
);

} // namespace rivulet::media
