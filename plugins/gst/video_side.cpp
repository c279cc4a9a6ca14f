#include "video_side.hpp"

#include "audio_side.hpp"
#include "media/h264.hpp"

#include <algorithm>

#define GST_CAT_DEFAULT (rivulet::element::debug_category())

namespace rivulet::element {

using media::adopt;
using media::gst_ptr;

namespace {

// Behind the last deadline, for encoded output that still drains.
constexpr running_time drain_limit = std::chrono::seconds(2);
constexpr running_time decode_limit = std::chrono::milliseconds(200);

picture make_picture(GstBuffer* buffer, GstCaps* caps) {
    return picture(gst_sample_new(buffer, caps, nullptr, nullptr), &gst_sample_unref);
}

bool is_encoded(GstCaps* caps) {
    return gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-h264");
}

bool is_raw(GstCaps* caps) {
    return caps && gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
}

std::optional<running_time> running(const GstSegment& segment, GstClockTime at) {
    guint64 time = 0;
    if (!GST_CLOCK_TIME_IS_VALID(at) || segment.format != GST_FORMAT_TIME)
        return std::nullopt;
    const int sign = gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, at, &time);
    if (sign == 0)
        return std::nullopt;
    return running_time(sign * std::int64_t(time));
}

} // namespace

video_side::video_side(ai_link& link, GstPad* sink, GstPad* src)
    : link_(link), sink_(sink), src_(src),
      output_(
          link.element(),
          src,
          link.mutex,
          link.clock,
          {[this](running_time now) { return next(now); },
           [this](running_time now) { return finished(now); },
           [this](paced_frame frame) { return push(std::move(frame)); },
           [this](GstFlowReturn flow) { link_.report.output_broken(flow, refusal_); }}
      ) {}

video_side::~video_side() = default;

void video_side::start() {
    gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
    std::unique_lock lock(link_.mutex);
    flushing_ = ended_ = false;
    over_since_.reset();
    pacer_ = {};
    promise_ = {};
    delay_ = max_delay_ = {};
    encoder_dropped_ = 0;
    stalls_ = {};
}

void video_side::stop() {
    encoder_.reset();
    decoder_.reset();
    decoder_type_ = media::codec::none;
    health_.reset();
    input_caps_.reset();
    sent_format_.reset();
    entries_ = {};
    coded_format_.reset();
    negotiated_like_.reset();
    std::unique_lock lock(link_.mutex);
    pacer_.clear();
    shape_like_.reset();
    coded_caps_.reset();
}

void video_side::wake() {
    live_clock::wake(pace_point_);
    output_.wake();
}

void video_side::keyframe() {
    keyframe_wanted_ = true;
}

void video_side::activate(bool active) {
    std::unique_lock lock(link_.mutex);
    flushing_ = !active;
    wake();
}

video_stats video_side::stats() const {
    std::unique_lock lock(link_.mutex);
    return {pacer_.counters(), encoder_dropped_, delay_, max_delay_};
}

// ---- upstream's thread --------------------------------------------------------------------------

bool video_side::sink_event(gst_ptr<GstEvent> event) {
    switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_STREAM_START: {
        std::unique_lock lock(link_.mutex);
        output_.set_stream(event.get());
        return true;
    }
    case GST_EVENT_CAPS: {
        GstCaps* caps = nullptr;
        gst_event_parse_caps(event.get(), &caps);
        return set_caps(caps);
    }
    case GST_EVENT_SEGMENT: {
        gst_event_copy_segment(event.get(), &segment_);
        std::unique_lock lock(link_.mutex);
        output_.set_segment(event.get());
        if (auto side = link_.audio(); side && !side->has_sink() && side->output())
            side->output()->set_segment(event.get()); // sound of the video's own
        return true;
    }
    case GST_EVENT_FLUSH_START: {
        {
            std::unique_lock lock(link_.mutex);
            flushing_ = true;
            wake();
        }
        output_.flush_start(event.get());
        return true;
    }
    case GST_EVENT_FLUSH_STOP:
        flushed();
        output_.flush_stop(event.get());
        return true;
    case GST_EVENT_EOS: {
        {
            std::unique_lock lock(link_.mutex);
            ended_ = true;
            end_limit_ = link_.clock.now() + link_.max_latency() + drain_limit;
            pacer_.hold(*end_limit_);
            wake();
        }
        if (encoder_)
            encoder_->end(); // and its last unit is followed by input_ended()
        else
            link_.input_ended(media::track_kind::video);
        return true;
    }
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
        output_.queue_event(event.release());
        return true;
    default: // tags of the input's encoding, gaps and others say nothing of the output
        return true;
    }
}

