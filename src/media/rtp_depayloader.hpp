// RTP packets of one video track, in order, into whole encoded pictures: GStreamer's depayloader of
// the codec, driven by the caller's thread; no pipeline, no thread, nothing waits.
// Thread: one. Callbacks run inside push().
// Fails with unsupported when the codec has no depayloader here.
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace rivulet::media {

// True when elements to take the codec apart are installed; `decoder`: to decode it too.
bool can_depayload(codec type);
bool can_decode(codec type);

class rtp_depayloader {
  public:
    // The time given with the picture's packets; `keyframe` as the depayloader or the NAL units
    // say.
    using on_picture = std::function<void(std::int64_t time, bool keyframe, bytes data)>;

    // `parameters` is the fmtp of the track: "packetization-mode=1;sprop-parameter-sets=…".
    static outcome<std::unique_ptr<rtp_depayloader>>
    create(codec type, std::uint8_t payload_type, std::string_view parameters, on_picture picture);
    ~rtp_depayloader();
    rtp_depayloader(const rtp_depayloader&) = delete;
    rtp_depayloader& operator=(const rtp_depayloader&) = delete;

    // `time`: 90 kHz, not negative. `gap`: packets in front of this one are lost.
    void push(std::span<const std::uint8_t> packet, std::int64_t time, bool gap);

  private:
    struct impl;
    explicit rtp_depayloader(std::unique_ptr<impl> impl);

    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::media
