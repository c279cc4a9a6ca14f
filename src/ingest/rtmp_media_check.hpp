// Whether a publisher sends what the pipeline can carry, and in time. Pure.
// Thread: one at a time.
#pragma once

#include "base/asio.hpp"
#include "media/flv_tag.hpp"

#include <optional>
#include <string>

namespace rivulet::ingest {

class rtmp_media_check {
  public:
    rtmp_media_check(
        duration no_media_limit,
        duration audio_only_limit,
        time_point now,
        duration no_picture_limit = std::chrono::seconds(15)
    )
        : no_media_limit_(no_media_limit), audio_only_limit_(audio_only_limit),
          no_picture_limit_(no_picture_limit), started_(now) {}

    // The text of a refusal, or nothing.
    std::optional<std::string>
    tag(media::flv_tag_type type, std::span<const std::uint8_t> body, time_point now);
    std::optional<std::string> tick(time_point now) const;

    // The pipeline made a picture of the video tags.
    void picture() { picture_seen_ = true; }

    // When tick() may have something to say.
    time_point deadline() const;

  private:
    duration no_media_limit_, audio_only_limit_, no_picture_limit_;
    time_point started_;
    std::optional<time_point> first_audio_, first_video_;
    bool picture_seen_ = false;
};

} // namespace rivulet::ingest
