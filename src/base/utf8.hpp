// Text from peers and libraries made fit for JSON and logs. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rivulet {

// The length in bytes of the character that `text` begins with; 0 when it begins with none.
// Overlong forms, surrogates and what lies past U+10FFFF are none.
std::size_t utf8_character(std::string_view text);

// At most `limit` bytes of `text`, cut between two characters; every byte that is no part of a
// UTF-8 character becomes '?'.
std::string valid_utf8(std::string_view text, std::size_t limit = std::string_view::npos);

} // namespace rivulet
