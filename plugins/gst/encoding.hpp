// Raw pictures and sound become the units that the gateway takes: H.264 without reordering, AAC.
// Never waits: pictures that the encoder has no time for are dropped and counted.
// Thread: create, push, end and destroy by the owner, one at a time; keyframe() and set_bitrate()
// from any; callbacks on the encoder's own thread, none after the destructor.
// Fails with: unsupported (no encoder is installed), media_error.
#pragma once

#include "inner_chain.hpp"
#include "stamp_match.hpp"

#include <gst/video/video.h>

#include <atomic>
#include <functional>

namespace rivulet::element {

struct encoding_events {
    // Before the first unit and whenever it changes.
    std::function<void(const media::stream_format&)> format; // of this track
    std::function<void(media::access_unit)> unit;
    std::function<void(const std::string&)> error;
    std::function<void()> ended;
};

// A declared rate above it is a clock's (1000/1 in WebM) and not of pictures: no rate is known
// then.
constexpr int fastest_rate = 240;

class video_encoder {
  public:
    // Pictures that wait for the encoder.
    static constexpr std::size_t max_queued = 4;

    static outcome<std::unique_ptr<video_encoder>> create(int kbit, encoding_events events);
    ~video_encoder();

    // False: dropped. `buffer` is borrowed; `interval`: a keyframe at least so often.
    bool
    push(GstBuffer* buffer, GstCaps* caps, std::int64_t stamp, std::chrono::nanoseconds interval);

    void keyframe() { keyframe_wanted_ = true; }

    void set_bitrate(int kbit);

    void end() { chain_->end(); }

    const std::string& element_name() const { return name_; }

  private:
    struct learner;

    video_encoder() = default;
    void configure(int kbit);

    media::gst_ptr<GstElement> encoder_;
    std::string name_;
    std::shared_ptr<learner> learner_;
    std::atomic<bool> keyframe_wanted_{true};
    std::optional<std::int64_t> last_keyframe_;
    int kbit_ = 0;
    std::unique_ptr<inner_chain> chain_; // first to go
};

class audio_encoder {
  public:
    static constexpr std::size_t max_queued = 200;

    static outcome<std::unique_ptr<audio_encoder>> create(encoding_events events);

    bool push(GstBuffer* buffer, GstCaps* caps, std::int64_t stamp);

    void end() { chain_->end(); }

  private:
    audio_encoder() = default;

    std::unique_ptr<inner_chain> chain_;
};

// What the muxer must know of an H.264 unit that carries its parameter sets; nothing when it has
// none.
std::optional<media::video_format> h264_format(std::span<const std::uint8_t> annexb);
// The same of caps audio/mpeg,mpegversion=4 with codec_data.
std::optional<media::audio_format> audio_format_of(GstCaps* caps);

} // namespace rivulet::element
