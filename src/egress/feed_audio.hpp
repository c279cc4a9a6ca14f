// Converts one audio track between AAC and Opus, once per feed: RTMP carries no Opus, WebRTC no
// AAC. Thread: any one at a time; runs on the feed's shard, at well under a hundredth of a core per
// track. Fails with: unsupported for codecs other than AAC, MP3 and Opus; media_error.
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <memory>
#include <vector>

namespace rivulet::egress {

class audio_transcoder {
  public:
    static result<std::unique_ptr<audio_transcoder>>
    create(const media::audio_format& from, media::codec to);
    ~audio_transcoder();

    const media::audio_format& from() const;
    const media::audio_format& to() const;

    // Zero or more units. A jump of the input's clock shows in the output's. Damaged input is
    // skipped.
    std::vector<media::access_unit> convert(const media::access_unit& unit);

  private:
    struct impl;
    explicit audio_transcoder(std::unique_ptr<impl> impl);

    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::egress
