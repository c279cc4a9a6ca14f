#include "webrtc/codec_choice.hpp"

#include "webrtc/sdp_line.hpp"

#include <algorithm>

namespace rivulet::webrtc {
namespace {

// One-byte header extensions end here; longer ones need a second form of every packet.
constexpr std::uint8_t max_extension_id = 14;

bool is_single_stream_h265(const offered_codec& codec) {
    const auto mode = codec.parameter("tx-mode");
    return mode.empty() || same_without_case(mode, "SRST");
}

} // namespace

media::codec codec_type(const offered_codec& codec) {
    using media::codec::none;
    if (codec.name == "opus")
        // Other forms of Opus do not exist; 44100 or mono here is a client's mistake.
        return codec.clock_rate == 48'000 && codec.channels == 2 ? media::codec::opus : none;
    if (codec.clock_rate != 90'000)
        return none;
    if (codec.name == "h264") {
        const auto mode = codec.parameter("packetization-mode");
        return mode.empty() || mode == "0" || mode == "1" ? media::codec::h264 : none;
    }
    if (codec.name == "vp8")
        return media::codec::vp8;
    if (codec.name == "vp9")
        return media::codec::vp9;
    if (codec.name == "h265")
        return is_single_stream_h265(codec) ? media::codec::h265 : none;
    return none;
}

int packetization_mode(const offered_codec& codec) {
    return codec.parameter("packetization-mode") == "1" ? 1 : 0;
}

std::string codec_names(const offered_media& section) {
    std::string names;
    std::string_view last;
    for (const auto& codec : section.codecs) {
        if (codec.name == last || names.size() > 120)
            continue;
        last = codec.name;
        names += (names.empty() ? "" : ", ") + codec.name;
    }
    return names.empty() ? "none" : names;
}

std::string answered_parameters(const offered_codec& codec, std::string_view added) {
    std::string made;
    const auto add = [&made](std::string_view one) {
        if (!one.empty())
            made += (made.empty() ? "" : ";") + std::string(one);
    };
    std::string_view rest = codec.parameters;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(';'), rest.size());
        const auto one = trimmed(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!same_without_case(one.substr(0, 6), "sprop-"))
            add(one);
    }
    add(added);
    return made;
}

void answer_with(
    const offered_media& section,
    const offered_codec& codec,
    direction way,
    const answer_wishes& wishes,
    answered_media& answer,
    chosen_track& track
) {
    track.codec = &codec;
    track.type = codec_type(codec);
    track.payload_type = codec.payload_type;

    answered_codec answered;
    answered.offered = &codec;
    answered.parameters = answered_parameters(codec, wishes.parameters);
    const auto take = [&](std::string_view what) {
        const bool offered = codec.has_feedback(what);
        if (offered)
            answered.feedback.emplace_back(what);
        return offered;
    };
    track.nack = take("nack");
    if (section.kind == media_kind::video) {
        track.pli = take("nack pli");
        track.fir = take("ccm fir");
    }
    // RTX means nothing without NACK.
    if (track.nack && codec.rtx) {
        answered.rtx = true;
        track.rtx = codec.rtx;
    }
    const auto extension = section.extension(transport_cc_extension);
    if (wishes.transport_cc && extension && *extension <= max_extension_id &&
        take("transport-cc")) {
        answer.extensions.push_back({*extension, std::string(transport_cc_extension)});
        track.transport_cc = extension;
    }
    answer.codecs.clear();
    answer.codecs.push_back(std::move(answered));
    answer.direction = way;
}

} // namespace rivulet::webrtc
