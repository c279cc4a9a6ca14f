// Converts one audio track: AAC, MP3 (any layer of MPEG audio) or Opus into AAC or Opus at 48 kHz.
// RTMP carries no Opus, WebRTC no AAC, and nobody but broadcasters carries MPEG audio layer 2.
// Thread: any one at a time; well under a hundredth of a core per track.
// Fails with: unsupported for other codecs; media_error.
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <memory>
#include <vector>

namespace rivulet::media {

class audio_transcoder {
  public:
    static result<std::unique_ptr<audio_transcoder>> create(const audio_format& from, codec to);
    ~audio_transcoder();

    const audio_format& from() const;
    const audio_format& to() const;

    // Zero or more units. A jump of the input's clock shows in the output's. Damaged input is
    // skipped.
    std::vector<access_unit> convert(const access_unit& unit);

  private:
    struct impl;
    explicit audio_transcoder(std::unique_ptr<impl> impl);

    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::media
