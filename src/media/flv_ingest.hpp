// FLV tags of one publisher in, parsed access units out, through a GStreamer pipeline:
// appsrc ! flvdemux ! h264parse | aacparse ! appsink. No frame waits for the next.
// Video: H.264 Annex B, access-unit aligned, SPS and PPS in front of every IDR. Audio: AAC without
// ADTS, MP3. Times are the publisher's, unwrapped to 64 bits, in 90 kHz; jumps are carried through
// (see continuous_clock).
// Thread: construct, push_tag, end and destroy on one thread. Callbacks run on the pipeline's
// thread and should only post; none runs after the destructor has returned. Never destroy from a
// callback.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "media/access_unit.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace rivulet::media {

struct flv_ingest_options {
    std::size_t queue_bytes = 8u << 20; // not yet parsed; above it video is dropped to a keyframe
};

struct flv_ingest_events {
    // Before the first unit of a track, and again when its codec or parameters change.
    std::function<void(stream_format)> format;
    std::function<void(access_unit)> unit;
    // The pipeline can't go on; nothing follows. At most once.
    std::function<void(std::string)> error;
    // Everything pushed before end() was delivered. At most once.
    std::function<void()> ended;
};

enum class flv_push {
    accepted,
    dropped,     // the queue is full: video waits for the next keyframe
    unsupported, // a codec that this pipeline can't carry; the tag was ignored
    malformed,   // too short for what it claims to be; ignored
    closed       // after end() or an error
};

class flv_ingest {
  public:
    // Fails with media_error when GStreamer elements are missing.
    static outcome<std::unique_ptr<flv_ingest>>
    create(flv_ingest_events events, flv_ingest_options options, logger log);
    ~flv_ingest();
    flv_ingest(const flv_ingest&) = delete;
    flv_ingest& operator=(const flv_ingest&) = delete;

    // One RTMP message or FLV tag body: type 8 audio, 9 video, 18 data (ignored).
    flv_push
    push_tag(std::uint8_t type, std::uint32_t timestamp_ms, std::span<const std::uint8_t> body);
    // No tag follows; `ended` fires when all units are out.
    void end();

    std::uint64_t tags_dropped() const;

  private:
    struct impl;
    explicit flv_ingest(std::shared_ptr<impl> impl);

    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::media
