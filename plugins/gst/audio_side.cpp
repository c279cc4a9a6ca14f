#include "audio_side.hpp"

#include "media/aac.hpp"

#include <gst/audio/audio.h>

#include <algorithm>

namespace rivulet::element {

using media::adopt;
using media::gst_ptr;

namespace {

std::optional<running_time> running(const GstSegment& segment, GstClockTime at) {
    guint64 time = 0;
    if (!GST_CLOCK_TIME_IS_VALID(at) || segment.format != GST_FORMAT_TIME)
        return std::nullopt;
    const int sign = gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, at, &time);
    if (sign == 0)
        return std::nullopt;
    return running_time(sign * std::int64_t(time));
}

running_time samples_time(std::uint64_t samples, int rate) {
    return running_time(rate > 0 ? gst_util_uint64_scale_int(samples, GST_SECOND, rate) : 0);
}

} // namespace

audio_side::audio_side(ai_link& link, GstPad* sink, GstPad* src)
    : link_(link), sink_(sink ? media::retain(sink) : nullptr),
      src_(src ? media::retain(src) : nullptr) {
    output_hooks hooks;
    hooks.next = [this](running_time now) {
        if (link_.output_over() && ended_)
            pacer_.no_more();
        pacer_.configure(link_.max_latency());
        return pacer_.next(now);
    };
    hooks.finished = [this](running_time) {
        return (ended_ || (!has_sink() && link_.output_over())) && pacer_.empty();
    };
    hooks.push = [this](paced_frame frame) { return push(std::move(frame)); };
    hooks.failed = [this](GstFlowReturn flow) {
        if (flow != GST_FLOW_NOT_LINKED) // nobody has to want the sound
            link_.report.output_broken(flow, {});
    };
    if (src_)
        output_ = std::make_unique<output_task>(
            link.element(), src_.get(), link.mutex, link.clock, std::move(hooks)
        );
}

audio_side::~audio_side() = default;

void audio_side::start() {
    gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
    std::unique_lock lock(link_.mutex);
    flushing_ = ended_ = false;
    pacer_ = {};
}

void audio_side::stop() {
    encoder_.reset();
    decoder_.reset();
    health_.reset();
    input_caps_.reset();
    coded_caps_.reset();
    coded_format_.reset();
    sent_format_.reset();
    std::unique_lock lock(link_.mutex);
    pacer_.clear();
}

void audio_side::activate(bool active) {
    std::unique_lock lock(link_.mutex);
    flushing_ = !active;
    wake();
}

void audio_side::detach(GstPad* pad) {
    if (pad == src_.get()) {
        src_gone_ = true;
        return;
    }
    if (pad != sink_.get() || sink_gone_.exchange(true))
        return;
    encoder_.reset();
    {
        std::unique_lock lock(link_.mutex);
        ended_ = true;
        flushing_ = false; // what is on its way still leaves
        wake();
    }
    link_.input_ended(media::track_kind::audio);
}

void audio_side::wake() {
    live_clock::wake(pace_point_);
    if (output_)
        output_->wake();
}

audio_counters audio_side::stats() const {
    std::unique_lock lock(link_.mutex);
    return pacer_.counters();
}

// ---- upstream's thread --------------------------------------------------------------------------

bool audio_side::sink_event(gst_ptr<GstEvent> event) {
    switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_STREAM_START: {
        std::unique_lock lock(link_.mutex);
        if (output_)
            output_->set_stream(event.get());
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
        if (output_)
            output_->set_segment(event.get());
        return true;
    }
    case GST_EVENT_FLUSH_START: {
        {
            std::unique_lock lock(link_.mutex);
            flushing_ = true;
            wake();
        }
        if (output_)
            output_->flush_start(event.get());
        return true;
    }
    case GST_EVENT_FLUSH_STOP:
        flushed();
        if (output_)
            output_->flush_stop(event.get());
        return true;
    case GST_EVENT_EOS: {
        {
            std::unique_lock lock(link_.mutex);
            ended_ = true;
            wake();
        }
        if (encoder_)
            encoder_->end();
        else
            link_.input_ended(media::track_kind::audio);
        return true;
    }
    default:
        return true;
    }
}

void audio_side::flushed() {
    encoder_.reset();
    gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
    {
        std::unique_lock lock(link_.mutex);
        flushing_ = ended_ = false;
        pacer_.clear();
    }
    link_.input_restarted();
}

