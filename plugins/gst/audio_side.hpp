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

    bool has_sink() const { return sink_; }

    GstPad* sink() const { return sink_; }

    GstPad* src() const { return src_; }

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
    GstFlowReturn push(paced_frame frame);

    ai_link& link_;
    GstPad *sink_, *src_;

    // Upstream's thread.
    GstSegment segment_{};
    media::gst_ptr<GstCaps> input_caps_;
    bool input_encoded_ = false, input_adts_ = false;
    int input_rate_ = 48'000;
    std::optional<media::audio_format> sent_format_;
    std::unique_ptr<audio_encoder> encoder_;

    // With the link's lock.
    bool flushing_ = false, ended_ = false;
    audio_pacer pacer_;
    wait_point pace_point_;

    // Session's thread.
    std::unique_ptr<audio_decoder> decoder_;
    std::optional<media::audio_format> coded_format_;
    media::gst_ptr<GstCaps> coded_caps_; // set: downstream takes the units as they are

    std::unique_ptr<output_task> output_;
};

} // namespace rivulet::element
