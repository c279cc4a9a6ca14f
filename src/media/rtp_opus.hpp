// RTP times of Opus packets (RFC 7587: 48 kHz): each packet goes on where the one before ended, as
// receivers want it, and follows the PTS as soon as that is further away than rounding explains.
// Pure.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace rivulet::media {

inline constexpr std::int64_t opus_clock_rate = 48'000;

// 90 kHz to 48 kHz.
constexpr std::int64_t opus_ticks(std::int64_t pts) {
    // In two parts: a product of the whole would leave 64 bits some day.
    return pts / 15 * 8 + pts % 15 * 8 / 15;
}

class opus_rtp_clock {
  public:
    // 10 ms: far below what an ear or a lip sync notices.
    static constexpr std::int64_t tolerance = opus_clock_rate / 100;

    // In 48 kHz ticks, unwrapped; `pts` in 90 kHz.
    std::int64_t operator()(std::int64_t pts, std::span<const std::uint8_t> packet);

  private:
    std::optional<std::int64_t> next_;
};

} // namespace rivulet::media
