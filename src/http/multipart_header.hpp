// The head of one part of a form: its lines, and the parameters of Content-Disposition (RFC 7578 4,
// RFC 6266 4, RFC 8187). Pure. Private to src/http.
// Fails with: protocol_violation and a text for the client.
#pragma once

#include "http/multipart.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::http {

// `text`: the lines with their CRLFs, without the blank one.
outcome<part_head> parse_part_head(std::string_view text);

// `form-data; name="a\"b"; filename*=UTF-8''x` → the value, in lower case, and its parameters in
// order, names in lower case. nullopt when it is malformed.
struct header_value {
    std::string value;
    std::vector<std::pair<std::string, std::string>> parameters;

    header_value() {}

    // The first of that name.
    const std::string* find(std::string_view name) const;
};

std::optional<header_value> parse_header_value(std::string_view text);

} // namespace rivulet::http