void video_side::flushed() {
    encoder_.reset(); // with what waits in it
    entries_ = {};
    keyframe_wanted_ = true;
    gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
    {
        std::unique_lock lock(link_.mutex);
        flushing_ = ended_ = false;
        end_limit_.reset();
        over_since_.reset();
        pacer_.clear();
        promise_.reset();
        stalls_.flushed();
    }
    link_.input_restarted();
}

bool video_side::set_caps(GstCaps* caps) {
    const bool encoded = is_encoded(caps);
    int rate = 0, per = 0;
    if (!gst_structure_get_fraction(gst_caps_get_structure(caps, 0), "framerate", &rate, &per) ||
        rate <= 0 || per <= 0 || rate / per > fastest_rate) {
        rate = 0;
        per = 1;
    }
    if (!encoded) {
        GstVideoInfo info;
        if (!gst_video_info_from_caps(&info, caps))
            return false;
    }
    if (encoded != input_encoded_) {
        encoder_.reset();
        sent_format_.reset(); // what is sent begins anew, with a keyframe
        entries_ = {};
    }
    input_encoded_ = encoded;
    input_caps_ = media::retain(caps);
    frame_duration_ =
        rate > 0 ? running_time(gst_util_uint64_scale(GST_SECOND, guint64(per), guint64(rate)))
                 : running_time{};

    // Encoded out when downstream takes nothing else, or the input is and it may be.
    auto raw = adopt(gst_caps_new_empty_simple("video/x-raw"));
    auto coded = adopt(gst_caps_new_empty_simple("video/x-h264"));
    auto allowed = adopt(gst_pad_peer_query_caps(src_, nullptr));
    const bool takes_raw = gst_caps_can_intersect(allowed.get(), raw.get());
    const bool takes_coded = gst_caps_can_intersect(allowed.get(), coded.get());
    const bool coded_out = takes_coded && (!takes_raw || encoded);

    std::unique_lock lock(link_.mutex);
    if (output_encoded_.exchange(coded_out) != coded_out) {
        pacer_.change_format(coded_out);
        output_.wake();
    }
    rate_ = {rate, per};
    if (encoded) {
        shape_like_.reset();
    } else {
        shape_like_ = adopt(gst_caps_copy(caps));
        gst_caps_set_simple(shape_like_.get(), "format", G_TYPE_STRING, "I420", nullptr);
        GstStructure* said = gst_caps_get_structure(shape_like_.get(), 0);
        gst_structure_remove_fields(said, "colorimetry", "chroma-site", nullptr);
    }
    return true;
}

