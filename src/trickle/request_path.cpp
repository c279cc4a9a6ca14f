#include "trickle/request_path.hpp"

#include "http/target.hpp"

#include <charconv>

namespace rivulet::trickle {

std::optional<request_path> parse_request_path(std::string_view rest) {
    const auto slash = rest.find('/');
    auto name = http::percent_decode(rest.substr(0, slash));
    if (!name || name->empty())
        return std::nullopt;
    request_path parsed{std::move(*name), std::nullopt};
    if (slash == std::string_view::npos)
        return parsed;
    auto item = http::percent_decode(rest.substr(slash + 1));
    if (!item || item->empty() || rest.find('/', slash + 1) != std::string_view::npos)
        return std::nullopt;
    parsed.item = std::move(*item);
    return parsed;
}

std::optional<std::int64_t> parse_seq(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-'))
            return std::nullopt;
    }
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace rivulet::trickle
