// SDP offers: whatever is taken can be chosen from and answered, and the answer is SDP that holds
// nothing but lines of ours.
#include "support/fuzz_transport.hpp"
#include "webrtc/sdp_line.hpp"
#include "webrtc/whep_choice.hpp"
#include "webrtc/whip_choice.hpp"

#include <cstdint>
#include <cstdlib>

using namespace rivulet;
using namespace rivulet::webrtc;

namespace {

void check_answer(const sdp_offer& offer, const std::vector<answered_media>& media) {
    if (media.size() != offer.media.size())
        std::abort();
    const auto answer = write_answer(offer, fuzz_transport(), media);
    const auto lines = split_lines(answer);
    if (!lines)
        std::abort(); // something in the offer broke out of its line
    std::size_t sections = 0;
    for (const auto& line : *lines)
        sections += line.type == 'm' ? 1 : 0;
    if (sections != offer.media.size())
        std::abort();
}

void check_track(const sdp_offer& offer, const chosen_track& track, bool sends) {
    if (track.section >= offer.media.size())
        std::abort();
    const auto& section = offer.media[track.section];
    if (section.refused || !(sends ? section.sends() : section.receives()))
        std::abort();
    if (!track.codec || track.codec->payload_type != track.payload_type || track.payload_type > 127)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto offer = parse_offer(text);
    if (!offer) {
        if (offer.error().detail.empty())
            std::abort();
        return 0;
    }
    if (offer->transport.ice.ufrag.size() < 4 || offer->transport.fingerprint.empty())
        std::abort();
    whip_wishes wishes;
    wishes.h265 = size % 2 == 0;
    wishes.transcode = size % 3 != 0;
    if (const auto whip = choose_whip(*offer, wishes)) {
        check_track(*offer, whip->video, true);
        if (whip->audio)
            check_track(*offer, *whip->audio, true);
        check_answer(*offer, whip->answer);
    }
    whep_channel channel;
    channel.video = h264_profile{static_cast<std::uint8_t>(size & 0xff), 0xe0, 0x1f};
    channel.audio = size % 5 != 0;
    whep_sources sources;
    sources.video_ssrc = 1;
    sources.video_rtx_ssrc = 2;
    sources.audio_ssrc = 3;
    if (const auto whep = choose_whep(*offer, channel, sources)) {
        if (whep->video)
            check_track(*offer, *whep->video, false);
        if (whep->audio)
            check_track(*offer, *whep->audio, false);
        check_answer(*offer, whep->answer);
    }
    return 0;
}
