#include "base/options_parts.hpp"

#include "base/options.hpp"

#include <fmt/format.h>

#include <array>

namespace rivulet {
namespace {

constexpr std::array commands{
    command_about{
        command::gateway,
        "takes live video over WHIP, RTMP and SRT, has it transformed by an orchestrator (the "
        "built-in one unless -orchAddr is given) and serves the result"},
    command_about{command::worker, "runs the built-in orchestrator alone, for gateways elsewhere"},
    command_about{command::trickle, "runs a trickle server alone"},
};

constexpr std::array general{
    general_option{
        "config",
        "FILE",
        "Read settings from FILE: name value (or name=value) on each line, # for comments."},
    general_option{
        "printConfig", "", "Print every setting as it would be used, as a config file, and exit."},
    general_option{"version", "", "Print the version and exit."},
    general_option{"help", "", "Print this and exit."},
};

} // namespace

std::span<const command_about> command_abouts() {
    return commands;
}

std::span<const general_option> general_options() {
    return general;
}

std::string program_name(command which) {
    const auto word = command_word(which);
    return word.empty() ? "rivulet" : fmt::format("rivulet {}", word);
}

std::vector<std::string_view> groups_of(command which) {
    std::vector<std::string_view> groups;
    for (const auto& row : settings_table())
        if (row.belongs_to(which) && (groups.empty() || groups.back() != row.group))
            groups.push_back(row.group);
    return groups;
}

std::string sentence_of(const setting& row) {
    const auto initial = format_value(row, settings{});
    std::string text(row.help);
    if (!initial.empty() && !(row.is_switch() && initial == "false"))
        text += fmt::format(" (default {})", initial);
    return text;
}

} // namespace rivulet
