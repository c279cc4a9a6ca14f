// The task of a source pad: asks what leaves next, waits for its time, pushes it. Begins the stream
// (stream-start, caps, segment), carries other events in front of the next buffer, ends it.
// Thread: the task is the pad's own; the rest from any, the lock as said.
#pragma once

#include "live_clock.hpp"
#include "media/gst_ptr.hpp"

#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace rivulet::element {

struct output_hooks {
    // With the lock held.
    std::function<frame_pacer::step(running_time now)> next;
    std::function<bool(running_time now)> finished; // nothing open: the end may leave
    // Without it, on the task's thread.
    std::function<GstFlowReturn(paced_frame)> push;
    std::function<void(GstFlowReturn)> failed; // nothing leaves any more: for the bus
};

// As it is told downstream.
struct stream_segment {
    GstSegment segment{};
    guint32 seqnum = GST_SEQNUM_INVALID;
    std::optional<running_time> from; // its first input's time; none: there was no input yet
};

class output_task {
  public:
    // `lock` and `clock` outlive the task.
    output_task(
        GstElement* element, GstPad* pad, std::mutex& lock, live_clock& clock, output_hooks hooks
    );
    ~output_task();

    // The pad's (de)activation.
    bool start();
    bool stop();
    // A flush, from the sink's thread; the events are borrowed, and go on as they are.
    void flush_start(GstEvent* event);
    void flush_stop(GstEvent* event);

    // With the lock held.
    void wake() { live_clock::wake(point_); }

    // As upstream's stream-start says; without it the stream gets names of its own.
    void set_stream(GstEvent* start);

    // Upstream's segment: ours and the end carry its number, so that a seek is known by it. Ours
    // leaves in front of what comes of the first input in it.
    void set_segment(GstEvent* event);
    void entered(running_time input);

    // Nothing more leaves, the end of the stream apart.
    void abandon() { abandoned_ = true; }

    // Without the lock.
    void queue_event(GstEvent* event); // taken
    GstFlowReturn flow() const;        // of the last push

    // On the task's thread.
    void set_caps(GstCaps* caps); // a change is told downstream

    GstCaps* caps() const { return caps_.get(); }

    // Nothing before the first caps: sinks take a gap without a format for an error.
    GstFlowReturn push_gap(running_time time, running_time length);
    GstFlowReturn push_buffer(media::gst_ptr<GstBuffer> buffer);

  private:
    static void run(gpointer data);
    void once();
    // What must be told before anything of this time leaves; without one, all.
    void begin(std::optional<running_time> time);
    GstEvent* numbered(GstEvent* event);
    void after(GstFlowReturn flow);

    GstElement* element_;
    GstPad* pad_;
    std::mutex& mutex_;
    live_clock& clock_;
    output_hooks hooks_;

    // With the lock.
    wait_point point_;
    bool stopped_ = true, flushing_ = false, abandoned_ = false;
    std::vector<media::gst_ptr<GstEvent>> events_;
    guint group_ = GST_GROUP_ID_INVALID;
    std::string stream_id_;
    guint32 seqnum_ = GST_SEQNUM_INVALID;
    std::deque<stream_segment> segments_; // not told yet
    stream_segment segment_;              // told
    bool need_segment_ = true;
    std::atomic<GstFlowReturn> flow_{GST_FLOW_OK};

    // The task's.
    bool began_ = false;
    media::gst_ptr<GstCaps> caps_;
};

} // namespace rivulet::element
