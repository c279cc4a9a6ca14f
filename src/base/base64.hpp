// Standard base64 with padding, one line: how the network's headers carry protobuf, and data URLs
// their media. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rivulet {

std::string to_base64(std::string_view raw);
// Nothing when the text is not exactly such an encoding.
std::optional<std::string> from_base64(std::string_view text);

} // namespace rivulet
