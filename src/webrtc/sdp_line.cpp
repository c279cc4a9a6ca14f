#include "webrtc/sdp_line.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::webrtc {
namespace {

// Ten times what a browser sends; bounds the searches over an offer's lines.
constexpr std::size_t max_lines = 4096;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto value = static_cast<unsigned char>(c);
        return (value < 0x20 && value != '\t') || value == 0x7f;
    });
}

bool good_credential(std::string_view text, std::size_t at_least) {
    return text.size() >= at_least && text.size() <= 256 &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return c > 0x20 && c < 0x7f && c != ':';
           });
}

} // namespace

outcome<std::vector<sdp_line>> split_lines(std::string_view text) {
    std::vector<sdp_line> lines;
    std::size_t number = 0;
    while (!text.empty()) {
        if (++number > max_lines)
            return failure(errc::invalid_argument, "the SDP has more than 4096 lines");
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.empty())
            continue;
        if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z')
            return failure(
                errc::invalid_argument, fmt::format("this is not SDP: line {} is not x=…", number)
            );
        if (has_control_character(line))
            return failure(
                errc::invalid_argument,
                fmt::format("this is not SDP: line {} holds control characters", number)
            );
        lines.push_back({line[0], line.substr(2)});
    }
    return lines;
}

sdp_attribute split_attribute(std::string_view line_value) {
    const auto colon = line_value.find(':');
    if (colon == std::string_view::npos)
        return {trimmed(line_value), {}};
    return {line_value.substr(0, colon), trimmed(line_value.substr(colon + 1))};
}

std::string_view take_word(std::string_view& rest) {
    const auto begin = std::min(rest.find_first_not_of(" \t"), rest.size());
    const auto end = std::min(rest.find_first_of(" \t", begin), rest.size());
    const auto word = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    return word;
}

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::string lower_case(std::string_view text) {
    std::string made(text);
    std::transform(made.begin(), made.end(), made.begin(), lower);
    return made;
}

bool same_without_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return lower(x) == lower(y);
    });
}

std::optional<std::uint32_t> decimal(std::string_view text, std::uint32_t max) {
    if (text.empty() || text.size() > 10)
        return {};
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return {};
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value > max)
        return {};
    return static_cast<std::uint32_t>(value);
}

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool good_ufrag(std::string_view text) {
    return good_credential(text, 4);
}

bool good_password(std::string_view text) {
    return good_credential(text, 22);
}

} // namespace rivulet::webrtc
