// What all pages made from the settings table begin with: the commands, the options that are no
// settings, the groups. Pure.
#pragma once

#include "base/settings_table.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet {

struct command_about {
    command which;
    std::string_view about; // goes on after the command's name: "runs …", no full stop
};

std::span<const command_about> command_abouts();

// An option that ends in a printed page, or names the config file.
struct general_option {
    std::string_view name, kind, help;
};

std::span<const general_option> general_options();

// The subcommand that takes no settings.
constexpr std::string_view hash_key_help = "makes a line for the file of -streamKeys";

// "rivulet", "rivulet worker".
std::string program_name(command which);
// In the table's order, each once.
std::vector<std::string_view> groups_of(command which);
// The help of a row and, in brackets, its default.
std::string sentence_of(const setting& row);

} // namespace rivulet