bool audio_side::set_caps(GstCaps* caps) {
    const GstStructure* said = gst_caps_get_structure(caps, 0);
    input_encoded_ = gst_structure_has_name(said, "audio/mpeg");
    int rate = 0, channels = 0;
    if (!gst_structure_get_int(said, "rate", &rate) || rate <= 0)
        return false;
    input_rate_ = rate;
    if (gst_structure_get_int(said, "channels", &channels) && channels > 0)
        input_channels_ = channels;
    input_caps_ = media::retain(caps);
    input_adts_ = g_strcmp0(gst_structure_get_string(said, "stream-format"), "adts") == 0;
    if (!input_encoded_ || input_adts_)
        return true;
    auto format = audio_format_of(caps);
    if (!format)
        return false;
    if (format != sent_format_) {
        sent_format_ = format;
        media::stream_format whole;
        whole.audio = std::move(format);
        link_.input_format(whole);
    }
    return true;
}

GstFlowReturn audio_side::chain(gst_ptr<GstBuffer> buffer) {
    if (link_.failed())
        return GST_FLOW_ERROR;
    if (!input_caps_)
        return GST_FLOW_NOT_NEGOTIATED;
    const auto time = running(segment_, GST_BUFFER_PTS(buffer.get()));
    if (!time || time->count() < 0)
        return GST_FLOW_OK;
    std::int64_t stamp = 0;
    {
        std::unique_lock lock(link_.mutex);
        const auto flow = link_.pace(lock, pace_point_, *time, flushing_);
        if (flow != GST_FLOW_OK)
            return flow;
        auto length = samples_time(media::aac::samples_per_frame, input_rate_);
        if (GST_BUFFER_DURATION_IS_VALID(buffer.get()))
            length = running_time(GST_BUFFER_DURATION(buffer.get()));
        stamp = link_.stamp(*time);
        pacer_.expect(*time, *time + length);
        if (output_) {
            output_->entered(*time);
            output_->wake();
        }
    }
    const auto flow = send(buffer.get(), stamp);
    return flow == GST_FLOW_OK && output_ && !src_gone_ ? output_->flow() : flow;
}

GstFlowReturn audio_side::send(GstBuffer* buffer, std::int64_t stamp) {
    if (input_encoded_) {
        media::access_unit unit;
        unit.kind = media::track_kind::audio;
        unit.keyframe = true;
        unit.pts = unit.dts = stamp;
        unit.data = media::map_buffer(buffer);
        if (input_adts_) {
            const auto header = media::aac::parse_adts(unit.data.view());
            if (!header || header->frame_size > unit.data.size())
                return GST_FLOW_OK;
            media::audio_format format;
            format.type = media::codec::aac;
            format.sample_rate = header->info.sample_rate;
            format.channels = header->info.channels;
            format.config = media::aac::make_config(
                header->info.object_type, header->info.rate_index, header->info.channels
            );
            unit.data =
                unit.data.slice(header->header_size, header->frame_size - header->header_size);
            if (format != sent_format_) {
                sent_format_ = format;
                media::stream_format whole;
                whole.audio = std::move(format);
                link_.input_format(whole);
            }
        }
        link_.input_unit(std::move(unit));
        return GST_FLOW_OK;
    }
    if (!encoder_) {
        encoding_events events;
        events.format = [this](const media::stream_format& format) { link_.input_format(format); };
        events.unit = [this](media::access_unit unit) { link_.input_unit(std::move(unit)); };
        events.error = [this](const std::string& why) {
            link_.media_failed("The sound can't be encoded", why);
        };
        events.ended = [this] { link_.input_ended(media::track_kind::audio); };
        auto made = audio_encoder::create(std::move(events));
        if (!made) {
            link_.encoder_missing(made.error().detail);
            return GST_FLOW_ERROR;
        }
        encoder_ = std::move(*made);
    }
    encoder_->push(buffer, input_caps_.get(), stamp);
    return GST_FLOW_OK;
}

// ---- session's thread ---------------------------------------------------------------------------

std::string audio_side::raw_caps_downstream(const media::audio_format& format) const {
    auto wanted = adopt(gst_caps_new_simple(
        "audio/x-raw",
        "format",
        G_TYPE_STRING,
        GST_AUDIO_NE(S16),
        "layout",
        G_TYPE_STRING,
        "interleaved",
        "rate",
        G_TYPE_INT,
        format.sample_rate > 0 ? format.sample_rate : 48'000,
        "channels",
        G_TYPE_INT,
        format.channels > 0 ? format.channels : 2,
        nullptr
    ));
    auto mask = adopt(gst_caps_from_string("audio/x-raw,layout=interleaved"));
    auto allowed = adopt(gst_pad_peer_query_caps(src_.get(), mask.get()));
    auto both = adopt(gst_caps_intersect(wanted.get(), allowed.get()));
    GstCaps* chosen = nullptr;
    if (!gst_caps_is_empty(both.get())) {
        chosen = gst_caps_copy(both.get());
    } else if (!gst_caps_is_empty(allowed.get())) {
        chosen = gst_caps_truncate(gst_caps_copy(allowed.get()));
        GstStructure* said = gst_caps_get_structure(chosen, 0);
        int rate = 48'000, channels = 2;
        gst_structure_get_int(gst_caps_get_structure(wanted.get(), 0), "rate", &rate);
        gst_structure_get_int(gst_caps_get_structure(wanted.get(), 0), "channels", &channels);
        for (const auto& [field, value] :
             {std::pair("rate", rate), std::pair("channels", channels)})
            if (gst_structure_has_field(said, field))
                gst_structure_fixate_field_nearest_int(said, field, value);
            else
                gst_structure_set(said, field, G_TYPE_INT, value, nullptr);
    } else {
        return "audio/x-raw";
    }
    auto fixed = adopt(gst_caps_fixate(chosen));
    auto text = adopt(gst_caps_to_string(fixed.get()));
    return text.get();
}

