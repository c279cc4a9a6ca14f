// Which of a viewer's offered codecs carry a channel: H.264 as the channel has it, in a payload
// type whose profile fits, and Opus. Sections that the channel has nothing for are answered
// `inactive`, so that the bundle keeps them. Pure.
// Fails with invalid_argument (the viewer receives nothing) or unsupported (it can't play H.264, or
// the channel has nothing that it asks for), and a text for the client.
#pragma once

#include "webrtc/codec_choice.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::webrtc {

// The three bytes behind an SPS's header byte, which fmtp calls profile-level-id.
struct h264_profile {
    std::uint8_t profile = 0x42, constraints = 0xe0, level = 0x1f;
    bool operator==(const h264_profile&) const = default;
};

// Six hexadecimal digits; empty text is RFC 6184's default (baseline, level 1).
std::optional<h264_profile> parse_profile(std::string_view profile_level_id);
// A decoder of `decoder` plays a stream of `stream`; levels are not compared.
bool plays(const h264_profile& decoder, const h264_profile& stream);

struct whep_channel {
    std::optional<h264_profile> video; // of the channel's SPS
    bool audio = false;                // Opus
};

// How we send: SSRCs of our choice, the same labels on both tracks.
struct whep_sources {
    std::uint32_t video_ssrc = 0, video_rtx_ssrc = 0, audio_ssrc = 0;
    std::string cname = "rivulet", stream_label = "rivulet";
    bool transport_cc = false; // our packets will carry the extension
};

struct whep_choice {
    std::vector<answered_media> answer; // for write_answer(), one per section of the offer
    std::optional<chosen_track> video, audio;
    // False: no offered H.264 profile covers the channel's. Most decoders play it nevertheless.
    bool profile_fits = true;
};

// The choice points into `offer`.
outcome<whep_choice>
choose_whep(const sdp_offer& offer, const whep_channel& channel, const whep_sources& sources);

} // namespace rivulet::webrtc
