// Our answer to an offer: every section of the offer answered in order, ICE-lite, one bundle. Pure.
#pragma once

#include "webrtc/sdp_offer.hpp"

namespace rivulet::webrtc {

inline constexpr std::string_view transport_cc_extension =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

struct answered_codec {
    const offered_codec* offered = nullptr; // of the same section
    std::string parameters;                 // our fmtp; empty: none
    bool rtx = false;                       // take the offered RTX too
    std::vector<std::string> feedback;      // of those offered
};

// How one section of the offer is answered. Without codecs it is refused (port 0).
struct answered_media {
    std::vector<answered_codec> codecs;
    webrtc::direction direction = direction::inactive; // ours: recvonly for WHIP, sendonly for WHEP
    std::vector<offered_extension> extensions;         // of those offered

    // Sections that we send.
    std::uint32_t ssrc = 0, rtx_ssrc = 0; // 0: none
    std::string cname, stream_label, track_label;
};

// `media` has as many entries as the offer.
std::string write_answer(
    const sdp_offer& offer, const local_transport& local, const std::vector<answered_media>& media
);

// The body that answers a PATCH with an ICE restart.
std::string write_fragment(const local_transport& local, std::string_view mid);

} // namespace rivulet::webrtc
