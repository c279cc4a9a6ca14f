// The video pads: raw pictures or H.264 in, the processed ones out in the same running time.
// Thread: chain and sink events on the upstream's thread; output on the source pad's task; units
// and formats on the session's thread. Owns: encoder, decoder, the pacing, the source pad's task.
#pragma once

#include "ai_link.hpp"
#include "decoding.hpp"
#include "encoding.hpp"
#include "media/entry_points.hpp"
#include "output_task.hpp"
#include "picture_shape.hpp"
#include "stall_watch.hpp"

namespace rivulet::element {

struct video_stats {
    pacing_counters pacing;
    std::uint64_t encoder_dropped = 0;
    running_time delay{}, max_delay{};
};

class video_side {
  public:
    video_side(ai_link& link, GstPad* sink, GstPad* src);
    ~video_side();

    // State changes: start before the pads are active, stop after they are not.
    void start();
    void stop();

    GstFlowReturn chain(media::gst_ptr<GstBuffer> buffer);
    bool sink_event(media::gst_ptr<GstEvent> event);
    void propose_allocation(GstQuery* query);
    void keyframe();
    // The sink pad's (de)activation: what waits there ends.
    void activate(bool active);

    // The session's thread.
    void output_format(const media::video_format& format);
    void output_unit(const media::access_unit& unit);
    void session_begins();

    // With the link's lock.
    void wake();

    output_task& output() { return output_; }

    video_stats stats() const; // takes the link's lock

  private:
    bool set_caps(GstCaps* caps);
    GstFlowReturn encode(GstBuffer* buffer, std::int64_t stamp);
    GstFlowReturn send_encoded(GstBuffer* buffer, std::int64_t stamp);
    bool make_encoder();
    void flushed();
    void processed(
        std::int64_t stamp,
        bool coded,
        picture content,
        running_time dts_ahead,
        unit_facts facts = {}
    );

    // Output, on its task.
    frame_pacer::step next(running_time now);
    bool finished(running_time now);
    GstFlowReturn push(paced_frame frame);
    GstFlowReturn push_gap(const paced_frame& frame);
    GstFlowReturn push_picture(paced_frame frame);
    GstFlowReturn push_unit(paced_frame frame);
    bool negotiate(GstCaps* like);
    void tell_stalls(const paced_frame& frame);

    ai_link& link_;
    GstPad *sink_, *src_;

    // Upstream's thread.
    GstSegment segment_{};
    media::gst_ptr<GstCaps> input_caps_;
    running_time frame_duration_{};
    bool input_encoded_ = false;
    std::optional<media::video_format> sent_format_;
    media::entry_points entries_; // of coded input
    std::unique_ptr<video_encoder> encoder_;
    int applied_kbit_ = 0;
    std::atomic<bool> keyframe_wanted_{false};
    std::atomic<bool> output_encoded_{false}; // changes with the link's lock

    // With the link's lock.
    bool flushing_ = false, ended_ = false;
    std::optional<running_time> end_limit_;
    std::optional<running_time> over_since_; // the output
    frame_pacer pacer_;
    wait_point pace_point_;
    promise_watch promise_;
    running_time delay_{}, max_delay_{};
    std::uint64_t encoder_dropped_ = 0;
    stall_watch stalls_;
    media::gst_ptr<GstCaps> shape_like_; // input caps, for a picture before the first processed one
    std::pair<int, int> rate_{0, 1};

    // Session's thread.
    decoder_health health_; // any thread
    std::unique_ptr<video_decoder> decoder_;
    media::codec decoder_type_ = media::codec::none;
    bool unit_seen_ = false;
    std::optional<media::video_format> coded_format_;
    media::gst_ptr<GstCaps> coded_caps_; // with the link's lock

    // Output task.
    picture_shape shape_;
    media::gst_ptr<GstCaps> negotiated_like_;
    std::string refusal_; // the caps that downstream took none of

    output_task output_;
};

} // namespace rivulet::element
