// Addresses to listen on, as settings write them. Pure.
// Fails with invalid_argument and a text that shows the address.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet {

struct listen_address {
    std::string host; // "0.0.0.0" when the text names none
    std::uint16_t first_port = 0, last_port = 0;
};

// "HOST:PORT", "[v6]:PORT", ":PORT"; with `range` also "HOST:FIRST-LAST".
outcome<listen_address> parse_listen_address(std::string_view text, bool range = false);

} // namespace rivulet
