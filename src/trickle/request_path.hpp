// Paths below the trickle server's base path: "NAME", "NAME/next", "NAME/SEQ".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::trickle {

struct request_path {
    std::string name;                // percent-decoded
    std::optional<std::string> item; // "next", a number, anything else a peer sends; or nothing
};

// nullopt: no path of ours (empty segments, more than two of them, a bad escape).
std::optional<request_path> parse_request_path(std::string_view rest);
// Optional sign and decimal digits, 64 bits: "+3", "007", "-1".
std::optional<std::int64_t> parse_seq(std::string_view text);

} // namespace rivulet::trickle