GstFlowReturn video_side::chain(gst_ptr<GstBuffer> buffer) {
    if (link_.failed())
        return GST_FLOW_ERROR;
    if (!input_caps_)
        return GST_FLOW_NOT_NEGOTIATED;
    if (segment_.format != GST_FORMAT_TIME) {
        link_.media_failed("The input has no times", "a TIME segment is needed");
        return GST_FLOW_ERROR;
    }
    const auto settings = link_.settings();
    std::int64_t stamp = 0;
    {
        std::unique_lock lock(link_.mutex);
        auto time = running(segment_, GST_BUFFER_PTS(buffer.get()));
        if (!GST_BUFFER_PTS_IS_VALID(buffer.get()))
            time = link_.clock.now();
        if (!time || time->count() < 0)
            return GST_FLOW_OK; // outside the segment
        const auto flow = link_.pace(lock, pace_point_, *time, flushing_);
        if (flow != GST_FLOW_OK)
            return flow;
        stamp = link_.stamp(*time);
        output_.entered(*time);
        if (auto side = link_.audio(); side && !side->has_sink() && side->output())
            side->output()->entered(*time);
        auto length = frame_duration_;
        if (GST_BUFFER_DURATION_IS_VALID(buffer.get()))
            length = running_time(GST_BUFFER_DURATION(buffer.get()));
        pacer_.configure({link_.max_latency(), settings.on_stall, output_encoded_});
        // Kept for as long as it may be shown.
        const bool keep = settings.on_stall == stall_policy::passthrough && !input_encoded_;
        pacer_.expect(
            stamp, *time, length, keep ? make_picture(buffer.get(), input_caps_.get()) : nullptr
        );
        output_.wake();
    }
    const auto flow =
        input_encoded_ ? send_encoded(buffer.get(), stamp) : encode(buffer.get(), stamp);
    return flow == GST_FLOW_OK ? output_.flow() : flow;
}

bool video_side::make_encoder() {
    encoding_events events;
    events.format = [this](const media::stream_format& format) { link_.input_format(format); };
    events.unit = [this](media::access_unit unit) { link_.input_unit(std::move(unit)); };
    events.error = [this](const std::string& why) {
        link_.media_failed("The video can't be encoded", why);
    };
    events.ended = [this] { link_.input_ended(media::track_kind::video); };
    applied_kbit_ = int(link_.settings().bitrate_kbit);
    auto made = video_encoder::create(applied_kbit_, std::move(events));
    if (!made) {
        link_.encoder_missing(made.error().detail);
        return false;
    }
    encoder_ = std::move(*made);
    GST_INFO_OBJECT(
        link_.element(),
        "stream %s: encoding with %s",
        link_.report.stream().c_str(),
        encoder_->element_name().c_str()
    );
    return true;
}

GstFlowReturn video_side::encode(GstBuffer* buffer, std::int64_t stamp) {
    if (!encoder_ && !make_encoder())
        return GST_FLOW_ERROR;
    const auto settings = link_.settings();
    if (int(settings.bitrate_kbit) != applied_kbit_) {
        applied_kbit_ = int(settings.bitrate_kbit);
        encoder_->set_bitrate(applied_kbit_);
    }
    if (keyframe_wanted_.exchange(false))
        encoder_->keyframe();
    const auto interval = std::chrono::milliseconds(settings.keyframe_interval_ms);
    if (!encoder_->push(buffer, input_caps_.get(), stamp, interval)) {
        std::unique_lock lock(link_.mutex);
        ++encoder_dropped_;
    }
    return GST_FLOW_OK;
}

GstFlowReturn video_side::send_encoded(GstBuffer* buffer, std::int64_t stamp) {
    if (keyframe_wanted_.exchange(false))
        gst_pad_push_event(
            sink_, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0)
        );
    media::access_unit unit;
    unit.data = media::map_buffer(buffer);
    if (unit.data.empty())
        return GST_FLOW_OK;
    unit.pts = unit.dts = stamp;
    if (const auto pts = running(segment_, GST_BUFFER_PTS(buffer)))
        if (const auto dts = running(segment_, GST_BUFFER_DTS(buffer)))
            unit.dts = stamp - std::max<std::int64_t>(to_ticks(*pts - *dts), 0);
    unit.keyframe = entries_(unit.data.view(), unit.dts);
    if (unit.keyframe) {
        if (auto format = h264_format(unit.data.view())) {
            if (format != sent_format_) {
                sent_format_ = format;
                media::stream_format whole;
                whole.video = std::move(format);
                link_.input_format(whole);
            }
        } else if (sent_format_) { // parameter sets go in front of every keyframe
            unit.data =
                media::h264::with_parameter_sets(unit.data, sent_format_->sps, sent_format_->pps);
        }
    }
    if (sent_format_)
        link_.input_unit(std::move(unit));
    return GST_FLOW_OK;
}

