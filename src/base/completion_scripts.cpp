#include "base/completion_scripts.hpp"

#include "base/options.hpp"
#include "base/options_parts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace rivulet {
namespace {

constexpr std::string_view log_levels = "error|warn|info|debug|trace";

// What comes after an option.
enum class operand { none, choice, file, folder, text };

struct completed_option {
    std::string_view name, help;
    operand takes = operand::text;
    std::vector<std::string_view> choices;
    std::string kind; // "HOST:PORT"
};

std::vector<std::string_view> split(std::string_view choices) {
    std::vector<std::string_view> words;
    while (!choices.empty()) {
        const auto bar = std::min(choices.find('|'), choices.size());
        words.push_back(choices.substr(0, bar));
        choices.remove_prefix(std::min(bar + 1, choices.size()));
    }
    return words;
}

// Shells show one line for each option.
std::string_view first_sentence(std::string_view help) {
    const auto end = help.find(". ");
    auto sentence = help.substr(0, end);
    if (sentence.ends_with('.'))
        sentence.remove_suffix(1);
    return sentence;
}

bool has(const std::vector<std::string_view>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

completed_option completed(const setting& row, std::string_view name) {
    completed_option option{name, first_sentence(row.help), operand::text, {}, value_kind(row)};
    if (row.is_switch())
        option.takes = operand::none;
    else if (std::holds_alternative<log_level settings::*>(row.member))
        option.choices = split(log_levels);
    else
        option.choices = split(row.choices);
    if (!option.choices.empty())
        option.takes = operand::choice;
    else if (row.form == text_form::file)
        option.takes = operand::file;
    else if (row.form == text_form::folder)
        option.takes = operand::folder;
    return option;
}

std::vector<completed_option> options_of(command which) {
    std::vector<completed_option> options;
    for (const auto& row : settings_table()) {
        if (!row.belongs_to(which))
            continue;
        options.push_back(completed(row, row.name));
        if (!row.alias.empty())
            options.push_back(completed(row, row.alias));
    }
    for (const auto& each : general_options())
        options.push_back(
            {each.name,
             first_sentence(each.help),
             each.kind.empty() ? operand::none : operand::file,
             {},
             std::string(each.kind)}
        );
    return options;
}

// The gateway's word may be left out.
std::string word_of(command which) {
    return which == command::gateway ? "gateway" : std::string(command_word(which));
}

// For text between apostrophes in bash and zsh.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + '\'';
}

// In zsh's specifications these end a part.
std::string zsh_part(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '[' || c == ']' || c == ':' || c == '\\')
            out += '\\';
        out += c;
    }
    return out;
}

std::string zsh_operand(const completed_option& option) {
    switch (option.takes) {
    case operand::none:
        return "";
    case operand::choice:
        return fmt::format(":value:({})", fmt::join(option.choices, " "));
    case operand::file:
        return ":file:_files";
    case operand::folder:
        return ":folder:_files -/";
    case operand::text:
        break;
    }
    return fmt::format(":{}: ", zsh_part(option.kind));
}

std::string zsh_options(command which) {
    std::string lines;
    for (const auto& option : options_of(which)) {
        const auto specification = fmt::format(
            "-{}{}[{}]{}",
            option.name,
            option.takes == operand::none ? "" : "=",
            zsh_part(option.help),
            zsh_operand(option)
        );
        lines += fmt::format("      {}\n", quoted(specification));
    }
    return lines;
}

std::string fish_quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + '\'';
}

std::string fish_operand(const completed_option& option) {
    switch (option.takes) {
    case operand::none:
        return "";
    case operand::choice:
        return fmt::format(
            " -xa {}", fish_quoted(fmt::format("{}", fmt::join(option.choices, " ")))
        );
    case operand::file:
        return " -rF";
    case operand::folder:
        return " -xa '(__fish_complete_directories)'";
    case operand::text:
        break;
    }
    return " -x";
}

std::string made_by(std::string_view option) {
    return fmt::format("Made by `rivulet {}`; do not edit.", option);
}

constexpr std::string_view bash_ending = R"sh(
_rivulet() {
    local current=${COMP_WORDS[COMP_CWORD]} option= command=gateway equals=
    COMPREPLY=()
    case ${COMP_WORDS[1]} in
    worker | trickle) command=${COMP_WORDS[1]} ;;
    hash-key) return ;;
    esac
    # "-name=value" comes as three words.
    if [[ $current == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 1]} current='' equals=yes
    elif ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]} equals=yes
    elif ((COMP_CWORD > 1)); then
        option=${COMP_WORDS[COMP_CWORD - 1]}
    fi
    if [[ $option == -* ]]; then
        option=${option#-} option=${option#-}
        case $(_rivulet_operand "$option") in
        none)
            if [[ -n $equals ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'true false' -- "$current")
                return
            fi
            ;;
        file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        folder)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        choice)
            mapfile -t COMPREPLY < <(compgen -W "$(_rivulet_choices "$option")" -- "$current")
            return
            ;;
        text) return ;;
        esac
    fi
    if ((COMP_CWORD == 1)) && [[ $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'gateway worker trickle hash-key help' -- "$current")
        [[ -n $current ]] && return
    fi
    local dashes=- typed=${current#-}
    [[ $typed == -* ]] && dashes=-- typed=${typed#-}
    local -a more
    mapfile -t more < <(compgen -P "$dashes" -W "$(_rivulet_options "$command")" -- "$typed")
    COMPREPLY+=("${more[@]}")
}

complete -F _rivulet rivulet
)sh";

} // namespace

