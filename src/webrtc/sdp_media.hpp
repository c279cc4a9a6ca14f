// One section of an offer ("m=video …" and what follows), read into what the answer needs. Pure.
#pragma once

#include "webrtc/sdp_line.hpp"
#include "webrtc/sdp_offer.hpp"

#include <string_view>
#include <vector>

namespace rivulet::webrtc {

// The session's lines, or those of one section. Views of the offer's text.
struct sdp_part {
    std::string_view first_line; // of "m="; empty for the session
    std::vector<sdp_attribute> attributes;

    bool has(std::string_view name) const;
    std::string_view value(std::string_view name) const; // the first one; empty when absent
    std::vector<std::string_view> values(std::string_view name) const;
};

// Sections that are neither audio nor video over DTLS-SRTP come back as media_kind::other.
// Fails with invalid_argument where a line can't be read or would be unsafe to send back.
outcome<offered_media> read_media(const sdp_part& session, const sdp_part& section);

} // namespace rivulet::webrtc
