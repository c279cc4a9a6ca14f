// Reads the options, prints a page or runs the chosen command.
#include "base/completion_scripts.hpp"
#include "base/manual_page.hpp"
#include "base/options.hpp"
#include "base/options_text.hpp"
#include "commands.hpp"
#include "live/hash_key.hpp"

#include <fmt/core.h>

#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <unistd.h>

extern char** environ;

namespace {

using namespace rivulet;

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return std::nullopt;
    // read() turns what the buffer throws, of a folder for example, into bad().
    std::string text;
    std::array<char, 4096> piece;
    while (file.read(piece.data(), piece.size()) || file.gcount() > 0)
        text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
    return file.bad() ? std::nullopt : std::optional(std::move(text));
}

option_sources sources_of(int argc, char** argv) {
    option_sources sources;
    sources.arguments.assign(argv + std::min(argc, 1), argv + argc);
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals != text.npos)
            sources.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    sources.read_file = read_file;
    return sources;
}

int print(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written && std::fflush(stdout) == 0 ? 0 : 1;
}

// `rivulet hash-key …` takes no settings.
int make_key_line(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 2, argv + argc);
    std::istream* typed = isatty(STDIN_FILENO) ? nullptr : &std::cin;
    return live::hash_key(arguments, typed, std::cout, std::cerr);
}

int run(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "hash-key")
        return make_key_line(argc, argv);
    const auto chosen = read_options(sources_of(argc, argv));
    if (!chosen) {
        fmt::print(stderr, "rivulet: {}\n", chosen.error().detail);
        return 2;
    }
    switch (chosen->kind) {
    case invocation_kind::help:
        return print(help_text(chosen->which));
    case invocation_kind::help_markdown:
        return print(help_markdown());
    case invocation_kind::help_man:
        return print(manual_page());
    case invocation_kind::help_bash:
        return print(bash_completion());
    case invocation_kind::help_zsh:
        return print(zsh_completion());
    case invocation_kind::help_fish:
        return print(fish_completion());
    case invocation_kind::version:
        return print("rivulet " RIVULET_VERSION "\n");
    case invocation_kind::print_config:
        return print(config_text(chosen->which, chosen->values));
    case invocation_kind::run:
        break;
    }
    return run_command(*chosen);
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        fmt::print(stderr, "rivulet: {}\n", e.what());
        return 1;
    }
}
