#include "egress/rtmp_units.hpp"

#include "ingest/rtmp_amf0.hpp"
#include "media/flv_write.hpp"

#include <algorithm>

namespace rivulet::egress {

using ingest::rtmp_message;
using ingest::rtmp_type;
using media::codec;

bytes rtmp_metadata(const media::stream_format& format) {
    ingest::amf_object about;
    about.is_array = true;
    if (format.video) {
        if (format.video->width > 0) {
            about.properties.push_back({"width", format.video->width});
            about.properties.push_back({"height", format.video->height});
        }
        about.properties.push_back({"videocodecid", 7});
    }
    if (format.audio) {
        about.properties.push_back({"audiocodecid", format.audio->type == codec::mp3 ? 2 : 10});
        if (format.audio->sample_rate > 0) {
            about.properties.push_back({"audiosamplerate", format.audio->sample_rate});
            about.properties.push_back({"stereo", format.audio->channels != 1});
        }
    }
    about.properties.push_back({"encoder", "rivulet"});
    auto raw =
        std::make_shared<const std::vector<std::uint8_t>>(ingest::to_amf0({"onMetaData", about}));
    const std::span<const std::uint8_t> view(*raw);
    return {std::move(raw), view};
}

std::uint32_t rtmp_units::time_of(const media::access_unit& unit) {
    const auto milliseconds = [](std::int64_t dts) {
        return std::max<std::int64_t>(dts, 0) * 1000 / media::clock_rate;
    };
    if (times_ == rtmp_times::as_they_are)
        return static_cast<std::uint32_t>(milliseconds(unit.dts));
    media::access_unit times; // without the data
    times.kind = unit.kind;
    times.dts = unit.dts;
    times.pts = unit.pts;
    clock_.adjust(times);
    auto& newest = newest_[static_cast<std::size_t>(unit.kind)];
    newest = std::max(newest, milliseconds(times.dts));
    return static_cast<std::uint32_t>(newest);
}

void rtmp_units::add(
    std::vector<rtmp_message>& out, rtmp_type type, std::uint32_t time, bytes body
) {
    auto& message = out.emplace_back();
    message.type = type;
    message.timestamp = time;
    message.payload = std::move(body);
}

bool rtmp_units::append(const feed_step& step, std::vector<rtmp_message>& out) {
    const auto& entry = *step.unit;
    const auto& unit = entry.unit;
    if (!entry.format)
        return false;
    const auto& format = *entry.format;
    const bool is_video = unit.kind == media::track_kind::video;
    if (is_video ? !format.video || format.video->type != codec::h264
                 : !format.audio ||
                       (format.audio->type != codec::aac && format.audio->type != codec::mp3))
        return false;
    const auto time = time_of(unit);
    if (!announced_) {
        announced_ = true;
        add(out, rtmp_type::data_amf0, time, rtmp_metadata(format));
    }
    if (is_video && keep_video_ != entry.format) {
        keep_video_ = entry.format;
        if (!video_ || *video_ != *format.video) {
            auto config = media::flv_video_config(*format.video);
            if (!config) {
                keep_video_.reset();
                return false;
            }
            video_ = format.video;
            add(out, rtmp_type::video, time, std::move(*config));
        }
    }
    if (!is_video && keep_audio_ != entry.format) {
        keep_audio_ = entry.format;
        if (format.audio->type == codec::aac && (!audio_ || *audio_ != *format.audio)) {
            auto config = media::flv_audio_config(*format.audio);
            if (!config) {
                keep_audio_.reset();
                return false;
            }
            add(out, rtmp_type::audio, time, std::move(*config));
        }
        audio_ = format.audio;
    }
    if (entry.flv_body.empty())
        entry.flv_body = is_video ? media::flv_video_body(unit)
                                  : media::flv_audio_body(unit, format.audio->type);
    add(out, is_video ? rtmp_type::video : rtmp_type::audio, time, entry.flv_body);
    return true;
}

} // namespace rivulet::egress
