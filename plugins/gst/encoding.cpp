#include "encoding.hpp"

#include "media/aac.hpp"
#include "media/h264.hpp"

namespace rivulet::element {

using media::adopt;

namespace {

constexpr const char* h264_caps = "video/x-h264,stream-format=byte-stream,alignment=au";
// x264 holds a picture back to learn its duration when nobody says the rate.
constexpr int fallback_rate = 30;

GstElement* make_h264_encoder() {
    return first_that_opens(
        ranked_factories(GST_ELEMENT_FACTORY_TYPE_VIDEO_ENCODER, "video/x-h264", GST_PAD_SRC)
    );
}

std::string factory_of(GstElement* element) {
    return GST_OBJECT_NAME(gst_element_get_factory(element));
}

// x264enc moves times and segment by a thousand hours; running time stays.
std::optional<std::int64_t> stamp_of(GstSample* sample) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    const GstSegment* segment = gst_sample_get_segment(sample);
    if (!buffer || !segment || !GST_BUFFER_PTS_IS_VALID(buffer))
        return std::nullopt;
    guint64 time = 0;
    const int sign =
        gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer), &time);
    if (sign == 0)
        return std::nullopt;
    return to_ticks(std::chrono::nanoseconds(sign * std::int64_t(time)));
}

// Half pixels can't be carried: 801x601 is encoded as 800x600.
media::gst_ptr<GstCaps> encodable(GstCaps* caps) {
    auto out = adopt(gst_caps_copy(caps));
    int rate = 0, per = 0;
    const GstStructure* said = gst_caps_get_structure(out.get(), 0);
    if (!gst_structure_get_fraction(said, "framerate", &rate, &per) || rate <= 0 || per <= 0 ||
        rate / per > fastest_rate)
        gst_caps_set_simple(out.get(), "framerate", GST_TYPE_FRACTION, fallback_rate, 1, nullptr);
    return out;
}

media::gst_ptr<GstBuffer> stamped(GstBuffer* buffer, std::int64_t stamp) {
    auto copy = adopt(gst_buffer_copy(buffer)); // shares the memory
    GST_BUFFER_PTS(copy.get()) = GstClockTime(to_time(stamp).count());
    GST_BUFFER_DTS(copy.get()) = GST_CLOCK_TIME_NONE;
    return copy;
}

} // namespace

std::optional<media::video_format> h264_format(std::span<const std::uint8_t> annexb) {
    const auto sets = media::h264::find_parameter_sets(annexb);
    if (sets.sps.empty() || sets.pps.empty())
        return std::nullopt;
    const auto info = media::h264::parse_sps(sets.sps);
    if (!info)
        return std::nullopt;
    media::video_format format;
    format.type = media::codec::h264;
    format.width = info->width;
    format.height = info->height;
    format.sps.assign(sets.sps.begin(), sets.sps.end());
    format.pps.assign(sets.pps.begin(), sets.pps.end());
    return format;
}

std::optional<media::audio_format> audio_format_of(GstCaps* caps) {
    const GstStructure* said = caps ? gst_caps_get_structure(caps, 0) : nullptr;
    const GValue* value = said ? gst_structure_get_value(said, "codec_data") : nullptr;
    GstBuffer* data = value ? gst_value_get_buffer(value) : nullptr;
    if (!data)
        return std::nullopt;
    const bytes config = media::map_buffer(data);
    const auto info = media::aac::parse_config(config.view());
    if (!info)
        return std::nullopt;
    media::audio_format format;
    format.type = media::codec::aac;
    format.sample_rate = info->sample_rate;
    format.channels = info->channels;
    format.config.assign(config.view().begin(), config.view().end());
    return format;
}

// On the encoder's thread.
struct video_encoder::learner {
    encoding_events events;
    std::optional<media::video_format> format;

    void encoded(GstSample* sample) {
        const auto stamp = stamp_of(sample);
        bytes data = media::map_buffer(gst_sample_get_buffer(sample));
        if (!stamp || data.empty())
            return;
        media::access_unit unit;
        unit.pts = unit.dts = *stamp;
        unit.keyframe = media::h264::has_idr(data.view());
        if (unit.keyframe)
            learn(data.view());
        if (!format)
            return;
        unit.data = std::move(data);
        events.unit(std::move(unit));
    }

    void learn(std::span<const std::uint8_t> unit) {
        auto now = h264_format(unit);
        if (!now || now == format)
            return;
        format = std::move(now);
        media::stream_format whole;
        whole.video = format;
        events.format(whole);
    }
};

outcome<std::unique_ptr<video_encoder>> video_encoder::create(int kbit, encoding_events events) {
    std::unique_ptr<video_encoder> out(new video_encoder);
    GstElement* encoder = make_h264_encoder();
    if (!encoder)
        return failure(errc::unsupported, "no H.264 encoder is installed (x264enc and others)");
    out->encoder_ = media::retain(GST_ELEMENT(gst_object_ref_sink(encoder)));
    out->name_ = factory_of(encoder);
    out->configure(kbit);
    out->learner_ = std::make_shared<learner>();
    out->learner_->events = std::move(events);
    chain_events inner;
    inner.sample = [learner = out->learner_](GstSample* sample) { learner->encoded(sample); };
    inner.error = out->learner_->events.error;
    inner.ended = out->learner_->events.ended;
    auto chain = inner_chain::make(
        {make_element("videoconvertscale"),
         // 4:2:0 with whole chroma pixels is what every decoder takes.
         make_caps_filter("video/x-raw,format=(string){I420,NV12},"
                          "width=(int)[16,16384,2],height=(int)[16,16384,2]"),
         encoder,
         make_element("h264parse", {{"config-interval", "-1"}}),
         make_caps_filter(h264_caps)},
        std::move(inner)
    );
    gst_object_unref(encoder); // gst_object_ref_sink's
    if (!chain)
        return chain.error();
    out->chain_ = std::move(*chain);
    return out;
}