std::string bash_completion() {
    std::string text = "# Completion of rivulet's options for bash. ";
    text += made_by("-helpBash") + "\n\n_rivulet_options() {\n    case $1 in\n";
    std::vector<completed_option> seen;
    for (const auto& each : command_abouts()) {
        std::vector<std::string_view> names;
        for (auto& option : options_of(each.which)) {
            names.push_back(option.name);
            seen.push_back(std::move(option));
        }
        text += fmt::format(
            "    {}) echo {} ;;\n",
            word_of(each.which),
            quoted(fmt::format("{}", fmt::join(names, " ")))
        );
    }
    text += "    esac\n}\n\n_rivulet_operand() {\n    case $1 in\n";
    constexpr std::array kinds{
        std::pair{operand::none, "none"},
        std::pair{operand::choice, "choice"},
        std::pair{operand::file, "file"},
        std::pair{operand::folder, "folder"},
        std::pair{operand::text, "text"}};
    for (auto [kind, word] : kinds) {
        std::vector<std::string_view> names;
        for (const auto& option : seen)
            if (option.takes == kind && !has(names, option.name))
                names.push_back(option.name);
        if (!names.empty())
            text += fmt::format("    {}) echo {} ;;\n", fmt::join(names, " | "), word);
    }
    text += "    esac\n}\n\n_rivulet_choices() {\n    case $1 in\n";
    std::vector<std::string_view> named;
    for (const auto& option : seen) {
        if (option.takes != operand::choice || has(named, option.name))
            continue;
        named.push_back(option.name);
        text += fmt::format("    {}) echo '{}' ;;\n", option.name, fmt::join(option.choices, " "));
    }
    text += "    esac\n}\n";
    text += bash_ending;
    return text;
}

std::string zsh_completion() {
    std::string text = "#compdef rivulet\n# Completion of rivulet's options for zsh. ";
    text += made_by("-helpZsh") + "\n\n_rivulet() {\n  local -a options commands\n";
    text += "  commands=(\n";
    for (const auto& each : command_abouts())
        text += fmt::format(
            "    {}\n", quoted(fmt::format("{}:{}", word_of(each.which), zsh_part(each.about)))
        );
    text += fmt::format(
        "    {}\n  )\n  case $words[2] in\n",
        quoted(fmt::format("hash-key:{}", zsh_part(hash_key_help)))
    );
    for (const auto& each : command_abouts()) {
        if (each.which == command::gateway)
            continue;
        text += fmt::format("  {})\n    options=(\n", word_of(each.which));
        text += zsh_options(each.which);
        text += "    )\n    ;;\n";
    }
    text += "  hash-key) _message 'PATTERN ACTIONS'; return ;;\n  *)\n    options=(\n";
    text += zsh_options(command::gateway);
    text += R"(    )
    ;;
  esac
  if ((CURRENT == 2)) && [[ $PREFIX != -* ]]; then
    _describe -t commands 'rivulet command' commands
    return
  fi
  [[ $words[2] == (gateway|worker|trickle) ]] && { shift words; ((CURRENT--)); }
  _arguments $options
}

_rivulet "$@"
)";
    return text;
}

std::string fish_completion() {
    std::string text = "# Completion of rivulet's options for fish. ";
    text += made_by("-helpFish") + R"(

function __rivulet_command
    set -l words (commandline -opc)
    set -l which gateway
    if set -q words[2]; and contains -- $words[2] worker trickle hash-key
        set which $words[2]
    end
    test $which = $argv[1]
end

complete -c rivulet -f
)";
    for (const auto& each : command_abouts())
        text += fmt::format(
            "complete -c rivulet -n __fish_use_subcommand -a {} -d {}\n",
            word_of(each.which),
            fish_quoted(each.about)
        );
    text += fmt::format(
        "complete -c rivulet -n __fish_use_subcommand -a hash-key -d {}\n",
        fish_quoted(hash_key_help)
    );
    for (const auto& each : command_abouts())
        for (const auto& option : options_of(each.which))
            text += fmt::format(
                "complete -c rivulet -n '__rivulet_command {}' -o {}{} -d {}\n",
                word_of(each.which),
                option.name,
                fish_operand(option),
                fish_quoted(option.help)
            );
    return text;
}

} // namespace rivulet
