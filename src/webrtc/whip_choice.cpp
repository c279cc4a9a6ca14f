#include "webrtc/whip_choice.hpp"

#include <fmt/core.h>

namespace rivulet::webrtc {
namespace {

// Smaller is better; none: not taken.
std::optional<int> rank(const offered_codec& codec, const whip_wishes& wishes) {
    switch (codec_type(codec)) {
    case media::codec::h264:
        // Mode 0 has no fragments: the client must cut its slices to the size of a packet.
        return packetization_mode(codec) == 1 ? 0 : 1;
    case media::codec::vp8:
        return wishes.transcode ? std::optional(2) : std::nullopt;
    case media::codec::vp9:
        return wishes.transcode ? std::optional(3) : std::nullopt;
    case media::codec::h265:
        return wishes.transcode && wishes.h265 ? std::optional(4) : std::nullopt;
    default:
        return {};
    }
}

// The best codec, the client's order deciding among equals.
const offered_codec* best_video(const offered_media& section, const whip_wishes& wishes) {
    const offered_codec* best = nullptr;
    int best_rank = 0;
    for (const auto& codec : section.codecs)
        if (const auto own = rank(codec, wishes); own && (!best || *own < best_rank)) {
            best = &codec;
            best_rank = *own;
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
    return section.kind == kind && !section.refused && section.sends();
}

// Chromium ignores transport-cc unless every section names it. The extension stays off the audio:
// its feedback is per section, and would take the other's packets for lost.
void agree_on_feedback(whip_choice& made) {
    constexpr std::string_view feedback = "transport-cc";
    if (made.video.transport_cc && made.audio && made.audio->codec->has_feedback(feedback))
        made.answer[made.audio->section].codecs.front().feedback.emplace_back(feedback);
}

failure why_no_video(const sdp_offer& offer, const whip_wishes& wishes) {
    const offered_media* section = nullptr;
    bool audio = false;
    for (const auto& one : offer.media) {
        if (!section && usable(one, media_kind::video))
            section = &one;
        audio = audio || usable(one, media_kind::audio);
    }
    if (section)
        return {
            errc::unsupported,
            fmt::format(
                "no video codec of the offer can be taken: it has {}; this gateway takes {}",
                codec_names(*section),
                !wishes.transcode ? "h264"
                : wishes.h265     ? "h264, vp8, vp9, h265"
                                  : "h264, vp8, vp9"
            )};
    if (audio)
        return {
            errc::unsupported,
            "missing video: the offer sends audio only, but a stream needs video"};
    return {
        errc::invalid_argument,
        "the offer sends nothing to this gateway; a publisher's sections are sendonly"};
}

} // namespace

outcome<whip_choice> choose_whip(const sdp_offer& offer, const whip_wishes& wishes) {
    whip_choice made;
    made.answer.resize(offer.media.size());
    bool video_chosen = false;
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        const auto& section = offer.media[i];
        answer_wishes wanted;
        if (!video_chosen && usable(section, media_kind::video)) {
            const auto* codec = best_video(section, wishes);
            if (!codec)
                continue;
            wanted.transport_cc = wishes.transport_cc;
            made.video.section = i;
            answer_with(section, *codec, direction::recvonly, wanted, made.answer[i], made.video);
            video_chosen = true;
        } else if (!made.audio && usable(section, media_kind::audio)) {
            const auto* codec = opus(section);
            if (!codec)
                continue;
            // Without this a client sends mono.
            if (codec->parameter("stereo").empty())
                wanted.parameters = "stereo=1";
            chosen_track track;
            track.section = i;
            answer_with(section, *codec, direction::recvonly, wanted, made.answer[i], track);
            made.audio = track;
        }
    }
    if (!video_chosen)
        return why_no_video(offer, wishes);
    agree_on_feedback(made);
    return made;
}

} // namespace rivulet::webrtc
