// The converter of a feed's audio, once per feed: see media/audio_transcoder.hpp.
// Thread: the feed's shard.
#pragma once

#include "media/audio_transcoder.hpp"

namespace rivulet::egress {

using media::audio_transcoder;

} // namespace rivulet::egress