void video_side::propose_allocation(GstQuery* query) {
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
    const auto settings = link_.settings();
    GstCaps* caps = nullptr;
    gst_query_parse_allocation(query, &caps, nullptr);
    GstVideoInfo info;
    if (!caps || is_encoded(caps) || !gst_video_info_from_caps(&info, caps))
        return;
    // Passed through, pictures stay here for max-latency: upstream's pool must have as many.
    guint held = video_encoder::max_queued + 2;
    if (settings.on_stall == stall_policy::passthrough && GST_VIDEO_INFO_FPS_N(&info) > 0 &&
        GST_VIDEO_INFO_FPS_N(&info) / std::max(GST_VIDEO_INFO_FPS_D(&info), 1) <= fastest_rate)
        held += guint(gst_util_uint64_scale_int(
            settings.max_latency_ms,
            GST_VIDEO_INFO_FPS_N(&info),
            1'000 * std::max(GST_VIDEO_INFO_FPS_D(&info), 1)
        ));
    gst_query_add_allocation_pool(query, nullptr, guint(GST_VIDEO_INFO_SIZE(&info)), held, 0);
}

// ---- session's thread ---------------------------------------------------------------------------

void video_side::session_begins() {
    unit_seen_ = false;
}

void video_side::output_format(const media::video_format& format) {
    coded_format_ = format;
    std::unique_lock lock(link_.mutex);
    const char* name = format.type == media::codec::h265 ? "video/x-h265" : "video/x-h264";
    coded_caps_ = adopt(gst_caps_new_simple(
        name,
        "stream-format",
        G_TYPE_STRING,
        "byte-stream",
        "alignment",
        G_TYPE_STRING,
        "au",
        nullptr
    ));
    if (format.width > 0)
        gst_caps_set_simple(
            coded_caps_.get(),
            "width",
            G_TYPE_INT,
            format.width,
            "height",
            G_TYPE_INT,
            format.height,
            nullptr
        );
    if (rate_.first > 0)
        gst_caps_set_simple(
            coded_caps_.get(), "framerate", GST_TYPE_FRACTION, rate_.first, rate_.second, nullptr
        );
}

void video_side::output_unit(const media::access_unit& unit) {
    if (output_encoded_) {
        decoder_.reset(); // of before, when pictures were wanted
        unit_seen_ = unit_seen_ || unit.keyframe;
        if (!unit_seen_ || !coded_caps_)
            return;
        auto buffer = wrap(unit.data);
        if (!unit.keyframe)
            GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
        processed(
            unit.pts,
            true,
            make_picture(buffer.get(), coded_caps_.get()),
            to_time(unit.pts - unit.dts),
            {unit.data.size(), unit.keyframe}
        );
        return;
    }
    unit_seen_ = false;
    const auto type = coded_format_ ? coded_format_->type : media::codec::h264;
    if (!decoder_ || type != decoder_type_ || health_.take_broken()) {
        decoder_.reset();
        decoding_events events;
        events.sample = [this](std::int64_t stamp, GstSample* sample) {
            health_.gave();
            processed(stamp, false, picture(gst_sample_ref(sample), &gst_sample_unref), {});
        };
        events.error = [this](const std::string& why) {
            if (health_.failed())
                link_.media_failed("The processed video can't be decoded", why);
            else
                link_.media_stumbled("The processed video can't be decoded: " + why);
        };
        auto made = video_decoder::create(type, std::move(events));
        if (!made) {
            link_.encoder_missing(made.error().detail);
            return;
        }
        decoder_ = std::move(*made);
        decoder_type_ = type;
    }
    decoder_->push(unit);
}

