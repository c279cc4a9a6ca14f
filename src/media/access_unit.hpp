// Encoded media as it travels inside Rivulet: one video frame or one audio frame with its times.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace rivulet::media {

enum class codec { none, h264, h265, vp8, vp9, av1, aac, opus, mp3 };
enum class track_kind { video, audio };

// Times are in 90 kHz ticks, 64 bits wide (unwrapped).
inline constexpr std::int64_t clock_rate = 90'000;

// What a decoder must know before the first frame.
struct video_format {
    codec type = codec::none;
    int width = 0, height = 0;
    std::vector<std::uint8_t> sps, pps; // H.264 NAL units without start code; the newest seen
    bool operator==(const video_format&) const = default;
};

struct audio_format {
    codec type = codec::none;
    int sample_rate = 0, channels = 0;
    std::vector<std::uint8_t> config; // AAC: AudioSpecificConfig; Opus: empty
    bool operator==(const audio_format&) const = default;
};

struct stream_format {
    std::optional<video_format> video;
    std::optional<audio_format> audio;
    bool operator==(const stream_format&) const = default;
};

struct access_unit {
    track_kind kind = track_kind::video;
    std::int64_t pts = 0;
    std::int64_t dts = 0;
    bool keyframe = false; // video: IDR; audio: always true
    // H.264/H.265: Annex B, parameter sets in front of every IDR. AAC: raw frame, no ADTS.
    // Opus: one packet.
    bytes data;
};

} // namespace rivulet::media
