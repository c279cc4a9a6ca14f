// Video of any codec that GStreamer decodes, into H.264 that every orchestrator and browser takes:
// no B-frames, constrained baseline, one unit per frame with the input's PTS, a keyframe at least
// every `keyframe_interval` and when asked. Makes what VP8, VP9, H.265 publishers and viewers of
// B-frame streams need, once per stream. Keeps real time: when behind, frames are dropped before
// the encoder and counted.
// Thread: construct, push, request_keyframe and destroy on one thread. Callbacks run on the
// pipeline's thread and should only post; none runs after the destructor has returned.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "media/access_unit.hpp"

#include <functional>
#include <memory>
#include <string>

namespace rivulet::media {

struct video_transcoder_options {
    int bitrate_kbit = 0; // 0: by size and rate (about 2.5 Mbit/s at 720p30)
    duration keyframe_interval = std::chrono::seconds(2);
    std::size_t queue_bytes = 8u << 20; // not yet decoded; above it input drops to a keyframe
};

struct video_transcoder_events {
    std::function<void(video_format)> format; // before the first unit, and when the size changes
    std::function<void(access_unit)> unit;    // Annex B, SPS and PPS in front of every IDR
    std::function<void(std::string)> error;   // it can't go on; nothing follows. At most once
};

struct video_transcoder_stats {
    std::uint64_t frames_in = 0, frames_out = 0, dropped = 0;
    double cpu_seconds = 0; // of its own threads, where the system tells; else 0
};

class video_transcoder {
  public:
    // Fails with unsupported when no decoder for `input` is installed.
    static outcome<std::unique_ptr<video_transcoder>> create(
        const video_format& input,
        video_transcoder_events events,
        video_transcoder_options options,
        logger log
    );
    ~video_transcoder();
    video_transcoder(const video_transcoder&) = delete;
    video_transcoder& operator=(const video_transcoder&) = delete;

    // Units of the codec given at creation, in decoding order.
    void push(const access_unit& unit);
    void request_keyframe();
    video_transcoder_stats stats() const;

  private:
    struct impl;
    explicit video_transcoder(std::shared_ptr<impl> impl);

    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::media
