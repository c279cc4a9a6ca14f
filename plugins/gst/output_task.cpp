#include "output_task.hpp"

#include "output_segment.hpp"

namespace rivulet::element {

namespace {

// Times that come back are rounded.
constexpr running_time rounding = std::chrono::milliseconds(1);

} // namespace

output_task::output_task(
    GstElement* element, GstPad* pad, std::mutex& lock, live_clock& clock, output_hooks hooks
)
    : element_(element), pad_(pad), mutex_(lock), clock_(clock), hooks_(std::move(hooks)) {}

output_task::~output_task() = default;

bool output_task::start() {
    {
        std::unique_lock lock(mutex_);
        stopped_ = flushing_ = abandoned_ = false;
        began_ = false;
        need_segment_ = true;
        caps_.reset();
        seqnum_ = GST_SEQNUM_INVALID;
        segments_.clear();
        segment_ = {};
        gst_segment_init(&segment_.segment, GST_FORMAT_TIME);
        events_.clear();
        flow_ = GST_FLOW_OK;
    }
    return gst_pad_start_task(pad_, &output_task::run, this, nullptr);
}

bool output_task::stop() {
    {
        std::unique_lock lock(mutex_);
        stopped_ = true;
        flow_ = GST_FLOW_FLUSHING;
        wake();
    }
    return gst_pad_stop_task(pad_);
}

void output_task::flush_start(GstEvent* event) {
    {
        std::unique_lock lock(mutex_);
        flushing_ = true;
        flow_ = GST_FLOW_FLUSHING;
        wake();
    }
    gst_pad_push_event(pad_, gst_event_ref(event));
    gst_pad_pause_task(pad_);
}

void output_task::flush_stop(GstEvent* event) {
    gst_pad_push_event(pad_, gst_event_ref(event));
    {
        std::unique_lock lock(mutex_);
        if (stopped_)
            return;
        flushing_ = abandoned_ = false;
        flow_ = GST_FLOW_OK;
        need_segment_ = true;
        segments_.clear();
        events_.clear();
    }
    gst_pad_start_task(pad_, &output_task::run, this, nullptr);
}

void output_task::set_stream(GstEvent* start) {
    const gchar* id = nullptr;
    gst_event_parse_stream_start(start, &id);
    gst_event_parse_group_id(start, &group_);
    stream_id_ = id ? id : "";
}

void output_task::set_segment(GstEvent* event) {
    seqnum_ = gst_event_get_seqnum(event);
    if (!segments_.empty() && !segments_.back().from) // nothing was in it
        segments_.pop_back();
    const GstSegment* input = nullptr;
    gst_event_parse_segment(event, &input);
    segments_.push_back({output_segment(*input), seqnum_, std::nullopt});
}

void output_task::entered(running_time input) {
    if (!segments_.empty() && !segments_.back().from)
        segments_.back().from = input;
}

void output_task::queue_event(GstEvent* event) {
    std::unique_lock lock(mutex_);
    events_.push_back(media::adopt(event));
}

GstFlowReturn output_task::flow() const {
    return flow_;
}

void output_task::run(gpointer data) {
    static_cast<output_task*>(data)->once();
}

void output_task::once() {
    std::unique_lock lock(mutex_);
    if (stopped_ || flushing_) {
        gst_pad_pause_task(pad_);
        return;
    }
    if (!clock_.playing()) {
        clock_.wait(lock, point_, std::nullopt);
        return;
    }
    const auto now = clock_.now();
    frame_pacer::step step;
    if (!abandoned_)
        step = hooks_.next(now);
    if (step.frame) {
        lock.unlock();
        after(hooks_.push(std::move(*step.frame)));
        return;
    }
    if (abandoned_ || hooks_.finished(now)) {
        lock.unlock();
        begin(std::nullopt);
        gst_pad_push_event(pad_, numbered(gst_event_new_eos()));
        after(GST_FLOW_EOS);
        return;
    }
    clock_.wait(lock, point_, step.wait_until);
}

void output_task::after(GstFlowReturn flow) {
    const bool failed = flow == GST_FLOW_NOT_LINKED || flow <= GST_FLOW_NOT_NEGOTIATED;
    {
        std::unique_lock lock(mutex_);
        if (stopped_ || flushing_)
            return;
    }
    // Before upstream sees it, which can say less; and it may be at its end and see nothing.
    if (failed)
        hooks_.failed(flow);
    {
        std::unique_lock lock(mutex_);
        if (stopped_ || flushing_)
            return;
        flow_ = flow;
        if (flow != GST_FLOW_OK)
            gst_pad_pause_task(pad_);
    }
    if (failed) {
        begin(std::nullopt);
        gst_pad_push_event(pad_, numbered(gst_event_new_eos()));
    }
}

GstEvent* output_task::numbered(GstEvent* event) {
    std::unique_lock lock(mutex_);
    if (seqnum_ != GST_SEQNUM_INVALID)
        gst_event_set_seqnum(event, seqnum_);
    return event;
}

void output_task::begin(std::optional<running_time> time) {
    std::vector<media::gst_ptr<GstEvent>> events;
    guint group = GST_GROUP_ID_INVALID;
    std::string id;
    bool tell_segment = false;
    stream_segment segment;
    {
        std::unique_lock lock(mutex_);
        events.swap(events_);
        group = group_;
        id = stream_id_;
        while (!segments_.empty()) {
            const auto& next = segments_.front();
            if (time && !need_segment_ && (!next.from || *next.from > *time + rounding))
                break;
            segment_ = next;
            segments_.pop_front();
            tell_segment = true;
            need_segment_ = false;
        }
        tell_segment = std::exchange(need_segment_, false) || tell_segment;
        segment = segment_;
    }
    if (!began_) {
        began_ = true;
        if (id.empty())
            id = std::to_string(g_random_int()) + std::to_string(g_random_int());
        GstEvent* start = gst_event_new_stream_start((id + "/" + GST_PAD_NAME(pad_)).c_str());
        gst_event_set_group_id(
            start, group == GST_GROUP_ID_INVALID ? gst_util_group_id_next() : group
        );
        gst_pad_push_event(pad_, start);
        if (caps_)
            gst_pad_push_event(pad_, gst_event_new_caps(caps_.get()));
    }
    if (tell_segment) {
        GstEvent* event = gst_event_new_segment(&segment.segment);
        if (segment.seqnum != GST_SEQNUM_INVALID)
            gst_event_set_seqnum(event, segment.seqnum);
        gst_pad_push_event(pad_, event);
    }
    for (auto& event : events)
        gst_pad_push_event(pad_, event.release());
}

void output_task::set_caps(GstCaps* caps) {
    if (caps_ && gst_caps_is_equal(caps_.get(), caps))
        return;
    caps_ = media::retain(caps);
    if (began_)
        gst_pad_push_event(pad_, gst_event_new_caps(caps));
}

GstFlowReturn output_task::push_gap(running_time time, running_time length) {
    if (!caps_)
        return GST_FLOW_OK;
    begin(time);
    gst_pad_push_event(
        pad_,
        gst_event_new_gap(
            GstClockTime(std::max<std::int64_t>(time.count(), 0)),
            length.count() > 0 ? GstClockTime(length.count()) : GST_CLOCK_TIME_NONE
        )
    );
    return GST_FLOW_OK;
}

GstFlowReturn output_task::push_buffer(media::gst_ptr<GstBuffer> buffer) {
    begin(running_time(GST_BUFFER_PTS(buffer.get())));
    return gst_pad_push(pad_, buffer.release());
}

} // namespace rivulet::element
