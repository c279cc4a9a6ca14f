// Builds FLV tag bodies and files from access units: Annex B becomes length-prefixed, parameter
// sets become the sequence header.
#pragma once

#include "media/access_unit.hpp"
#include "media/flv_tag.hpp"

#include <span>
#include <vector>

namespace rivulet::media {

// The sequence headers that go before the first frame. Fails with unsupported for codecs without a
// legacy FLV form, media_error without parameter sets.
result<bytes> flv_video_config(const video_format& format);
result<bytes> flv_audio_config(const audio_format& format);

// One H.264 frame. Parameter sets and delimiters are left out: they travel in the sequence header.
bytes flv_video_body(const access_unit& unit);
// One raw AAC frame, or one MP3 frame.
bytes flv_audio_body(const access_unit& unit, codec type = codec::aac);

// The 13 bytes that begin a .flv file, and a tag in a file's form (header, body, PreviousTagSize).
std::vector<std::uint8_t> flv_file_header();
void append_flv_tag(std::vector<std::uint8_t>& file, const flv_tag& tag);

} // namespace rivulet::media
