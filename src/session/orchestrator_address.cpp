#include "session/orchestrator_address.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {
namespace {

constexpr std::string_view default_host = "127.0.0.1";
constexpr std::string_view default_port = "8935";

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool has_scheme(std::string_view url) {
    return boost::algorithm::istarts_with(url, "http://") ||
           boost::algorithm::istarts_with(url, "https://");
}

// What an error message may quote of a peer's text.
std::string shown(std::string_view text) {
    std::string out(text.substr(0, 120));
    std::ranges::replace_if(
        out, [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?'
    );
    return text.size() > 120 ? out + "…" : out;
}

} // namespace

outcome<std::string> orchestrator_base(std::string_view address) {
    const auto text = trim(address);
    std::string scheme = "https";
    auto rest = text;
    if (const auto at = text.find("://"); at != std::string_view::npos) {
        if (!has_scheme(text))
            return failure(
                errc::invalid_argument,
                fmt::format("orchestrator '{}': only http:// and https:// are known", shown(text))
            );
        scheme = boost::algorithm::istarts_with(text, "https") ? "https" : "http";
        rest = text.substr(at + 3);
        if (rest.empty() || rest.front() == '/')
            return failure(
                errc::invalid_argument,
                fmt::format("orchestrator '{}': there is no host behind the scheme", shown(text))
            );
    }
    const auto slash = std::min(rest.find('/'), rest.size());
    auto authority = std::string(rest.substr(0, slash));
    auto path = std::string(rest.substr(slash));
    while (path.ends_with('/'))
        path.pop_back();
    if (rest.find('#') != std::string_view::npos)
        return failure(
            errc::invalid_argument,
            fmt::format("orchestrator '{}': a fragment makes no sense here", shown(text))
        );
    // "::1" would be a missing host with the port ":1".
    const auto host = authority.rfind('@') + 1; // user names are refused by the parser below
    if (authority.find('[') == std::string::npos &&
        std::count(authority.begin() + static_cast<std::ptrdiff_t>(host), authority.end(), ':') > 1)
        return failure(
            errc::invalid_argument,
            fmt::format(
                "orchestrator '{}': an IPv6 address stands in brackets, [::1]:8935", shown(text)
            )
        );
    if (authority.empty() || authority.front() == ':')
        authority.insert(0, default_host);
    const auto bracket = authority.rfind(']');
    const auto colon = authority.rfind(':');
    const bool has_port = colon != std::string::npos && colon >= host &&
                          (bracket == std::string::npos || colon > bracket);
    if (!has_port)
        authority += fmt::format(":{}", default_port);
    else if (authority.find_first_not_of("0123456789", colon + 1) != std::string::npos)
        return failure(
            errc::invalid_argument,
            fmt::format("orchestrator '{}': the port is not a number", shown(text))
        );
    auto url = fmt::format("{}://{}{}", scheme, authority, path);
    if (auto parsed = http::parse_http_url(url); !parsed || !parsed->query.empty())
        return failure(
            errc::invalid_argument,
            fmt::format(
                "orchestrator '{}': {}",
                shown(text),
                parsed ? "a query makes no sense here" : parsed.error().detail
            )
        );
    return url;
}

outcome<std::vector<std::string>> orchestrator_bases(const std::vector<std::string>& addresses) {
    std::vector<std::string> out;
    for (std::string_view list : addresses) {
        while (!list.empty()) {
            const auto comma = std::min(list.find(','), list.size());
            const auto item = trim(list.substr(0, comma));
            list.remove_prefix(std::min(comma + 1, list.size()));
            if (item.empty())
                continue;
            auto base = orchestrator_base(item);
            if (!base)
                return base.error();
            if (std::ranges::find(out, *base) == out.end())
                out.push_back(std::move(*base));
        }
    }
    return out;
}

outcome<std::string>
resolve_channel_url(std::string_view base, std::string_view url, channel_hosts hosts) {
    if (url.empty())
        return failure(errc::invalid_argument, "an empty URL");
    std::string absolute;
    if (has_scheme(url))
        absolute = url;
    else if (url.starts_with("//"))
        absolute = std::string(base.substr(0, base.find("//"))) + std::string(url);
    else
        absolute = std::string(base) + (url.front() == '/' ? "" : "/") + std::string(url);
    const auto own = http::parse_http_url(base);
    const auto parsed = http::parse_http_url(absolute);
    if (!own)
        return own.error();
    if (!parsed)
        return failure(
            errc::invalid_argument, fmt::format("'{}': {}", shown(url), parsed.error().detail)
        );
    if (hosts == channel_hosts::own && !boost::algorithm::iequals(parsed->host, own->host))
        return failure(
            errc::invalid_argument,
            fmt::format("'{}' is on another host than the orchestrator, {}", shown(url), own->host)
        );
    return absolute;
}

} // namespace rivulet::session
