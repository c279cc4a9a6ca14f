// One row of the settings table at work: naming, checking, storing, printing.
#include "base/setting_value.hpp"
#include "base/settings_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <type_traits>

namespace rivulet {
namespace {

failure bad_value(std::string_view text, std::string_view rest) {
    return {errc::invalid_argument, fmt::format("\"{}\" {}", text, rest)};
}

// The type behind a member pointer of settings.
template <class Member>
using value_of = std::remove_cvref_t<decltype(std::declval<settings&>().*std::declval<Member>())>;

std::string format_number(const setting& row, std::int64_t value) {
    if (std::holds_alternative<duration settings::*>(row.member))
        return format_duration(std::chrono::nanoseconds(value));
    if (std::holds_alternative<std::uint64_t settings::*>(row.member))
        return format_byte_count(static_cast<std::uint64_t>(value));
    return fmt::format("{}", value);
}

outcome<std::int64_t> in_range(const setting& row, std::string_view text, std::int64_t value) {
    if (value < row.low || value > row.high)
        return bad_value(text, "is out of range; it must be " + allowed_range(row));
    return value;
}

std::string level_name(log_level level) {
    switch (level) {
    case log_level::trace:
        return "trace";
    case log_level::debug:
        return "debug";
    case log_level::info:
        return "info";
    case log_level::warning:
        return "warn";
    case log_level::error:
        return "error";
    case log_level::off:
        return "off";
    }
    return "info";
}

bool is_choice(std::string_view choices, std::string_view text) {
    while (!choices.empty()) {
        const auto bar = choices.find('|');
        if (choices.substr(0, bar) == text)
            return true;
        choices.remove_prefix(bar == choices.npos ? choices.size() : bar + 1);
    }
    return false;
}

outcome<std::string> checked_text(const setting& row, std::string_view text) {
    if (!row.choices.empty() && !is_choice(row.choices, text))
        return bad_value(text, fmt::format("is not one of {}", row.choices));
    switch (row.form) {
    case text_form::any:
    case text_form::file:
    case text_form::folder:
        break;
    case text_form::optional_listen_address:
        if (text.empty())
            break;
        [[fallthrough]];
    case text_form::listen_address:
        if (!is_listen_address(text))
            return bad_value(
                text, "is not an address; write HOST:PORT, [IPV6]:PORT or :PORT for all interfaces"
            );
        break;
    case text_form::url_path:
        if (!text.starts_with('/') || text.find_first_of(" ?#%") != text.npos)
            return bad_value(text, "is not a path; it begins with / and holds no blank, ?, # or %");
        break;
    }
    return std::string(text);
}

std::string without_credentials(std::string url) {
    const auto scheme = url.find("://");
    const auto begin = scheme == url.npos ? 0 : scheme + 3;
    const auto end = std::min(url.find('/', begin), url.size());
    const auto at = url.rfind('@', end);
    if (at != url.npos && at >= begin && at < end)
        url.replace(begin, at - begin, "***");
    return url;
}

} // namespace

std::string environment_name(const setting& row) {
    std::string name = "LP_";
    for (char c : row.name)
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

std::string value_kind(const setting& row) {
    struct kind {
        const setting& row;

        std::string operator()(bool settings::*) const { return ""; }

        std::string operator()(std::int64_t settings::*) const { return "NUMBER"; }

        std::string operator()(std::uint64_t settings::*) const { return "BYTES"; }

        std::string operator()(duration settings::*) const { return "DURATION"; }

        std::string operator()(log_level settings::*) const { return "LEVEL"; }

        std::string operator()(std::vector<std::string> settings::*) const { return "LIST"; }

        std::string operator()(std::string settings::*) const {
            if (!row.choices.empty())
                return std::string(row.choices);
            switch (row.form) {
            case text_form::listen_address:
            case text_form::optional_listen_address:
                return "HOST:PORT";
            case text_form::url_path:
                return "PATH";
            case text_form::file:
                return "FILE";
            case text_form::folder:
                return "FOLDER";
            case text_form::any:
                break;
            }
            return "TEXT";
        }
    };

    return std::visit(kind{row}, row.member);
}

std::string format_value(const setting& row, const settings& values) {
    return std::visit(
        [&](auto member) -> std::string {
            const auto& value = values.*member;
            using value_type = std::remove_cvref_t<decltype(value)>;
            if constexpr (std::is_same_v<value_type, bool>)
                return value ? "true" : "false";
            else if constexpr (std::is_same_v<value_type, std::int64_t>)
                return fmt::format("{}", value);
            else if constexpr (std::is_same_v<value_type, std::uint64_t>)
                return format_byte_count(value);
            else if constexpr (std::is_same_v<value_type, duration>)
                return format_duration(value);
            else if constexpr (std::is_same_v<value_type, log_level>)
                return level_name(value);
            else if constexpr (std::is_same_v<value_type, std::string>)
                return value;
            else
                return format_list(value);
        },
        row.member
    );
}

std::string shown_value(const setting& row, const settings& values) {
    if (row.secret)
        return format_value(row, values).empty() ? "" : "***";
    if (const auto* list = std::get_if<std::vector<std::string> settings::*>(&row.member)) {
        auto items = values.*(*list);
        for (auto& item : items)
            item = without_credentials(std::move(item));
        return format_list(items);
    }
    return format_value(row, values);
}

std::string allowed_range(const setting& row) {
    if (!std::holds_alternative<std::int64_t settings::*>(row.member) &&
        !std::holds_alternative<std::uint64_t settings::*>(row.member) &&
        !std::holds_alternative<duration settings::*>(row.member))
        return "";
    if (row.high == std::numeric_limits<std::int64_t>::max())
        return fmt::format("at least {}", format_number(row, row.low));
    return fmt::format(
        "between {} and {}", format_number(row, row.low), format_number(row, row.high)
    );
}

outcome<void> assign(const setting& row, std::string_view text, settings& values) {
    return std::visit(
        [&](auto member) -> outcome<void> {
            auto& target = values.*member;
            using value_type = value_of<decltype(member)>;
            if constexpr (std::is_same_v<value_type, bool>) {
                const auto value = parse_bool(text);
                if (!value)
                    return bad_value(text, "is neither true nor false");
                target = *value;
            } else if constexpr (std::is_same_v<value_type, std::int64_t>) {
                const bool word = !row.zero_word.empty() && text == row.zero_word;
                const auto value = word ? std::optional<std::int64_t>(0) : parse_integer(text);
                if (!value)
                    return bad_value(text, "is not a whole number");
                auto checked = in_range(row, text, *value);
                if (!checked)
                    return checked.error();
                target = *checked;
            } else if constexpr (std::is_same_v<value_type, std::uint64_t>) {
                const auto value = parse_byte_count(text);
                if (!value)
                    return bad_value(
                        text, "is not a byte count; write for example 1048576, 64MiB or 10MB"
                    );
                const auto most = static_cast<std::uint64_t>(row.high);
                auto checked = in_range(
                    row,
                    text,
                    *value > most ? std::numeric_limits<std::int64_t>::max()
                                  : static_cast<std::int64_t>(*value)
                );
                if (!checked)
                    return checked.error();
                target = *value;
            } else if constexpr (std::is_same_v<value_type, duration>) {
                const auto value = parse_duration(text);
                if (!value)
                    return bad_value(
                        text, "is not a duration; write for example 1s, 250ms or 1m30s"
                    );
                auto checked = in_range(row, text, std::chrono::nanoseconds(*value).count());
                if (!checked)
                    return checked.error();
                target = *value;
            } else if constexpr (std::is_same_v<value_type, log_level>) {
                const auto number = parse_integer(text);
                const auto word =
                    number && *number > 6 ? std::string("6") : std::string(text); // -v 99 is common
                if (!parse_log_level(word, target))
                    return bad_value(
                        text, "is not a log level; write error, warn, info, debug, trace or 0 to 99"
                    );
            } else if constexpr (std::is_same_v<value_type, std::string>) {
                auto checked = checked_text(row, text);
                if (!checked)
                    return checked.error();
                target = std::move(*checked);
            } else {
                target = parse_list(text);
            }
            return {};
        },
        row.member
    );
}

} // namespace rivulet
