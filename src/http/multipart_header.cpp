#include "http/multipart_header.hpp"

#include "base/utf8.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <cctype>

namespace rivulet::http {
namespace {

std::string lower(std::string_view text) {
    std::string made(text);
    for (auto& c : made)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return made;
}

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

bool is_token(std::string_view text) {
    static constexpr std::string_view separators = "()<>@,;:\\\"/[]?={}";
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7f' && separators.find(c) == separators.npos;
    });
}

// A quoted string's text; `rest` is what follows it. Only quotes and backslashes are escaped:
// browsers of old put whole Windows paths there.
std::optional<std::string> unquote(std::string_view& rest) {
    std::string made;
    for (std::size_t i = 1; i < rest.size(); ++i) {
        const char c = rest[i];
        const bool escape =
            c == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\');
        if (c == '"') {
            rest.remove_prefix(i + 1);
            return made;
        }
        made += escape ? rest[++i] : c;
    }
    return std::nullopt;
}

std::string latin_1_to_utf8(std::string_view text) {
    std::string made;
    for (const char each : text) {
        const auto c = static_cast<unsigned char>(each);
        if (c < 0x80) {
            made += each;
        } else {
            made += static_cast<char>(0xc0 | (c >> 6));
            made += static_cast<char>(0x80 | (c & 0x3f));
        }
    }
    return made;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_character(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

// RFC 8187: charset'language'percent-encoded.
std::optional<std::string> decode_extended(std::string_view text) {
    const auto first = text.find('\'');
    const auto second = first == text.npos ? first : text.find('\'', first + 1);
    if (second == text.npos)
        return std::nullopt;
    const auto charset = lower(text.substr(0, first));
    auto plain = percent_decode(text.substr(second + 1));
    if (!plain)
        return std::nullopt;
    if (charset == "iso-8859-1")
        return latin_1_to_utf8(*plain);
    if (charset != "utf-8" || !is_utf8(*plain))
        return std::nullopt;
    return plain;
}

// No folders, and nothing that could forge a line where the name is written again.
std::string last_component(std::string name) {
    const auto cut = name.find_last_of("/\\");
    if (cut != name.npos)
        name.erase(0, cut + 1);
    std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
    return name;
}

failure malformed(std::string_view what) {
    return {errc::protocol_violation, "multipart: malformed part header: " + std::string(what)};
}

struct raw_headers {
    std::optional<std::string> disposition, content_type, encoding;

    raw_headers() {}
};

// The first of each counts.
outcome<raw_headers> cut_lines(std::string_view text) {
    raw_headers made;
    std::optional<std::string>* last = nullptr;
    bool any = false;
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        const auto line = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 2);
        if (line.find_first_of(std::string_view("\r\n\0", 3)) != line.npos)
            return malformed("a stray line break");
        if (!line.empty() && is_blank(line.front())) {
            if (!any)
                return malformed("it begins with a continuation");
            if (last) // folded
                last->value().append(" ").append(trimmed(line));
            continue;
        }
        any = true;
        const auto colon = line.find(':');
        if (colon == line.npos || !is_token(line.substr(0, colon)))
            return malformed("a line without a name");
        const auto name = lower(line.substr(0, colon));
        auto* to = name == "content-disposition"         ? &made.disposition
                   : name == "content-type"              ? &made.content_type
                   : name == "content-transfer-encoding" ? &made.encoding
                                                         : nullptr;
        last = to && !*to ? to : nullptr;
        if (last)
            *last = std::string(trimmed(line.substr(colon + 1)));
    }
    return made;
}

} // namespace

const std::string* header_value::find(std::string_view name) const {
    for (const auto& [each, value] : parameters)
        if (each == name)
            return &value;
    return nullptr;
}

std::optional<header_value> parse_header_value(std::string_view text) {
    header_value made;
    const auto end = text.find(';');
    const auto value = trimmed(text.substr(0, end));
    const auto slash = value.find('/');
    const bool fits = slash == value.npos
                          ? is_token(value)
                          : is_token(value.substr(0, slash)) && is_token(value.substr(slash + 1));
    if (!fits)
        return std::nullopt;
    made.value = lower(value);
    auto rest = end == text.npos ? std::string_view() : text.substr(end + 1);
    for (;;) {
        while (!rest.empty() && (is_blank(rest.front()) || rest.front() == ';'))
            rest.remove_prefix(1);
        if (rest.empty())
            return made;
        const auto equals = rest.find('=');
        if (equals == rest.npos)
            return std::nullopt;
        const auto name = trimmed(rest.substr(0, equals));
        rest = rest.substr(equals + 1);
        while (!rest.empty() && is_blank(rest.front()))
            rest.remove_prefix(1);
        std::string given;
        if (!rest.empty() && rest.front() == '"') {
            auto quoted = unquote(rest);
            if (!quoted)
                return std::nullopt;
            given = std::move(*quoted);
            const auto next = rest.find(';');
            if (!trimmed(rest.substr(0, next)).empty())
                return std::nullopt;
            rest.remove_prefix(std::min(next, rest.size()));
        } else {
            const auto next = rest.find(';');
            given = trimmed(rest.substr(0, next));
            rest.remove_prefix(std::min(next, rest.size()));
        }
        if (!is_token(name))
            return std::nullopt;
        made.parameters.emplace_back(lower(name), std::move(given));
    }
}

outcome<part_head> parse_part_head(std::string_view text) {
    auto lines = cut_lines(text);
    if (!lines)
        return lines.error();
    if (lines->encoding) {
        const auto encoding = lower(*lines->encoding);
        if (encoding != "binary" && encoding != "8bit" && encoding != "7bit")
            return failure(
                errc::protocol_violation,
                "multipart: parts must be sent as they are, not as " + encoding
            );
    }
    part_head made;
    made.content_type = lines->content_type.value_or("");
    if (!lines->disposition)
        return made;
    const auto disposition = parse_header_value(*lines->disposition);
    if (!disposition)
        return malformed("Content-Disposition");
    if (disposition->value != "form-data")
        return made;
    if (const auto* name = disposition->find("name"))
        made.name = *name;
    std::optional<std::string> filename;
    if (const auto* extended = disposition->find("filename*"))
        filename = decode_extended(*extended);
    if (const auto* plain = disposition->find("filename"); !filename && plain)
        filename = *plain;
    made.has_filename = filename.has_value();
    if (filename)
        made.filename = last_component(std::move(*filename));
    return made;
}

} // namespace rivulet::http