// Also on the decoder's thread.
void video_side::processed(
    std::int64_t stamp, bool coded, picture content, running_time dts_ahead, unit_facts facts
) {
    std::optional<running_time> late;
    running_time promised{};
    {
        std::unique_lock lock(link_.mutex);
        const auto placed = link_.place(stamp);
        if (!placed || flushing_)
            return;
        if (coded != output_encoded_) { // it changed meanwhile
            pacer_.drop_one();
            return;
        }
        const auto now = link_.clock.now();
        const auto delay = pacer_.arrived(*placed, dts_ahead, std::move(content), now, facts);
        if (delay) {
            delay_ += (*delay - delay_) / 8;
            max_delay_ = std::max(max_delay_, *delay);
            promised = pacer_.settings().max_latency;
            if (promise_.saw(*delay, promised, now))
                late = delay;
        }
        output_.wake();
    }
    if (late)
        link_.report.late(*late, promised);
}

// ---- output task --------------------------------------------------------------------------------

frame_pacer::step video_side::next(running_time now) {
    // What came last may still be in the decoder.
    std::optional<running_time> decoded;
    if (ended_ && link_.output_over()) {
        over_since_ = over_since_.value_or(now);
        if (!output_encoded_ && now < *over_since_ + decode_limit)
            decoded = *over_since_ + decode_limit;
        else
            pacer_.no_more();
    }
    auto step = pacer_.next(now);
    for (const auto& limit : {end_limit_, decoded})
        if (!step.frame && ended_ && limit && now < *limit)
            step.wait_until = std::min(step.wait_until.value_or(*limit), *limit);
    return step;
}

bool video_side::finished(running_time now) {
    if (!ended_ || !pacer_.empty())
        return false;
    return !output_encoded_ || link_.output_over() || now >= *end_limit_;
}

GstFlowReturn video_side::push(paced_frame frame) {
    tell_stalls(frame);
    if (frame.what == paced_frame::kind::gap)
        return push_gap(frame);
    // As it is, whatever the output's format has become meanwhile.
    return is_raw(gst_sample_get_caps(frame.content.get())) ? push_picture(std::move(frame))
                                                            : push_unit(std::move(frame));
}

// In the format that is there; before there is one, in the one that comes. Pictures' caps are not
// agreed on anew when no picture follows: downstream may take units only by now.
GstFlowReturn video_side::push_gap(const paced_frame& frame) {
    gst_ptr<GstCaps> like, coded;
    if (negotiated_like_ && !output_encoded_) {
        like = media::retain(negotiated_like_.get());
    } else if (!output_.caps()) {
        std::unique_lock lock(link_.mutex);
        auto& from = output_encoded_ ? coded_caps_ : shape_like_;
        if (from)
            (output_encoded_ ? coded : like) = media::retain(from.get());
    }
    if (like && !negotiate(like.get()))
        return GST_FLOW_NOT_NEGOTIATED;
    if (coded)
        output_.set_caps(coded.get());
    return output_.push_gap(frame.time, frame.duration);
}

void video_side::tell_stalls(const paced_frame& frame) {
    const bool processed = frame.what == paced_frame::kind::processed;
    auto word = stall_watch::word::nothing;
    running_time lasted{};
    {
        std::unique_lock lock(link_.mutex);
        word = stalls_.saw(processed, frame.time, link_.clock.now());
        lasted = stalls_.lasted();
    }
    const auto ms = gint64(std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count());
    if (word == stall_watch::word::started)
        link_.report.status("started", nullptr);
    else if (word == stall_watch::word::resumed)
        link_.report.status("resumed", "after-ms", G_TYPE_INT64, ms, nullptr);
    else if (word == stall_watch::word::stall)
        link_.report.status(
            "stall",
            "running-time",
            G_TYPE_UINT64,
            guint64(frame.time.count()),
            "shows",
            G_TYPE_STRING,
            frame.what == paced_frame::kind::frozen     ? "frozen"
            : frame.what == paced_frame::kind::original ? "original"
                                                        : "gap",
            nullptr
        );
}

