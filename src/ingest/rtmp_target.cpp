#include "ingest/rtmp_target.hpp"

#include "base/hex.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace rivulet::ingest {
namespace {

constexpr std::size_t longest_name = 128;
constexpr std::size_t longest_address = 16u << 10;
constexpr std::size_t most_parameters = 64;

std::pair<std::string_view, std::string_view> split_at(std::string_view text, char mark) {
    const auto at = text.find(mark);
    if (at == std::string_view::npos)
        return {text, {}};
    return {text.substr(0, at), text.substr(at + 1)};
}

std::string_view trim_slashes(std::string_view text) {
    while (text.starts_with('/'))
        text.remove_prefix(1);
    while (text.ends_with('/'))
        text.remove_suffix(1);
    return text;
}

std::string_view last_component(std::string_view path) {
    path = trim_slashes(path);
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Players put the container in front of the name ("mp4:NAME").
std::string_view without_container(std::string_view name) {
    static constexpr std::array<std::string_view, 4> prefixes{"mp4:", "flv:", "f4v:", "mp3:"};
    for (auto prefix : prefixes)
        if (name.starts_with(prefix))
            return name.substr(prefix.size());
    return name;
}

std::string decoded_name(std::string_view path) {
    return percent_decoded(without_container(last_component(path)));
}

bool has_dot_component(std::string_view path) {
    while (!path.empty()) {
        auto [component, rest] = split_at(path, '/');
        if (component == "." || component == "..")
            return true;
        path = rest;
    }
    return false;
}

} // namespace

bool is_stream_name(std::string_view text) {
    if (text.empty() || text.size() > longest_name || text == "." || text == "..")
        return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    });
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high >= 0 && low >= 0) {
                out += static_cast<char>(high << 4 | low);
                i += 2;
                continue;
            }
        }
        out += text[i];
    }
    return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    auto decode = [](std::string_view part) {
        std::string spaced(part);
        std::replace(spaced.begin(), spaced.end(), '+', ' ');
        return percent_decoded(spaced);
    };
    while (!text.empty() && pairs.size() < most_parameters) {
        auto [part, rest] = split_at(text, '&');
        text = rest;
        if (part.empty())
            continue;
        auto [name, value] = split_at(part, '=');
        pairs.emplace_back(decode(name), decode(value));
    }
    return pairs;
}

outcome<rtmp_target>
resolve_rtmp_target(std::string_view app, std::string_view tc_url, std::string_view key) {
    if (app.size() + key.size() > longest_address || tc_url.size() > longest_address)
        return failure(errc::invalid_argument, "the address is too long");
    while (app.starts_with('/'))
        app.remove_prefix(1);
    while (key.starts_with('/'))
        key.remove_prefix(1);

    const auto [app_path, app_query] = split_at(app, '?');
    const auto [key_path, key_query] = split_at(key, '?');
    std::string path(trim_slashes(app_path));
    std::string query;
    auto add_query = [&](std::string_view more) {
        if (more.empty())
            return;
        if (!query.empty())
            query += '&';
        query += more;
    };
    if (!app_query.empty() && !key.empty() && !is_stream_name(decoded_name(key_path))) {
        // A slash inside the query made the client cut the address in the wrong place.
        add_query(std::string(app_query) + "/" + std::string(key));
    } else {
        add_query(app_query);
        if (!trim_slashes(key_path).empty()) {
            path += '/';
            path += trim_slashes(key_path);
        }
        add_query(key_query);
    }
    if (query.empty())
        add_query(split_at(tc_url, '?').second);

    const auto components = trim_slashes(path);
    if (has_dot_component(components) || has_dot_component(percent_decoded(components)))
        return failure(errc::invalid_argument, "the address has a '.' or '..' part");
    rtmp_target target;
    target.stream = decoded_name(components);
    if (!is_stream_name(target.stream))
        return failure(
            errc::invalid_argument,
            target.stream.empty() ? "no stream name: use rtmp://HOST/live/NAME"
                                  : "a stream name has 1 to 128 letters, digits, '.', '_' or '-'"
        );
    if (components.find('/') != std::string_view::npos)
        target.app = std::string(split_at(components, '/').first);
    target.query = parse_query(query);
    return target;
}

outcome<rtmp_url> parse_rtmp_url(std::string_view url) {
    rtmp_url parsed;
    auto fail = [](std::string text) { return failure(errc::invalid_argument, std::move(text)); };
    if (url.size() > longest_address)
        return fail("the address is too long");
    for (char c : url)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f)
            return fail("the address has blanks or control characters");
    std::string_view rest;
    if (url.starts_with("rtmp://"))
        rest = url.substr(7);
    else if (url.starts_with("rtmps://")) {
        rest = url.substr(8);
        parsed.secure = true;
        parsed.port = 443;
    } else
        return fail("only rtmp:// and rtmps:// addresses can be used here");
    auto [authority, path] = split_at(rest, '/');
    if (const auto at = authority.rfind('@'); at != std::string_view::npos)
        authority = authority.substr(at + 1);
    auto host = authority;
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto close = authority.find(']');
        if (close == std::string_view::npos)
            return fail("the address has a broken host");
        host = authority.substr(1, close - 1);
        port = authority.substr(close + 1);
        if (port.starts_with(':'))
            port.remove_prefix(1);
        else if (!port.empty())
            return fail("the address has a broken host");
    } else if (const auto colon = authority.find(':'); colon != std::string_view::npos) {
        host = authority.substr(0, colon);
        port = authority.substr(colon + 1);
    }
    if (host.empty())
        return fail("the address has no host");
    if (!port.empty()) {
        unsigned value = 0;
        auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), value);
        if (ec != std::errc() || end != port.data() + port.size() || value == 0 || value > 65535)
            return fail("the address has a broken port");
        parsed.port = static_cast<std::uint16_t>(value);
    }
    // The key is the last path component; slashes inside a query do not count.
    const auto question = path.find('?');
    const auto path_only = path.substr(0, question);
    const auto slash = path_only.rfind('/');
    if (slash == std::string_view::npos)
        parsed.app = std::string(path);
    else {
        parsed.app = std::string(path.substr(0, slash));
        parsed.key = std::string(path.substr(slash + 1));
    }
    if (trim_slashes(path_only).empty())
        return fail("the address has no stream name");
    parsed.host = std::string(host);
    const std::string shown_host =
        host.find(':') != std::string_view::npos ? "[" + parsed.host + "]" : parsed.host;
    const std::string base = std::string(parsed.secure ? "rtmps://" : "rtmp://") + shown_host +
                             ":" + std::to_string(parsed.port) + "/";
    parsed.tc_url = base + parsed.app;
    parsed.shown = slash == std::string_view::npos
                       ? base + "…"
                       : base + std::string(split_at(parsed.app, '?').first) + "/…";
    return parsed;
}

} // namespace rivulet::ingest
