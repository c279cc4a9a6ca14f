#include "media/rtp_opus.hpp"

#include "media/aac.hpp"

#include <cstdlib>

namespace rivulet::media {

std::int64_t opus_rtp_clock::operator()(std::int64_t pts, std::span<const std::uint8_t> packet) {
    const auto whole = opus_ticks(pts);
    auto at = whole;
    if (next_ && std::abs(whole - *next_) <= tolerance)
        at = *next_;
    next_ = at + opus::packet_samples(packet);
    return at;
}

} // namespace rivulet::media
