// Reads the settings from a command line as Go takes it, the environment and a config file.
// Strongest first: command line, environment, file, default. Pure: no process state is touched.
// Fails with: invalid_argument and one sentence for the person at the keyboard.
#pragma once

#include "base/error.hpp"
#include "base/settings_table.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rivulet {

enum class invocation_kind {
    run,
    help,
    version,
    print_config,
    help_markdown,
    help_man,
    help_bash,
    help_zsh,
    help_fish
};

struct invocation {
    invocation_kind kind = invocation_kind::run;
    command which = command::gateway;
    settings values;
    std::vector<std::string> notes; // accepted but not obeyed: one line each, for the log
};

struct option_sources {
    std::vector<std::string> arguments; // without the program's name
    std::vector<std::pair<std::string, std::string>> environment;
    // The text of a config file; nullopt when it can't be read.
    std::function<std::optional<std::string>(const std::string& path)> read_file;
};

outcome<invocation> read_options(const option_sources& sources);

// The name among `known` that `typed` was probably meant to be; empty when none is near.
std::string nearest_name(std::string_view typed, std::span<const std::string_view> known);

// "gateway" has no word of its own on the command line.
std::string_view command_word(command which);

} // namespace rivulet
