#include "base/options_text.hpp"

#include "base/options_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace rivulet {
namespace {

constexpr std::size_t help_column = 30;
constexpr std::size_t help_width = 96;

// Breaks `text` at blanks; lines after the first begin with `indent` blanks.
std::string wrapped(std::string_view text, std::size_t first_column, std::size_t indent) {
    std::string lines;
    std::size_t column = first_column;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        const auto word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (column + word.size() > help_width && column > indent) {
            lines.back() = '\n';
            lines.append(indent, ' ');
            column = indent;
        }
        lines += word;
        column += word.size() + 1;
        if (!text.empty())
            lines += ' ';
    }
    return lines;
}

std::string help_row(std::string_view left, std::string_view help) {
    std::string line = fmt::format("  {}", left);
    if (line.size() + 2 > help_column)
        line += '\n' + std::string(help_column, ' ');
    else
        line.append(help_column - line.size(), ' ');
    return line + wrapped(help, help_column, help_column) + '\n';
}

std::string left_of(std::string_view name, std::string_view alias, std::string_view kind) {
    auto left = fmt::format("-{}", name);
    if (!alias.empty())
        left += fmt::format(", -{}", alias);
    if (!kind.empty())
        left += fmt::format(" {}", kind);
    return left;
}

} // namespace

std::string help_text(command which) {
    std::string text;
    for (const auto& each : command_abouts()) {
        if (each.which != which)
            continue;
        const auto name = program_name(which);
        const auto lead = fmt::format("{} ", name);
        text += lead + wrapped(each.about, lead.size(), 0) + ".\n\n";
        text += fmt::format("Usage: {} [-name value | -name=value | --name=value] ...\n", name);
    }
    if (which == command::gateway) {
        text += "\nOther commands (each has its own -help)\n";
        for (const auto& each : command_abouts())
            if (each.which != which)
                text += help_row(program_name(each.which), std::string(each.about) + ".");
        text += help_row("rivulet hash-key", std::string(hash_key_help) + ".");
    }
    for (auto group : groups_of(which)) {
        text += fmt::format("\n{}\n", group);
        for (const auto& row : settings_table())
            if (row.group == group && row.belongs_to(which))
                text += help_row(left_of(row.name, row.alias, value_kind(row)), sentence_of(row));
    }
    text += "\nGeneral\n";
    for (const auto& each : general_options())
        text += help_row(left_of(each.name, "", each.kind), each.help);
    text += "\nEvery setting is also read from the environment: LP_ and its name in capitals "
            "(LP_HTTPADDR).\nThe command line is stronger than the environment, that than the "
            "config file.\n";
    return text;
}

std::string help_markdown() {
    std::string text = R"(# Options

<!-- Made by `rivulet -helpMarkdown` from src/base/settings_table.cpp; do not edit. -->

A setting is given on the command line (`-name value`, `-name=value`, one dash or two; a switch needs
no value and is turned off by `-name=false`), in the environment, or in a file named by `-config FILE`
(a `name value` or `name=value` a line, `#` begins a comment, a bare name means true). The command line
is stronger than the environment, the environment than the file. An unknown name is an error.

Durations are written as Go writes them (`250ms`, `1s`, `1m30s`), byte counts as a number with an
optional unit (`1048576`, `64MiB`, `10MB`).

`rivulet -printConfig` prints what would be used, `-helpMan` the manual page, `-helpBash`, `-helpZsh` and
`-helpFish` a completion script. `-help` and `-version` explain themselves.
)";
    for (const auto& each : command_abouts()) {
        text += fmt::format(
            "\n## `{}`\n\n`{}` {}.\n",
            program_name(each.which),
            program_name(each.which),
            each.about
        );
        for (auto group : groups_of(each.which)) {
            text += fmt::format(
                "\n### {}\n\n| option | value | default | environment | meaning |\n"
                "| --- | --- | --- | --- | --- |\n",
                group
            );
            for (const auto& row : settings_table()) {
                if (row.group != group || !row.belongs_to(each.which))
                    continue;
                auto names = fmt::format("`-{}`", row.name);
                if (!row.alias.empty())
                    names += fmt::format(", `-{}`", row.alias);
                auto variables = fmt::format("`{}`", environment_name(row));
                if (!row.old_env.empty())
                    variables += fmt::format(
                        ", `{}`{}", row.old_env, row.present_means_true ? " (any text)" : ""
                    );
                auto kind = row.is_switch() ? std::string("true or false") : value_kind(row);
                if (const auto range = allowed_range(row); !range.empty())
                    kind += ", " + range;
                for (auto bar = kind.find('|'); bar != kind.npos; bar = kind.find('|', bar + 2))
                    kind.replace(bar, 1, "\\|");
                const auto initial = format_value(row, settings{});
                text += fmt::format(
                    "| {} | {} | {} | {} | {} |\n",
                    names,
                    kind,
                    initial.empty() ? "" : fmt::format("`{}`", initial),
                    variables,
                    row.help
                );
            }
        }
    }
    text += R"(
## Options of go-livepeer that Rivulet does not use

They are accepted, so that an existing command line starts, and each one given is named in the log
with the reason.

| option | reason |
| --- | --- |
)";
    for (const auto& flag : foreign_flags())
        text += fmt::format("| `-{}` | {} |\n", flag.name, flag.reason);
    text += "\nOf the reference's environment variables without an option these are ignored in the "
            "same "
            "way:\n\n| variable | reason |\n| --- | --- |\n";
    for (const auto& variable : foreign_variables())
        text += fmt::format("| `{}` | {} |\n", variable.name, variable.reason);
    return text;
}

std::string config_text(command which, const settings& values) {
    std::string text = fmt::format("# {}\n", program_name(which));
    for (auto group : groups_of(which)) {
        text += fmt::format("\n# {}\n", group);
        for (const auto& row : settings_table()) {
            if (row.group != group || !row.belongs_to(which))
                continue;
            const auto shown = shown_value(row, values);
            const bool hidden = shown != format_value(row, values);
            text += fmt::format("{}{}={}\n", hidden ? "# " : "", row.name, shown);
        }
    }
    return text;
}

} // namespace rivulet
