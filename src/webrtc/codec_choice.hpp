// What the choices of WHIP and WHEP share: which offered codecs can be used, and how a chosen one
// is answered. Pure.
#pragma once

#include "media/access_unit.hpp"
#include "webrtc/sdp_answer.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::webrtc {

// One negotiated track. `codec` points into the offer, which must outlive it.
struct chosen_track {
    std::size_t section = 0; // of the offer
    const offered_codec* codec = nullptr;
    media::codec type = media::codec::none;
    std::uint8_t payload_type = 0;
    std::optional<std::uint8_t> rtx;          // payload type, when negotiated
    std::optional<std::uint8_t> transport_cc; // extension's id, when negotiated
    bool nack = false, pli = false, fir = false;
};

// none for what Rivulet can't carry (AV1, G.722, red, …) or an unusable form of it.
media::codec codec_type(const offered_codec& codec);

// Of an H.264 codec: 1 or 0; 0 when not said.
int packetization_mode(const offered_codec& codec);

// Names for messages: "VP8, AV1, H264".
std::string codec_names(const offered_media& section);

// The offer's fmtp without what describes the client's own stream (sprop-…); with `added` behind
// it.
std::string answered_parameters(const offered_codec& codec, std::string_view added = {});

// `section` answered with this one codec: RTX, nack, nack pli, ccm fir as far as offered, and
// transport-cc when wanted and offered together with its header extension. Fills in both.
struct answer_wishes {
    bool transport_cc = false;
    std::string parameters; // of fmtp, added to the offer's
};

void answer_with(
    const offered_media& section,
    const offered_codec& codec,
    direction way,
    const answer_wishes& wishes,
    answered_media& answer,
    chosen_track& track
);

} // namespace rivulet::webrtc
