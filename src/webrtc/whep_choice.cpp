#include "webrtc/whep_choice.hpp"

#include <fmt/core.h>

namespace rivulet::webrtc {
namespace {

constexpr std::uint8_t baseline = 66, main_profile = 77, extended = 88, high = 100;

// constraint_set0 and 1 in the byte's two highest bits.
bool fits_baseline(const h264_profile& of) {
    return (of.constraints & 0x80) != 0;
}

bool fits_main(const h264_profile& of) {
    return (of.constraints & 0x40) != 0;
}

bool is_constrained_baseline(const h264_profile& of) {
    return (of.profile == baseline && fits_main(of)) ||
           (of.profile == main_profile && fits_baseline(of)) ||
           (of.profile == extended && fits_baseline(of) && fits_main(of));
}

std::optional<std::uint8_t> hex_byte(std::string_view text) {
    unsigned value = 0;
    for (const char c : text) {
        const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
        if (lower >= '0' && lower <= '9')
            value = value * 16 + static_cast<unsigned>(lower - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + static_cast<unsigned>(lower - 'a' + 10);
        else
            return {};
    }
    return static_cast<std::uint8_t>(value);
}

struct h264_pick {
    const offered_codec* codec = nullptr;
    bool profile_fits = false;
    int score = -1;
};

// Fragments matter most: a keyframe is larger than a packet. Then the profile, then that it is the
// very same one; the client's order decides among equals.
h264_pick best_video(const offered_media& section, const h264_profile& stream) {
    h264_pick best;
    for (const auto& codec : section.codecs) {
        if (codec_type(codec) != media::codec::h264)
            continue;
        const auto decoder = parse_profile(codec.parameter("profile-level-id"));
        const bool fits = decoder && plays(*decoder, stream);
        const bool same = decoder && decoder->profile == stream.profile;
        const int score =
            (packetization_mode(codec) == 1 ? 4 : 0) + (fits ? 2 : 0) + (same ? 1 : 0);
        if (score > best.score)
            best = {&codec, fits, score};
    }
    return best;
}

const offered_codec* opus(const offered_media& section) {
    for (const auto& codec : section.codecs)
        if (codec_type(codec) == media::codec::opus)
            return &codec;
    return nullptr;
}

bool usable(const offered_media& section, media_kind kind) {
    return section.kind == kind && !section.refused && section.receives();
}

void label(answered_media& answer, const whep_sources& sources, std::string track) {
    answer.cname = sources.cname;
    answer.stream_label = sources.stream_label;
    answer.track_label = std::move(track);
}

// A section that nothing is sent in; kept where a codec is known, so that the bundle's first
// section, whose transport carries the rest, is never refused without need.
void answer_inactive(const offered_media& section, answered_media& answer) {
    if (section.refused || section.kind == media_kind::other)
        return;
    for (const auto& codec : section.codecs)
        if (codec_type(codec) != media::codec::none) {
            chosen_track unused;
            answer_with(section, codec, direction::inactive, {}, answer, unused);
            return;
        }
}

failure why_nothing(const sdp_offer& offer, const whep_channel& channel) {
    bool video = false, audio = false;
    for (const auto& section : offer.media) {
        video = video || usable(section, media_kind::video);
        audio = audio || usable(section, media_kind::audio);
    }
    if (!video && !audio)
        return {
            errc::invalid_argument, "the offer receives nothing; a viewer's sections are recvonly"};
    return {
        errc::unsupported,
        fmt::format(
            "nothing to play: the viewer asks for {}, the stream has {}",
            video && audio ? "video and audio"
            : video        ? "video"
                           : "audio",
            channel.video   ? "video only"
            : channel.audio ? "audio only"
                            : "neither video nor audio"
        )};
}

} // namespace

std::optional<h264_profile> parse_profile(std::string_view profile_level_id) {
    if (profile_level_id.empty())
        return h264_profile{baseline, 0x00, 0x0a};
    if (profile_level_id.size() != 6)
        return {};
    const auto profile = hex_byte(profile_level_id.substr(0, 2));
    const auto constraints = hex_byte(profile_level_id.substr(2, 2));
    const auto level = hex_byte(profile_level_id.substr(4, 2));
    if (!profile || !constraints || !level)
        return {};
    return h264_profile{*profile, *constraints, *level};
}

bool plays(const h264_profile& decoder, const h264_profile& stream) {
    if (is_constrained_baseline(stream))
        return decoder.profile == baseline || decoder.profile == main_profile ||
               decoder.profile == extended || decoder.profile >= high;
    switch (decoder.profile) {
    case baseline:
        return stream.profile == baseline && !fits_main(decoder);
    case main_profile:
        return stream.profile == main_profile && !fits_baseline(decoder);
    case extended:
        return stream.profile == baseline || stream.profile == extended;
    default:
        // High 4:4:4 covers high 4:2:2, that high 10, that high.
        return decoder.profile >= high &&
               (stream.profile == main_profile ||
                (stream.profile >= high && stream.profile <= decoder.profile));
    }
}

outcome<whep_choice>
choose_whep(const sdp_offer& offer, const whep_channel& channel, const whep_sources& sources) {
    whep_choice made;
    made.answer.resize(offer.media.size());
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        const auto& section = offer.media[i];
        auto& answer = made.answer[i];
        chosen_track track;
        track.section = i;
        answer_wishes wanted;
        wanted.transport_cc = sources.transport_cc;
        if (channel.video && !made.video && usable(section, media_kind::video)) {
            const auto best = best_video(section, *channel.video);
            if (!best.codec)
                return failure(
                    errc::unsupported,
                    fmt::format(
                        "the stream is H.264, but the viewer's offer has {} only",
                        codec_names(section)
                    )
                );
            answer_with(section, *best.codec, direction::sendonly, wanted, answer, track);
            answer.ssrc = sources.video_ssrc;
            answer.rtx_ssrc = track.rtx ? sources.video_rtx_ssrc : 0;
            label(answer, sources, "video");
            made.video = track;
            made.profile_fits = best.profile_fits;
            continue;
        }
        if (channel.audio && !made.audio && usable(section, media_kind::audio)) {
            if (const auto* codec = opus(section)) {
                answer_with(section, *codec, direction::sendonly, wanted, answer, track);
                answer.ssrc = sources.audio_ssrc;
                answer.codecs.front().rtx = false; // lost audio is not worth its delay
                label(answer, sources, "audio");
                track.rtx.reset();
                made.audio = track;
                continue;
            }
        }
        answer_inactive(section, answer);
    }
    if (!made.video && !made.audio)
        return why_nothing(offer, channel);
    return made;
}

} // namespace rivulet::webrtc
