// An absolute http:// or https:// address, split into what a connection and a request need.
// Thread: a value. Fails with: invalid_argument, and a text that says what is wrong with it.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::http {

struct http_url {
    bool secure = false;
    std::string host;       // without the brackets of an IPv6 literal
    std::uint16_t port = 0; // filled in from the scheme when absent
    std::string authority;  // what the Host header says
    std::string path;       // at least "/", still percent-encoded
    std::string query;      // without '?', may be empty

    std::string target() const { return query.empty() ? path : path + '?' + query; }

    // "HOST:PORT", for messages and for telling peers apart.
    std::string endpoint() const;

    // The same peer, one path segment further: "http://h/a" + "7" is "http://h/a/7".
    http_url operator/(std::string_view segment) const;
};

// The whole address again.
std::string to_text(const http_url& url);

// User names and passwords in the address are refused: they would end up in logs.
outcome<http_url> parse_http_url(std::string_view text);

} // namespace rivulet::http
