#include "http/target.hpp"

#include "base/hex.hpp"

namespace rivulet::http {
namespace {

std::string form_decode(std::string_view text) {
    std::string plain(text);
    for (char& c : plain)
        if (c == '+')
            c = ' ';
    return percent_decode(plain).value_or(plain);
}

// The next segment of `rest` ("/a/b" → "a", rest "/b"); false at the end.
bool take_segment(std::string_view& rest, std::string_view& segment) {
    if (rest.empty())
        return false;
    rest.remove_prefix(1);
    const auto end = rest.find('/');
    segment = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
    return true;
}

} // namespace

split_target split(std::string_view target) {
    if (target.starts_with("http://") || target.starts_with("https://")) {
        const auto path = target.find('/', target.find("//") + 2);
        target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    }
    target = target.substr(0, target.find('#'));
    const auto mark = target.find('?');
    if (mark == std::string_view::npos)
        return {target, {}};
    return {target.substr(0, mark), target.substr(mark + 1)};
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += text[i];
            continue;
        }
        if (i + 2 >= text.size())
            return std::nullopt;
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0)
            return std::nullopt;
        plain += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return plain;
}

std::string percent_encode(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            encoded += c;
        } else {
            encoded += '%';
            encoded += digits[static_cast<unsigned char>(c) >> 4];
            encoded += digits[static_cast<unsigned char>(c) & 15];
        }
    }
    return encoded;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> pairs;
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto item = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
        if (item.empty())
            continue;
        const auto equals = item.find('=');
        const auto value =
            equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1);
        pairs.emplace_back(form_decode(item.substr(0, equals)), form_decode(value));
    }
    return pairs;
}

std::optional<std::map<std::string, std::string, std::less<>>>
match_pattern(std::string_view pattern, std::string_view path) {
    std::map<std::string, std::string, std::less<>> params;
    std::string_view wanted, found;
    for (;;) {
        const bool more_pattern = take_segment(pattern, wanted);
        const bool more_path = take_segment(path, found);
        if (more_pattern != more_path)
            return std::nullopt;
        if (!more_pattern)
            return params;
        if (wanted.starts_with('{') && wanted.ends_with('}')) {
            auto value = percent_decode(found);
            if (!value || value->empty())
                return std::nullopt;
            params.emplace(wanted.substr(1, wanted.size() - 2), std::move(*value));
        } else if (wanted != found) {
            return std::nullopt;
        }
    }
}

} // namespace rivulet::http
