// The units that come back become pictures and sound. Low delay: a picture leaves with its unit.
// Never waits: a decoder that is behind loses units up to a keyframe.
// Thread: create, push and destroy by the owner, one at a time; callbacks on the decoder's own
// thread, none after the destructor.
// Fails with: unsupported (no decoder for this codec is installed), media_error.
#pragma once

#include "inner_chain.hpp"

#include <atomic>
#include <functional>

namespace rivulet::element {

struct decoding_events {
    // Buffer and caps; the stamp that the unit had.
    std::function<void(std::int64_t stamp, GstSample*)> sample;
    std::function<void(const std::string&)> error;
};

// A decoder that fails is made anew and begins with a keyframe; when several in a row give nothing,
// it is over. Thread: any.
class decoder_health {
  public:
    static constexpr int patience = 5;

    // True: too often.
    bool failed() {
        broken_ = true;
        return ++in_a_row_ >= patience;
    }

    void gave() { in_a_row_ = 0; }

    // True once after a failure: throw the decoder away.
    bool take_broken() { return broken_.exchange(false); }

    void reset() {
        broken_ = false;
        in_a_row_ = 0;
    }

  private:
    std::atomic<bool> broken_{false};
    std::atomic<int> in_a_row_{0};
};

class video_decoder {
  public:
    static constexpr std::size_t max_queued = 90;

    static outcome<std::unique_ptr<video_decoder>>
    create(media::codec type, decoding_events events);

    // False: dropped.
    bool push(const media::access_unit& unit);

  private:
    video_decoder() = default;

    media::gst_ptr<GstCaps> caps_;
    bool wait_for_keyframe_ = true;
    std::unique_ptr<inner_chain> chain_;
};

class audio_decoder {
  public:
    static constexpr std::size_t max_queued = 200;

    // `wanted`: raw caps that come out.
    static outcome<std::unique_ptr<audio_decoder>>
    create(const media::audio_format& format, const std::string& wanted, decoding_events events);

    bool push(const media::access_unit& unit);

  private:
    audio_decoder() = default;

    media::gst_ptr<GstCaps> caps_;
    std::unique_ptr<inner_chain> chain_;
};

// Caps of such units: AAC raw with codec_data, Opus, MP3; null for another codec.
media::gst_ptr<GstCaps> audio_caps(const media::audio_format& format);

} // namespace rivulet::element
