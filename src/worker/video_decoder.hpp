// H.264 and H.265 access units in, pictures out, in the order of presentation and with the PTS of
// the units. One thread of its own makes: none; it decodes on the caller's.
// Thread: any one at a time.
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"
#include "media/av_ptr.hpp"

#include <functional>

namespace rivulet::worker {

using frame_ptr = media::av_ptr<AVFrame>;

class video_decoder {
  public:
    // Fails with unsupported for other codecs.
    static outcome<video_decoder> open(media::codec type, int width_limit, int height_limit);

    using frame_sink = std::function<void(frame_ptr)>;

    // One unit. Damaged data is media_error; the decoder goes on with the next unit. A unit with
    // pictures larger than the limit (upright or on its side) is too_large and never decoded.
    error_code decode(const media::access_unit& unit, const frame_sink& sink);
    // The pictures still held for reordering; the decoder is fresh afterwards.
    void drain(const frame_sink& sink);
    // Units were lost: nothing comes out until the next keyframe.
    void reset();

    media::codec type() const { return type_; }

  private:
    video_decoder() = default;

    error_code receive(const frame_sink& sink);

    media::codec type_ = media::codec::none;
    int width_limit_ = 0, height_limit_ = 0;
    media::av_ptr<AVCodecContext> context_;
    media::av_ptr<AVPacket> packet_;
};

} // namespace rivulet::worker
