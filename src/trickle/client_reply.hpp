// What both trickle clients read from a server's reply: numbers in headers and bodies, and the text
// of a refusal, within limits. Pure.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::trickle {

inline constexpr std::size_t reply_text_limit = 4 * 1024; // bytes of a body that is read as text
inline constexpr duration reply_text_time = std::chrono::seconds(3);

// The whole text as a decimal number, or nothing.
std::optional<std::int64_t> to_number(std::string_view text);

// The first line, at most 200 bytes: fit for a log line.
std::string first_line(std::string text);

} // namespace rivulet::trickle
