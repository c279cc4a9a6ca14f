#include "base/setting_value.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace rivulet {
namespace {

struct unit {
    std::string_view name;
    std::int64_t size;
};

// "ms" before "m": the longest name that fits is meant.
constexpr std::array<unit, 7> time_units{{
    {"ns", 1},
    {"us", 1'000},
    {"µs", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

constexpr std::array<unit, 8> byte_units{{
    {"B", 1},
    {"kB", 1'000},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"KiB", 1ll << 10},
    {"MiB", 1ll << 20},
    {"GiB", 1ll << 30},
}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
    Number value{};
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

} // namespace

std::optional<bool> parse_bool(std::string_view text) {
    // The spellings of Go's strconv.ParseBool.
    for (auto yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes)
            return true;
    for (auto no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no)
            return false;
    return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    return whole_number<std::int64_t>(text);
}

std::optional<duration> parse_duration(std::string_view text) {
    if (text == "0")
        return duration{0};
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+'))
        text.remove_prefix(1);
    if (text.empty())
        return std::nullopt;
    long double total = 0;
    while (!text.empty()) {
        std::size_t length = 0;
        while (length < text.size() && (is_digit(text[length]) || text[length] == '.'))
            ++length;
        double number = 0;
        const auto [end, ec] =
            std::from_chars(text.data(), text.data() + length, number, std::chars_format::fixed);
        if (length == 0 || ec != std::errc{} || end != text.data() + length)
            return std::nullopt;
        text.remove_prefix(length);
        const unit* found = nullptr;
        for (const auto& candidate : time_units)
            if (text.starts_with(candidate.name) &&
                (!found || candidate.name.size() > found->name.size()))
                found = &candidate;
        if (!found)
            return std::nullopt;
        text.remove_prefix(found->name.size());
        total += static_cast<long double>(number) * static_cast<long double>(found->size);
    }
    if (total >= static_cast<long double>(std::numeric_limits<std::int64_t>::max()))
        return std::nullopt;
    const auto count = static_cast<std::int64_t>(total + 0.5L);
    return std::chrono::nanoseconds(negative ? -count : count);
}

std::optional<std::uint64_t> parse_byte_count(std::string_view text) {
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits]))
        ++digits;
    const auto number = whole_number<std::uint64_t>(text.substr(0, digits));
    if (!number)
        return std::nullopt;
    const auto suffix = trimmed(text.substr(digits));
    if (suffix.empty())
        return number;
    for (const auto& candidate : byte_units) {
        if (suffix != candidate.name)
            continue;
        const auto size = static_cast<std::uint64_t>(candidate.size);
        if (*number > std::numeric_limits<std::uint64_t>::max() / size)
            return std::nullopt;
        return *number * size;
    }
    return std::nullopt;
}

std::vector<std::string> parse_list(std::string_view text) {
    std::vector<std::string> values;
    while (!text.empty()) {
        const auto comma = text.find(',');
        if (const auto item = trimmed(text.substr(0, comma)); !item.empty())
            values.emplace_back(item);
        text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
    }
    return values;
}

bool is_listen_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return false;
    const auto host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (!bracketed && host.find_first_of(":/[]@ ") != host.npos)
        return false;
    return whole_number<std::uint16_t>(text.substr(colon + 1)).has_value();
}

std::string format_duration(duration value) {
    auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(value).count();
    if (rest == 0)
        return "0";
    std::string text;
    if (rest < 0) {
        text = "-";
        rest = -rest;
    }
    for (auto [name, size] :
         {unit{"h", 3'600'000'000'000},
          unit{"m", 60'000'000'000},
          unit{"s", 1'000'000'000},
          unit{"ms", 1'000'000},
          unit{"us", 1'000},
          unit{"ns", 1}}) {
        if (rest / size > 0)
            text += fmt::format("{}{}", rest / size, name);
        rest %= size;
    }
    return text;
}

std::string format_byte_count(std::uint64_t value) {
    for (auto [name, size] :
         {unit{"GiB", 1ll << 30}, unit{"MiB", 1ll << 20}, unit{"KiB", 1ll << 10}})
        if (value > 0 && value % static_cast<std::uint64_t>(size) == 0)
            return fmt::format("{}{}", value / static_cast<std::uint64_t>(size), name);
    return fmt::format("{}", value);
}

std::string format_list(const std::vector<std::string>& values) {
    return fmt::format("{}", fmt::join(values, ","));
}

} // namespace rivulet
