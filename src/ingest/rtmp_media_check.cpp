#include "ingest/rtmp_media_check.hpp"

#include "ingest/legacy_tag.hpp"

#include <algorithm>

namespace rivulet::ingest {

std::optional<std::string> rtmp_media_check::tag(
    media::flv_tag_type type, std::span<const std::uint8_t> body, time_point now
) {
    if (body.empty())
        return std::nullopt;
    if (is_multitrack(type, body))
        return "Enhanced RTMP with several tracks is not supported here: publish one H.264 video "
               "and one AAC audio track (in OBS: switch multitrack video off)";
    if (type == media::flv_tag_type::video) {
        const auto header = media::parse_flv_video(body);
        if (!header)
            return std::nullopt; // a damaged tag is the pipeline's to drop
        if (header->type != media::codec::h264)
            return "video codec " + header->name + " is not supported here: publish H.264";
        if (!first_video_)
            first_video_ = now;
    } else if (type == media::flv_tag_type::audio) {
        const auto header = media::parse_flv_audio(body);
        if (!header)
            return std::nullopt;
        if (header->type != media::codec::aac && header->type != media::codec::mp3)
            return "audio codec " + header->name + " is not supported here: publish AAC";
        if (!first_audio_)
            first_audio_ = now;
    }
    // Here too: while tags keep coming, nobody waits for the deadline.
    return tick(now);
}

time_point rtmp_media_check::deadline() const {
    if (picture_seen_)
        return time_point::max();
    if (first_video_)
        return *first_video_ + no_picture_limit_;
    const auto no_media = started_ + no_media_limit_;
    return first_audio_ ? std::min(no_media, *first_audio_ + audio_only_limit_) : no_media;
}

std::optional<std::string> rtmp_media_check::tick(time_point now) const {
    if (now < deadline())
        return std::nullopt;
    if (first_video_)
        return "video arrives, but no sequence header or keyframe: restart the stream in the "
               "encoder";
    return first_audio_ ? "audio without video: a stream needs H.264 video"
                        : "no media arrived after publish";
}

} // namespace rivulet::ingest
