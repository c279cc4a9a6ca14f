// SDP as lines: what the offer's and the fragment's parsers share. Pure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::webrtc {

struct sdp_line {
    char type = 0;
    std::string_view value;
};

// Views of `text`. Fails with invalid_argument where a line is not "x=…" or holds control
// characters; the text says which line.
outcome<std::vector<sdp_line>> split_lines(std::string_view text);

struct sdp_attribute {
    std::string_view name, value; // "a=name:value"; no value: empty
};

sdp_attribute split_attribute(std::string_view line_value);

// Cuts the next word off; empty at the end.
std::string_view take_word(std::string_view& rest);
std::string_view trimmed(std::string_view text);
std::string lower_case(std::string_view text);
bool same_without_case(std::string_view a, std::string_view b);
// Decimal digits only, at most `max`.
std::optional<std::uint32_t> decimal(std::string_view text, std::uint32_t max);
// Visible ASCII and spaces only: safe to send back.
bool printable(std::string_view text);

// RFC 8839, leniently: any visible character but ':' which divides the names in checks.
bool good_ufrag(std::string_view text);
bool good_password(std::string_view text);

} // namespace rivulet::webrtc
