// What may stand in a log line of a text that comes from a URL. Pure.
#pragma once

#include <string>
#include <string_view>

namespace rivulet {

// A hex number of 32 digits and more is a capability: who knows a channel of the trickle door may
// use it. Of such a number only the first 8 digits are kept, enough to tell one from another.
std::string log_safe(std::string_view text);

} // namespace rivulet
