// The audio pads: raw sound or AAC in, what came back out, on the clock that the video is on.
// Either pad may be missing. Thread: as video_side. Owns: encoder, decoder, the pacing, the source
// pad's task.
#pragma once

#include "ai_link.hpp"
#include "audio_pacing.hpp"
#include "decoding.hpp"
#include "encoding.hpp"
#include "output_task.hpp"

namespace rivulet::element {

class audio_side {
  public:
    // Either pad may be null.
    audio_side(ai_link& link, GstPad* sink, GstPad* src);
    ~audio_side();

    bool has_sink() const { return sink_ && !sink_gone_; }

    // A pad that is released while the other one goes on: it is inactive already.
    void detach(GstPad* pad);
    // The sink pad's (de)activation: what waits there ends.
    void activate(bool active);

    void start();
    void stop();

    GstFlowReturn chain(media::gst_ptr<GstBuffer> buffer);
    bool sink_event(media::gst_ptr<GstEvent> event);

    // The session's thread.
    void output_format(const media::audio_format& format);
    void output_unit(const media::access_unit& unit);

    // With the link's lock.
    void wake();

    // Null without a source pad.
    output_task* output() { return output_.get(); }

    audio_counters stats() const; // takes the link's lock

  private:
    bool set_caps(GstCaps* caps);
    GstFlowReturn send(GstBuffer* buffer, std::int64_t stamp);
    void flushed();
    std::string raw_caps_downstream(const media::audio_format& format) const;
    void heard(std::int64_t stamp, running_time length, picture content);
    void negotiate_for_gap();
    GstFlowReturn push(paced_frame frame);

    ai_link& link_;
    const media::gst_ptr<GstPad> sink_, src_; // kept also when they are gone
    std::atomic<bool> sink_gone_{false}, src_gone_{false};

    // Upstream's thread.
    GstSegment segment_{};
    media::gst_ptr<GstCaps> input_caps_;
    bool input_encoded_ = false, input_adts_ = false;
    std::atomic<int> input_rate_{48'000}, input_channels_{2};
    std::optional<media::audio_format> sent_format_;
    std::unique_ptr<audio_encoder> encoder_;

    // With the link's lock.
    bool flushing_ = false, ended_ = false;
    audio_pacer pacer_;
    wait_point pace_point_;

    // Session's thread.
    decoder_health health_; // any thread
    std::unique_ptr<audio_decoder> decoder_;
    std::optional<media::audio_format> coded_format_;
    media::gst_ptr<GstCaps> coded_caps_; // set: downstream takes the units as they are

    std::unique_ptr<output_task> output_;
};

} // namespace rivulet::element
