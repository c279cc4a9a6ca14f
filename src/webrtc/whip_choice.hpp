// Which of a publisher's offered codecs are taken. H.264 first, whatever its profile and
// packetisation: it goes on unchanged, everything else must be transcoded. One codec per section,
// so that the client can't change it later. Pure.
// Fails with invalid_argument (nothing is sent to us) or unsupported (no codec of ours, no video),
// and a text for the client.
#pragma once

#include "webrtc/codec_choice.hpp"

#include <optional>
#include <vector>

namespace rivulet::webrtc {

struct whip_wishes {
    bool transcode = true;    // VP8, VP9 and H.265 too
    bool h265 = false;        // it can be depayloaded and decoded here
    bool transport_cc = true; // the receiver writes the feedback
};

struct whip_choice {
    std::vector<answered_media> answer; // for write_answer(), one per section of the offer
    chosen_track video;
    std::optional<chosen_track> audio; // Opus

    bool transcoded() const { return video.type != media::codec::h264; }
};

// The choice points into `offer`.
outcome<whip_choice> choose_whip(const sdp_offer& offer, const whip_wishes& wishes);

} // namespace rivulet::webrtc
