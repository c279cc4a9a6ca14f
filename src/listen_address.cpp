#include "listen_address.hpp"

#include <fmt/core.h>

#include <charconv>
#include <optional>

namespace rivulet {
namespace {

std::optional<std::uint16_t> port_number(std::string_view text) {
    std::uint16_t port = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, ec] = std::from_chars(text.data(), end, port);
    if (ec != std::errc() || stop != end)
        return {};
    return port;
}

} // namespace

outcome<listen_address> parse_listen_address(std::string_view text, bool range) {
    const failure bad(
        errc::invalid_argument,
        fmt::format(
            "'{}' is not an address to listen on; HOST:PORT{} is wanted",
            text,
            range ? " or HOST:FIRST-LAST" : ""
        )
    );
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return bad;
    listen_address out;
    auto ports = text.substr(colon + 1);
    const auto hyphen = range ? ports.find('-') : ports.npos;
    const auto first = port_number(ports.substr(0, hyphen));
    const auto last = hyphen == ports.npos ? first : port_number(ports.substr(hyphen + 1));
    if (!first || !last || *last < *first || (hyphen != ports.npos && *first == 0))
        return bad;
    out.first_port = *first;
    out.last_port = *last;
    out.host = text.substr(0, colon);
    if (out.host.size() > 1 && out.host.front() == '[' && out.host.back() == ']')
        out.host = out.host.substr(1, out.host.size() - 2);
    if (out.host.empty())
        out.host = "0.0.0.0";
    return out;
}

} // namespace rivulet
