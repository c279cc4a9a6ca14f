#include "live/form_fields.hpp"

#include "http/target.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <optional>

namespace rivulet::live {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::size_t boundary_bytes = 70; // RFC 2046

failure bad(std::string text) {
    return {errc::invalid_argument, std::move(text)};
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == text.npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) {
        return std::tolower(x) == std::tolower(y);
    });
}

// The value of `name` in `; name=value; other="quoted \" value"`.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
    auto at = header.find(';');
    while (at != header.npos) {
        header.remove_prefix(at + 1);
        const auto equals = header.find_first_of("=;");
        if (equals == header.npos)
            return std::nullopt;
        if (header[equals] == ';') {
            at = equals;
            continue;
        }
        const bool wanted = same(trimmed(header.substr(0, equals)), name);
        header.remove_prefix(equals + 1);
        header.remove_prefix(std::min(header.find_first_not_of(" \t"), header.size()));
        std::string value;
        if (header.starts_with('"')) {
            std::size_t i = 1;
            for (; i < header.size() && header[i] != '"'; ++i) {
                if (header[i] == '\\' && i + 1 < header.size())
                    ++i;
                value += header[i];
            }
            header.remove_prefix(std::min(i + 1, header.size()));
        } else {
            value = trimmed(header.substr(0, header.find(';')));
        }
        if (wanted)
            return value;
        at = header.find(';');
    }
    return std::nullopt;
}

// The name of a part, from its header lines.
std::optional<std::string> part_name(std::string_view head) {
    while (!head.empty()) {
        const auto line = head.substr(0, head.find(line_end));
        head.remove_prefix(std::min(line.size() + line_end.size(), head.size()));
        const auto colon = line.find(':');
        if (colon != line.npos && same(trimmed(line.substr(0, colon)), "Content-Disposition"))
            return parameter(line.substr(colon + 1), "name");
    }
    return std::nullopt;
}

outcome<field_list> parse_multipart(std::string_view boundary, std::string_view body) {
    const auto separator = "\r\n--" + std::string(boundary);
    field_list fields;
    // The first separator may lack its line break; what comes before it is a preamble.
    std::size_t at = 0;
    if (!body.starts_with(std::string_view(separator).substr(line_end.size()))) {
        at = body.find(separator);
        if (at == body.npos)
            return bad("the multipart body has no part");
        at += line_end.size();
    }
    at += separator.size() - line_end.size();
    for (;;) {
        const auto rest = body.substr(at);
        if (rest.starts_with("--"))
            return fields;
        const auto line = rest.find(line_end);
        if (line == rest.npos || !trimmed(rest.substr(0, line)).empty())
            return bad("the multipart body ends without its last boundary");
        // From the line break on: a part without header lines has an empty line at once.
        const auto head_end = rest.find("\r\n\r\n", line);
        const auto begin = head_end + 4;
        const auto end = head_end == rest.npos ? rest.npos : rest.find(separator, head_end + 2);
        if (end == rest.npos)
            return bad("the multipart body ends without its last boundary");
        const auto head = rest.substr(line, head_end - line);
        auto name = part_name(head.substr(std::min(line_end.size(), head.size())));
        if (!name)
            return bad("a part of the multipart body has no name");
        if (fields.size() == most_form_fields)
            return failure(
                errc::too_large, fmt::format("the form has more than {} fields", most_form_fields)
            );
        // An empty value may share its line break with the header's.
        const auto value = end < begin ? std::string_view() : rest.substr(begin, end - begin);
        fields.emplace_back(std::move(*name), value);
        at += end + separator.size();
    }
}

} // namespace

outcome<field_list> parse_form(std::string_view content_type, std::string_view body) {
    const auto type = trimmed(content_type.substr(0, content_type.find(';')));
    if (same(type, "multipart/form-data")) {
        const auto boundary = parameter(content_type, "boundary");
        if (!boundary || boundary->empty() || boundary->size() > boundary_bytes)
            return bad("multipart/form-data without a usable boundary");
        return parse_multipart(*boundary, body);
    }
    if (!type.empty() && !same(type, "application/x-www-form-urlencoded"))
        return bad("a form is wanted: multipart/form-data or application/x-www-form-urlencoded");
    if (static_cast<std::size_t>(std::ranges::count(body, '&')) >= most_form_fields)
        return failure(
            errc::too_large, fmt::format("the form has more than {} fields", most_form_fields)
        );
    return http::parse_query(body);
}

} // namespace rivulet::live