video_encoder::~video_encoder() = default;

void video_encoder::configure(int kbit) {
    GstElement* encoder = encoder_.get();
    // Names differ from encoder to encoder; each has some of them. Keyframes come by the clock
    // (push), not by the number of frames.
    for (const property_text& wish : std::initializer_list<property_text>{
             {"tune", name_ == "x264enc" ? "zerolatency" : "ultra-low-latency"},
             {"speed-preset", "superfast"},
             {"preset", "low-latency-hq"},
             {"bframes", "0"},
             {"b-frames", "0"},
             {"zerolatency", "true"},
             {"rc-lookahead", "0"},
             {"option-string", "scenecut=0"},
             {"key-int-max", "1024"},
             {"gop-size", "1024"},
             {"rate-control", name_ == "openh264enc" ? "bitrate" : "cbr"},
             {"rc-mode", "cbr"},
             {"complexity", "low"},
             {"enable-frame-skip", "false"}})
        if (name_ != "x264enc" || std::string_view(wish.name) != "rc-lookahead")
            set_property_text(encoder, wish);
    set_bitrate(kbit);
}

void video_encoder::set_bitrate(int kbit) {
    if (kbit == kbit_)
        return;
    kbit_ = kbit;
    if (name_.starts_with("v4l2")) {
        set_property_text(
            encoder_.get(),
            {"extra-controls", "controls,video_bitrate=" + std::to_string(kbit * 1'000)}
        );
        return;
    }
    const bool bits = name_ == "openh264enc";
    set_property_text(encoder_.get(), {"bitrate", std::to_string(bits ? kbit * 1'000 : kbit)});
    if (bits)
        set_property_text(encoder_.get(), {"max-bitrate", std::to_string(kbit * 1'500)});
}

bool video_encoder::push(
    GstBuffer* buffer, GstCaps* caps, std::int64_t stamp, std::chrono::nanoseconds interval
) {
    if (chain_->queued() >= max_queued)
        return false;
    // A frame early is nearer than a frame late.
    const bool due = !last_keyframe_ || stamp < *last_keyframe_ ||
                     stamp - *last_keyframe_ + media::clock_rate / 100 >= to_ticks(interval);
    if (keyframe_wanted_.exchange(false) || due) {
        // To the encoder itself: in the chain, the event would overtake the caps. The first picture
        // is a keyframe anyway.
        if (last_keyframe_)
            gst_element_send_event(
                encoder_.get(),
                gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0)
            );
        last_keyframe_ = stamp;
    }
    auto wanted = encodable(caps);
    chain_->push(stamped(buffer, stamp), wanted.get());
    return true;
}

outcome<std::unique_ptr<audio_encoder>> audio_encoder::create(encoding_events events) {
    GstElement* encoder = nullptr;
    for (const char* name : {"fdkaacenc", "avenc_aac", "voaacenc"})
        if ((encoder = make_element(name, {{"bitrate", "128000"}})))
            break;
    if (!encoder)
        return failure(errc::unsupported, "no AAC encoder is installed (avenc_aac and others)");
    chain_events inner;
    inner.error = events.error;
    inner.ended = events.ended;
    // On the encoder's thread only.
    auto known = std::make_shared<std::optional<media::audio_format>>();
    inner.sample = [events, known](GstSample* sample) {
        const auto stamp = stamp_of(sample);
        bytes data = media::map_buffer(gst_sample_get_buffer(sample));
        if (!stamp || data.empty())
            return;
        if (auto format = audio_format_of(gst_sample_get_caps(sample));
            format && format != *known) {
            *known = format;
            media::stream_format whole;
            whole.audio = std::move(format);
            events.format(whole);
        }
        if (!*known)
            return;
        media::access_unit unit;
        unit.kind = media::track_kind::audio;
        unit.keyframe = true;
        unit.pts = unit.dts = *stamp;
        unit.data = std::move(data);
        events.unit(std::move(unit));
    };
    auto chain = inner_chain::make(
        {make_element("audioconvert"),
         make_element("audioresample"),
         make_caps_filter("audio/x-raw,rate=48000,channels=[1,2]"),
         encoder,
         make_element("aacparse"),
         make_caps_filter("audio/mpeg,mpegversion=4,stream-format=raw")},
        std::move(inner)
    );
    if (!chain)
        return chain.error();
    std::unique_ptr<audio_encoder> out(new audio_encoder);
    out->chain_ = std::move(*chain);
    return out;
}

bool audio_encoder::push(GstBuffer* buffer, GstCaps* caps, std::int64_t stamp) {
    if (chain_->queued() >= max_queued)
        return false;
    chain_->push(stamped(buffer, stamp), caps);
    return true;
}

} // namespace rivulet::element
