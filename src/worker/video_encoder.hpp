// Pictures in, H.264 access units out at once: libx264 tuned for no delay, no B-frames, an IDR
// exactly where one is asked for (and as the first picture), parameter sets in band.
// Thread: any one at a time.
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"
#include "worker/video_filter.hpp"

#include <functional>

namespace rivulet::worker {

struct encoder_options {
    const char* preset = nullptr; // null: "superfast" up to 720p, "ultrafast" above
    int quality = 23;             // constant rate factor, under a cap that follows the size
    int frame_rate_hint = 30;
};

class video_encoder {
  public:
    // For pictures like `example`: its size, sample aspect and colours.
    static outcome<video_encoder> open(const AVFrame& example, const encoder_options& options = {});

    using unit_sink = std::function<void(media::access_unit)>;

    // PTS must rise from picture to picture.
    error_code encode(frame_ptr frame, bool force_idr, const unit_sink& sink);

  private:
    video_encoder() = default;

    media::av_ptr<AVCodecContext> context_;
    media::av_ptr<AVPacket> packet_;
};

} // namespace rivulet::worker
