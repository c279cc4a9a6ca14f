// Enhanced RTMP tags of the codecs that plain RTMP has too, in their plain form. Pure.
#pragma once

#include "base/bytes.hpp"
#include "media/flv_tag.hpp"

#include <optional>

namespace rivulet::ingest {

// The body as older encoders send it: avc1, mp4a and .mp3 tags are rewritten, plain tags come back
// as they are. Nothing for a tag that carries no media (metadata, channel maps) or another codec.
std::optional<bytes> legacy_tag(media::flv_tag_type type, const bytes& body);

// Several tracks in one tag (Enhanced RTMP v2), which is not carried.
bool is_multitrack(media::flv_tag_type type, std::span<const std::uint8_t> body);

} // namespace rivulet::ingest
