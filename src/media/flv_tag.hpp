// FLV tags: the frames of RTMP and of .flv files. Reading only; flv_write.hpp builds them.
// Fails with: media_error for what cannot be a tag.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rivulet::media {

enum class flv_tag_type : std::uint8_t { audio = 8, video = 9, script = 18 };

struct flv_tag {
    flv_tag_type type = flv_tag_type::script;
    std::int64_t timestamp = 0; // milliseconds; unwrapped where the reader could
    bytes body;                 // starts with the codec byte, as in an RTMP message
};

enum class flv_packet { sequence_header, frame, end_of_sequence, other };

struct flv_video_header {
    codec type = codec::none; // none: a codec that has no name here, see `name`
    std::string name;         // for people: "H.264", "HEVC (hvc1)", "codec 2"
    bool enhanced = false;    // an Enhanced RTMP FourCC tag
    bool keyframe = false;
    flv_packet packet = flv_packet::frame;
    std::int32_t composition_time = 0; // milliseconds, pts - dts
    std::size_t header_bytes = 0;      // the payload follows
};

struct flv_audio_header {
    codec type = codec::none;
    std::string name;
    bool enhanced = false;
    flv_packet packet = flv_packet::frame;
    std::size_t header_bytes = 0;
};

result<flv_video_header> parse_flv_video(std::span<const std::uint8_t> body);
result<flv_audio_header> parse_flv_audio(std::span<const std::uint8_t> body);

// The tags of a whole .flv file. A cut-off last tag is left out. Fails with media_error.
result<std::vector<flv_tag>> parse_flv_file(std::span<const std::uint8_t> file);

} // namespace rivulet::media
