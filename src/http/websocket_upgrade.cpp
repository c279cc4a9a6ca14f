#include "http/websocket_upgrade.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace rivulet::http {
namespace {

constexpr std::size_t extension_bytes = 512;
constexpr int smallest_window = 9; // zlib has no raw deflate of 256 bytes
constexpr int largest_window = 15;

bool has_token(
    const beast_http::request_header<>& header, beast_http::field name, std::string_view token
) {
    const auto [first, last] = header.equal_range(name);
    return std::any_of(first, last, [token](const auto& line) {
        return beast_http::token_list(line.value()).exists(token);
    });
}

// 16 bytes in base 64.
bool good_key(std::string_view key) {
    static constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key.size() == 24 && key.ends_with("==") &&
           key.substr(0, 22).find_first_not_of(letters) == std::string_view::npos;
}

std::optional<int> window_bits(std::string_view text) {
    int bits = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (ec != std::errc() || end != text.data() + text.size() || bits < smallest_window ||
        bits > largest_window)
        return std::nullopt;
    return bits;
}

// Cuts the text before `mark` off `rest`, without the spaces around it.
std::string_view next_part(std::string_view& rest, char mark) {
    const auto end = rest.find(mark);
    auto part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const auto first = part.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return part.substr(first, part.find_last_not_of(" \t") - first + 1);
}

// One offer in our words; empty when a parameter is not understood, as RFC 7692 (7.1) wants.
std::string deflate_in_our_words(std::string_view parameters) {
    std::string offer = "permessage-deflate";
    while (!parameters.empty()) {
        auto value = next_part(parameters, ';');
        const auto name = next_part(value, '=');
        const auto is = [name](std::string_view one) { return boost::beast::iequals(name, one); };
        if (is("server_no_context_takeover") && value.empty()) {
            offer += "; server_no_context_takeover";
        } else if (is("client_no_context_takeover") && value.empty()) {
            offer += "; client_no_context_takeover";
        } else if (is("client_max_window_bits") && value.empty()) {
            offer += "; client_max_window_bits";
        } else if (is("client_max_window_bits") || is("server_max_window_bits")) {
            const auto bits = window_bits(value);
            if (!bits)
                return {};
            offer += is("client_max_window_bits") ? "; client_max_window_bits="
                                                  : "; server_max_window_bits=";
            offer += std::to_string(*bits);
        } else {
            return {};
        }
    }
    return offer;
}

struct authority {
    std::string host;
    std::string port;
};

// "Example.org:80" and "example.org" are the same place when 80 is the scheme's port.
authority split_authority(std::string_view text, std::string_view default_port) {
    authority out;
    const auto colon = text.rfind(':');
    const auto bracket = text.rfind(']'); // of an IPv6 address
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
    out.host = text.substr(0, has_port ? colon : text.size());
    out.port = has_port ? text.substr(colon + 1) : default_port;
    std::ranges::transform(out.host, out.host.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

} // namespace

bool wants_websocket(const beast_http::request_header<>& header) {
    return has_token(header, beast_http::field::upgrade, "websocket");
}

std::string deflate_offer(std::string_view extensions) {
    if (extensions.size() > extension_bytes)
        return {};
    while (!extensions.empty()) {
        auto parameters = next_part(extensions, ',');
        if (!boost::beast::iequals(next_part(parameters, ';'), "permessage-deflate"))
            continue;
        if (auto offer = deflate_in_our_words(parameters); !offer.empty())
            return offer;
    }
    return {};
}

outcome<websocket_offer> check_upgrade(const beast_http::request_header<>& header) {
    const auto bad = [](std::string_view why) {
        return failure(errc::invalid_argument, fmt::format("not a WebSocket handshake: {}", why));
    };
    if (header.method() != verb::get)
        return bad("the method is not GET");
    if (header.version() < 11)
        return bad("HTTP/1.1 is wanted");
    if (!has_token(header, beast_http::field::connection, "upgrade"))
        return bad("there is no Connection: Upgrade");
    const auto value = [&header](beast_http::field name) {
        const auto found = header.find(name);
        return found == header.end() ? std::string_view() : std::string_view(found->value());
    };
    if (value(beast_http::field::sec_websocket_version) != "13")
        return failure(errc::unsupported, "only version 13 of the WebSocket protocol is spoken");
    websocket_offer offer;
    offer.key = value(beast_http::field::sec_websocket_key);
    if (!good_key(offer.key))
        return bad("Sec-WebSocket-Key is not 16 bytes in base 64");
    std::string extensions;
    const auto [first, last] = header.equal_range(beast_http::field::sec_websocket_extensions);
    for (auto line = first; line != last; ++line) {
        extensions += extensions.empty() ? "" : ", ";
        extensions += line->value();
    }
    offer.deflate = deflate_offer(extensions);
    return offer;
}

std::string upgrade_request(const websocket_offer& offer) {
    auto text = fmt::format(
        "GET / HTTP/1.1\r\nHost: rivulet\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
        offer.key
    );
    if (!offer.deflate.empty())
        text += "Sec-WebSocket-Extensions: " + offer.deflate + "\r\n";
    return text + "\r\n";
}

bool same_origin(std::string_view origin, std::string_view host) {
    const auto scheme_end = origin.find("://");
    if (scheme_end == std::string_view::npos || host.empty())
        return false; // "null" among them
    // The scheme itself may differ: a proxy in front may have ended the TLS.
    const std::string_view port = origin.starts_with("https:") ? "443" : "80";
    const auto page = split_authority(origin.substr(scheme_end + 3), port);
    const auto here = split_authority(host, port);
    return page.host == here.host && page.port == here.port;
}

} // namespace rivulet::http
