// Keccak-256 as Ethereum uses it (the original padding, not SHA-3's), and addresses as people write
// them. Pure.
#pragma once

#include "base/hex.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::session {

using hash256 = std::array<std::uint8_t, 32>;

hash256 keccak256(std::string_view bytes);

// The first four bytes of the hash of "getTranscoder(address)": how a contract's function is named.
std::string function_selector(std::string_view signature);

// Bytes as lower-case hex, without 0x.
using rivulet::to_hex;
// Hex of either case, "0x" or not; nothing when it is no hex or has an odd count of digits.
std::optional<std::string> from_hex(std::string_view text);

// "0x…" with the capitals of EIP-55; empty when `address` is not 20 bytes.
std::string checksum_address(std::string_view address);
// 20 bytes from "0x…", "0X…" or bare hex of any case with blanks around; nothing otherwise.
std::optional<std::string> parse_address(std::string_view text);

} // namespace rivulet::session
