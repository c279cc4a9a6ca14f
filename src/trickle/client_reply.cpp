#include "trickle/client_reply.hpp"

#include <algorithm>
#include <charconv>

namespace rivulet::trickle {

std::optional<std::int64_t> to_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size() || text.empty())
        return std::nullopt;
    return value;
}

std::string first_line(std::string text) {
    text.resize(std::min(text.find_first_of("\r\n"), std::min<std::size_t>(text.size(), 200)));
    return text;
}

} // namespace rivulet::trickle
