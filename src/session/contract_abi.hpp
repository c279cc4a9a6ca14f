// Contract calls and what they return, in Ethereum's ABI: 32-byte words, big-endian. Only the few
// shapes that Livepeer's contracts need. Pure; every length is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::session {

// One word each. `address` has 20 bytes, `bytes32` has 32.
std::string abi_address(std::string_view address);
std::string abi_uint(std::uint64_t value);

// The word of a result by its position; nothing when the result is shorter or the word holds more
// than the type. An address comes as 20 bytes.
std::optional<std::string> abi_read_address(std::string_view result, std::size_t word = 0);
std::optional<std::uint64_t> abi_read_uint(std::string_view result, std::size_t word = 0);
std::optional<bool> abi_read_bool(std::string_view result, std::size_t word = 0);
// A word as it is: a uint256 or bytes32.
std::optional<std::string> abi_read_word(std::string_view result, std::size_t word = 0);
// A string whose offset is the word at this position; at most `most` bytes.
std::optional<std::string>
abi_read_string(std::string_view result, std::size_t word = 0, std::size_t most = 2'048);

} // namespace rivulet::session