void audio_side::output_format(const media::audio_format& format) {
    if (!src_ || src_gone_ || coded_format_ == format)
        return;
    coded_format_ = format;
    decoder_.reset();
    auto coded = audio_caps(format);
    coded_caps_.reset();
    auto allowed = adopt(gst_pad_peer_query_caps(src_.get(), nullptr));
    auto raw = adopt(gst_caps_new_empty_simple("audio/x-raw"));
    if (coded && format.type == media::codec::aac &&
        gst_caps_can_intersect(allowed.get(), coded.get()) &&
        !gst_caps_can_intersect(allowed.get(), raw.get()))
        coded_caps_ = std::move(coded);
}

void audio_side::output_unit(const media::access_unit& unit) {
    if (!src_ || src_gone_ || !coded_format_ || coded_format_->sample_rate <= 0)
        return;
    if (coded_caps_) {
        auto buffer = wrap(unit.data);
        const auto length = samples_time(media::aac::samples_per_frame, coded_format_->sample_rate);
        heard(
            unit.pts,
            length,
            picture(
                gst_sample_new(buffer.get(), coded_caps_.get(), nullptr, nullptr), &gst_sample_unref
            )
        );
        return;
    }
    if (health_.take_broken())
        decoder_.reset();
    if (!decoder_) {
        decoding_events events;
        events.sample = [this](std::int64_t stamp, GstSample* sample) {
            health_.gave();
            GstBuffer* buffer = gst_sample_get_buffer(sample);
            const auto length = GST_BUFFER_DURATION_IS_VALID(buffer)
                                    ? running_time(GST_BUFFER_DURATION(buffer))
                                    : running_time{};
            heard(stamp, length, picture(gst_sample_ref(sample), &gst_sample_unref));
        };
        events.error = [this](const std::string& why) {
            if (health_.failed())
                link_.media_failed("The processed sound can't be decoded", why);
            else
                link_.media_stumbled("The processed sound can't be decoded: " + why);
        };
        auto made = audio_decoder::create(
            *coded_format_, raw_caps_downstream(*coded_format_), std::move(events)
        );
        if (!made) {
            link_.encoder_missing(made.error().detail);
            return;
        }
        decoder_ = std::move(*made);
    }
    decoder_->push(unit);
}

// Also on the decoder's thread.
void audio_side::heard(std::int64_t stamp, running_time length, picture content) {
    std::unique_lock lock(link_.mutex);
    const auto placed = link_.place(stamp);
    if (!placed || flushing_)
        return;
    const auto time = link_.stamps.time(*placed);
    if (!sink_) // nothing says how far the sound should be
        pacer_.expect(time, time);
    pacer_.arrived(time, length, std::move(content));
    output_->wake();
}

// ---- output task --------------------------------------------------------------------------------

// Before anything came back, a gap's format is the input's, as far as downstream takes that. What
// takes coded sound only waits for it.
void audio_side::negotiate_for_gap() {
    media::audio_format like;
    like.sample_rate = input_rate_;
    like.channels = input_channels_;
    auto caps = adopt(gst_caps_from_string(raw_caps_downstream(like).c_str()));
    if (caps && gst_caps_is_fixed(caps.get()))
        output_->set_caps(caps.get());
}

GstFlowReturn audio_side::push(paced_frame frame) {
    if (frame.what == paced_frame::kind::gap) {
        if (!output_->caps())
            negotiate_for_gap();
        return output_->push_gap(frame.time, frame.duration);
    }
    output_->set_caps(gst_sample_get_caps(frame.content.get()));
    auto buffer = adopt(gst_buffer_copy(gst_sample_get_buffer(frame.content.get())));
    GST_BUFFER_PTS(buffer.get()) = GstClockTime(std::max<std::int64_t>(frame.time.count(), 0));
    GST_BUFFER_DTS(buffer.get()) = GST_CLOCK_TIME_NONE;
    if (frame.duration.count() > 0)
        GST_BUFFER_DURATION(buffer.get()) = GstClockTime(frame.duration.count());
    return output_->push_buffer(std::move(buffer));
}

} // namespace rivulet::element
