#include "ingest/rtmp_media_check.hpp"

#include <algorithm>

namespace rivulet::ingest {

std::optional<std::string> rtmp_media_check::tag(
    media::flv_tag_type type, std::span<const std::uint8_t> body, time_point now
) {
    if (body.empty())
        return std::nullopt;
    if (type == media::flv_tag_type::video) {
        const auto header = media::parse_flv_video(body);
        if (!header)
            return std::nullopt; // a damaged tag is the pipeline's to drop
        if (header->type != media::codec::h264 || header->enhanced)
            return "video codec " + header->name + " is not supported here: publish H.264";
        video_seen_ = true;
    } else if (type == media::flv_tag_type::audio) {
        const auto header = media::parse_flv_audio(body);
        if (!header)
            return std::nullopt;
        if ((header->type != media::codec::aac && header->type != media::codec::mp3) ||
            header->enhanced)
            return "audio codec " + header->name + " is not supported here: publish AAC";
        if (!first_audio_)
            first_audio_ = now;
    }
    return std::nullopt;
}

time_point rtmp_media_check::deadline() const {
    if (video_seen_)
        return time_point::max();
    const auto no_media = started_ + no_media_limit_;
    return first_audio_ ? std::min(no_media, *first_audio_ + audio_only_limit_) : no_media;
}

std::optional<std::string> rtmp_media_check::tick(time_point now) const {
    if (now < deadline())
        return std::nullopt;
    return first_audio_ ? "audio without video: a stream needs H.264 video"
                        : "no media arrived after publish";
}

} // namespace rivulet::ingest
