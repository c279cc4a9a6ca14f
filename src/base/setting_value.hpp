// Text to typed value and back, as settings are written on a command line: Go durations ("1m30s"),
// byte counts ("64MiB"), Go booleans, comma lists, HOST:PORT. Pure.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet {

// nullopt: the text is not a value of the type, or does not fit it.
std::optional<bool> parse_bool(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<duration> parse_duration(std::string_view text);
std::optional<std::uint64_t> parse_byte_count(std::string_view text);
std::vector<std::string> parse_list(std::string_view text);
// "HOST:PORT", "[v6]:PORT" or ":PORT", port 0-65535.
bool is_listen_address(std::string_view text);

std::string format_duration(duration value);
std::string format_byte_count(std::uint64_t value);
std::string format_list(const std::vector<std::string>& values);

} // namespace rivulet
