// A client's SDP offer (WHIP, WHEP), parsed and checked into what the answer needs. Names compare
// without case. Pure.
// Fails with invalid_argument (not SDP, no ICE credentials, no fingerprint, nothing to negotiate…)
// and a text for the client.
#pragma once

#include "base/error.hpp"
#include "webrtc/peer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::webrtc {

enum class media_kind { audio, video, other };
enum class direction { sendrecv, sendonly, recvonly, inactive };

struct offered_codec {
    std::uint8_t payload_type = 0;
    std::string name; // lower case: "h264", "vp8", "vp9", "av1", "h265", "opus"; never "rtx"
    std::uint32_t clock_rate = 0;
    int channels = 0;                  // 0: not said
    std::string parameters;            // of fmtp, as sent
    std::vector<std::string> feedback; // "nack", "nack pli", "ccm fir", "transport-cc", …
    std::optional<std::uint8_t> rtx;   // the payload type whose apt is this one

    // Of `parameters`, key without case; empty when absent.
    std::string_view parameter(std::string_view key) const;
    bool has_feedback(std::string_view what) const;
};

struct offered_extension {
    std::uint8_t id = 0;
    std::string uri;
};

struct offered_media {
    media_kind kind = media_kind::other;
    std::string kind_text; // as sent, for the answer: "video", "application"
    std::string protocol;  // as sent: "UDP/TLS/RTP/SAVPF"
    std::string formats;   // as sent, for refusing: "96 97"
    std::string mid;
    webrtc::direction direction = direction::sendrecv;
    bool refused = false; // port 0 without bundle-only
    bool rtcp_mux = false;
    std::vector<offered_codec> codecs; // in the client's order of preference
    std::vector<offered_extension> extensions;

    std::optional<std::uint8_t> extension(std::string_view uri) const;

    bool sends() const {
        return direction == direction::sendrecv || direction == direction::sendonly;
    }

    bool receives() const {
        return direction == direction::sendrecv || direction == direction::recvonly;
    }
};

struct sdp_offer {
    std::vector<offered_media> media;
    std::vector<std::string> bundle; // mids; empty: none was offered
    remote_transport transport;      // of the first bundled section

    const offered_media* first(media_kind kind) const; // not refused; null when there is none
};

inline constexpr std::size_t max_sdp_bytes = 64 * 1024;

outcome<sdp_offer> parse_offer(std::string_view text);

// application/trickle-ice-sdpfrag: the credentials (an ICE restart when they differ from the
// session's); candidates are not needed by an ICE-lite side. Both empty when the text has none.
outcome<ice_parameters> parse_fragment(std::string_view text);

} // namespace rivulet::webrtc