// Agrees on the output's caps, for pictures of these caps.
bool video_side::negotiate(GstCaps* like) {
    const bool again = gst_pad_check_reconfigure(src_);
    if (!again && negotiated_like_ && gst_caps_is_equal(negotiated_like_.get(), like))
        return true;
    auto wanted = adopt(gst_caps_copy(like));
    std::pair<int, int> rate;
    {
        std::unique_lock lock(link_.mutex);
        rate = rate_;
    }
    gst_caps_set_simple(
        wanted.get(), "framerate", GST_TYPE_FRACTION, rate.first, rate.second, nullptr
    );
    auto mask = adopt(gst_pad_get_pad_template_caps(src_));
    auto allowed = adopt(gst_pad_peer_query_caps(src_, mask.get()));
    auto raw = adopt(gst_caps_from_string("video/x-raw"));
    allowed = adopt(gst_caps_intersect_full(allowed.get(), raw.get(), GST_CAPS_INTERSECT_FIRST));
    auto chosen = picture_shape::choose(wanted.get(), allowed.get());
    if (!chosen || !shape_.set_output(chosen.get())) {
        GST_WARNING_OBJECT(
            src_,
            "stream %s: downstream takes none of %" GST_PTR_FORMAT,
            link_.report.stream().c_str(),
            static_cast<void*>(wanted.get())
        );
        auto text = adopt(gst_caps_to_string(wanted.get()));
        refusal_ = text.get();
        return false;
    }
    refusal_.clear();
    negotiated_like_ = media::retain(like);
    output_.set_caps(chosen.get());
    return true;
}

GstFlowReturn video_side::push_picture(paced_frame frame) {
    gst_ptr<GstCaps> like;
    if (frame.what == paced_frame::kind::processed || frame.what == paced_frame::kind::frozen)
        like = media::retain(gst_sample_get_caps(frame.content.get()));
    else if (!negotiated_like_) {
        std::unique_lock lock(link_.mutex);
        like = shape_like_ ? media::retain(shape_like_.get()) : nullptr;
    } else {
        like = media::retain(negotiated_like_.get());
    }
    if (like && !negotiate(like.get()))
        return GST_FLOW_NOT_NEGOTIATED;
    auto buffer = shape_.shape(frame.content.get());
    if (!buffer) {
        GST_WARNING_OBJECT(
            src_, "stream %s: a picture can't be converted", link_.report.stream().c_str()
        );
        return output_.push_gap(frame.time, frame.duration);
    }
    GST_BUFFER_PTS(buffer.get()) = GstClockTime(std::max<std::int64_t>(frame.time.count(), 0));
    GST_BUFFER_DTS(buffer.get()) = GST_CLOCK_TIME_NONE;
    GST_BUFFER_DURATION(buffer.get()) =
        frame.duration.count() > 0 ? GstClockTime(frame.duration.count()) : GST_CLOCK_TIME_NONE;
    GST_BUFFER_OFFSET(buffer.get()) = GST_BUFFER_OFFSET_END(buffer.get()) = GST_BUFFER_OFFSET_NONE;
    GST_BUFFER_FLAG_UNSET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
    return output_.push_buffer(std::move(buffer));
}

GstFlowReturn video_side::push_unit(paced_frame frame) {
    output_.set_caps(gst_sample_get_caps(frame.content.get()));
    negotiated_like_.reset(); // pictures that follow say their format again
    auto buffer = adopt(gst_buffer_copy(gst_sample_get_buffer(frame.content.get())));
    GST_BUFFER_PTS(buffer.get()) = GstClockTime(std::max<std::int64_t>(frame.time.count(), 0));
    GST_BUFFER_DTS(buffer.get()) =
        GstClockTime(std::max<std::int64_t>((frame.time - frame.dts_ahead).count(), 0));
    GST_BUFFER_DURATION(buffer.get()) =
        frame.duration.count() > 0 ? GstClockTime(frame.duration.count()) : GST_CLOCK_TIME_NONE;
    return output_.push_buffer(std::move(buffer));
}

} // namespace rivulet::element
