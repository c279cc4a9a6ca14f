// AAC and MP3 framing: AudioSpecificConfig, ADTS headers, MPEG audio headers. Pure.
#pragma once

#include "media/h264.hpp"

#include <array>
#include <optional>

namespace rivulet::media {

namespace aac {

inline constexpr std::size_t adts_header_size = 7;
inline constexpr int samples_per_frame = 1024;

struct config_info {
    int object_type = 0; // 2 is LC; for HE-AAC that of the core
    int sample_rate = 0; // of the core
    int channels = 0;    // 0: defined in a program config element
    int rate_index = 0;
};

std::optional<config_info> parse_config(byte_span audio_specific_config);
std::vector<std::uint8_t> make_config(int object_type, int rate_index, int channels);
// Header in front of a raw frame of `frame_size` bytes; nothing when the frame or the format does
// not fit ADTS.
std::optional<std::array<std::uint8_t, adts_header_size>>
make_adts_header(const config_info& info, std::size_t frame_size);

struct adts_header {
    config_info info;
    std::size_t header_size = 0; // 7, or 9 with a checksum
    std::size_t frame_size = 0;  // header included
};

std::optional<adts_header> parse_adts(byte_span data);

} // namespace aac

namespace mpeg_audio {

struct header {
    int sample_rate = 0, channels = 0, samples = 0;
    std::size_t frame_size = 0;
};

std::optional<header> parse_header(byte_span data);

} // namespace mpeg_audio

namespace opus {

// Samples at 48 kHz in one packet; 0 for a malformed one.
int packet_samples(byte_span packet);

} // namespace opus

} // namespace rivulet::media
