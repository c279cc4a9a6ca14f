#include "decoding.hpp"

#include "stamp_match.hpp"

namespace rivulet::element {

using media::adopt;
using media::codec;

namespace {

// A few bytes can claim pictures of a gigabyte.
constexpr const char* decoded_caps = "video/x-raw,width=[1,8192],height=[1,8192]";

const char* video_caps(codec type) {
    switch (type) {
    case codec::h264:
        return "video/x-h264,stream-format=byte-stream,alignment=au";
    case codec::h265:
        return "video/x-h265,stream-format=byte-stream,alignment=au";
    default:
        return nullptr;
    }
}

media::gst_ptr<GstBuffer> to_buffer(const media::access_unit& unit) {
    auto buffer = wrap(unit.data);
    GST_BUFFER_PTS(buffer.get()) =
        GstClockTime(to_time(std::max<std::int64_t>(unit.pts, 0)).count());
    if (unit.kind == media::track_kind::video) {
        GST_BUFFER_DTS(buffer.get()) =
            GstClockTime(to_time(std::max<std::int64_t>(unit.dts, 0)).count());
        if (!unit.keyframe)
            GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
    }
    return buffer;
}

chain_events to_chain(decoding_events events) {
    chain_events out;
    out.error = std::move(events.error);
    out.sample = [tell = std::move(events.sample)](GstSample* sample) {
        GstBuffer* buffer = gst_sample_get_buffer(sample);
        if (buffer && GST_BUFFER_PTS_IS_VALID(buffer))
            tell(to_ticks(std::chrono::nanoseconds(GST_BUFFER_PTS(buffer))), sample);
    };
    return out;
}

} // namespace

outcome<std::unique_ptr<video_decoder>> video_decoder::create(codec type, decoding_events events) {
    const char* text = video_caps(type);
    if (!text)
        return failure(errc::unsupported, "this video codec can't be decoded here");
    GstElement* decoder = first_that_opens(ranked_factories(
        GST_ELEMENT_FACTORY_TYPE_DECODER | GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO, text, GST_PAD_SINK
    ));
    if (!decoder)
        return failure(errc::unsupported, "no H.264 decoder is installed (avdec_h264 and others)");
    // Frame threads would add frames of delay; damaged input is healed by the next keyframe.
    for (const property_text& wish : std::initializer_list<property_text>{
             {"thread-type", "slice"},
             {"max-errors", "-1"},
             {"qos", "false"},
             {"low-latency", "true"}})
        set_property_text(decoder, wish);
    std::unique_ptr<video_decoder> out(new video_decoder);
    auto chain = inner_chain::make(
        {make_element(type == codec::h264 ? "h264parse" : "h265parse"),
         decoder,
         make_caps_filter(decoded_caps)},
        to_chain(std::move(events))
    );
    if (!chain)
        return chain.error();
    out->caps_ = adopt(gst_caps_from_string(text));
    out->chain_ = std::move(*chain);
    return out;
}

bool video_decoder::push(const media::access_unit& unit) {
    if (chain_->queued() >= max_queued)
        wait_for_keyframe_ = true;
    else if (unit.keyframe)
        wait_for_keyframe_ = false;
    if (wait_for_keyframe_)
        return false;
    chain_->push(to_buffer(unit), caps_.get());
    return true;
}

media::gst_ptr<GstCaps> audio_caps(const media::audio_format& format) {
    switch (format.type) {
    case codec::aac: {
        auto caps = adopt(gst_caps_new_simple(
            "audio/mpeg",
            "mpegversion",
            G_TYPE_INT,
            4,
            "stream-format",
            G_TYPE_STRING,
            "raw",
            "framed",
            G_TYPE_BOOLEAN,
            TRUE,
            "rate",
            G_TYPE_INT,
            format.sample_rate,
            "channels",
            G_TYPE_INT,
            format.channels,
            nullptr
        ));
        auto config = wrap(bytes::copy_of(format.config));
        gst_caps_set_simple(caps.get(), "codec_data", GST_TYPE_BUFFER, config.get(), nullptr);
        return caps;
    }
    case codec::opus:
        return adopt(gst_caps_new_simple(
            "audio/x-opus",
            "channel-mapping-family",
            G_TYPE_INT,
            0,
            "channels",
            G_TYPE_INT,
            format.channels > 0 ? format.channels : 2,
            "rate",
            G_TYPE_INT,
            48'000,
            nullptr
        ));
    case codec::mp3:
        return adopt(gst_caps_new_simple(
            "audio/mpeg",
            "mpegversion",
            G_TYPE_INT,
            1,
            "layer",
            G_TYPE_INT,
            3,
            "parsed",
            G_TYPE_BOOLEAN,
            TRUE,
            nullptr
        ));
    default:
        return {};
    }
}

outcome<std::unique_ptr<audio_decoder>> audio_decoder::create(
    const media::audio_format& format, const std::string& wanted, decoding_events events
) {
    auto caps = audio_caps(format);
    if (!caps)
        return failure(errc::unsupported, "this audio codec can't be decoded here");
    auto text = adopt(gst_caps_to_string(caps.get()));
    GstElement* decoder = first_that_opens(ranked_factories(
        GST_ELEMENT_FACTORY_TYPE_DECODER | GST_ELEMENT_FACTORY_TYPE_MEDIA_AUDIO,
        text.get(),
        GST_PAD_SINK
    ));
    if (!decoder)
        return failure(errc::unsupported, "no decoder for this audio codec is installed");
    std::unique_ptr<audio_decoder> out(new audio_decoder);
    auto chain = inner_chain::make(
        {decoder,
         make_element("audioconvert"),
         make_element("audioresample"),
         make_caps_filter(wanted)},
        to_chain(std::move(events))
    );
    if (!chain)
        return chain.error();
    out->caps_ = std::move(caps);
    out->chain_ = std::move(*chain);
    return out;
}

bool audio_decoder::push(const media::access_unit& unit) {
    if (chain_->queued() >= max_queued)
        return false;
    chain_->push(to_buffer(unit), caps_.get());
    return true;
}

} // namespace rivulet::element
