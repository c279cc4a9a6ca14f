#include "base/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace rivulet {
namespace {

// Switches that are not settings: they end in a printed page instead of a running process.
struct page {
    std::string_view name;
    invocation_kind kind;
};

constexpr std::array pages{
    page{"help", invocation_kind::help},
    page{"h", invocation_kind::help},
    page{"version", invocation_kind::version},
    page{"printConfig", invocation_kind::print_config},
    page{"helpMarkdown", invocation_kind::help_markdown},
    page{"helpMan", invocation_kind::help_man},
    page{"helpBash", invocation_kind::help_bash},
    page{"helpZsh", invocation_kind::help_zsh},
    page{"helpFish", invocation_kind::help_fish},
};

failure bad(std::string text) {
    return {errc::invalid_argument, std::move(text)};
}

std::string program(command which) {
    const auto word = command_word(which);
    return word.empty() ? "rivulet" : fmt::format("rivulet {}", word);
}

const setting* find_setting(std::string_view name) {
    for (const auto& row : settings_table())
        if (row.name == name || (!row.alias.empty() && row.alias == name))
            return &row;
    return nullptr;
}

const foreign_flag* find_foreign(std::string_view name) {
    for (const auto& flag : foreign_flags())
        if (flag.name == name)
            return &flag;
    return nullptr;
}

const page* find_page(std::string_view name) {
    for (const auto& candidate : pages)
        if (candidate.name == name)
            return &candidate;
    return nullptr;
}

std::string unknown_option(std::string_view name, command which) {
    std::vector<std::string_view> known{"config"};
    for (const auto& row : settings_table()) {
        if (!row.belongs_to(which))
            continue;
        known.push_back(row.name);
        if (!row.alias.empty())
            known.push_back(row.alias);
    }
    for (const auto& candidate : pages)
        known.push_back(candidate.name);
    const auto near = nearest_name(name, known);
    if (near.empty())
        return fmt::format("unknown option -{}; see {} -help", name, program(which));
    return fmt::format("unknown option -{}; did you mean -{}?", name, near);
}

std::string other_command(const setting& row, command which) {
    for (auto owner : {command::gateway, command::worker, command::trickle})
        if (row.belongs_to(owner))
            return fmt::format(
                "-{} is an option of `{}`, not of `{}`", row.name, program(owner), program(which)
            );
    return {};
}

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

class reader {
  public:
    explicit reader(const option_sources& sources) : sources_(sources) {}

    outcome<invocation> read() {
        if (auto read = read_arguments(); !read)
            return read.error();
        if (result_.kind != invocation_kind::run && result_.kind != invocation_kind::print_config)
            return std::move(result_);
        const auto from_environment = environment_assignments();
        if (!from_environment)
            return from_environment.error();
        const auto from_file = file_assignments();
        if (!from_file)
            return from_file.error();
        const std::array<const assignments*, 3> weakest_first{
            &*from_file, &*from_environment, &arguments_};
        for (const auto* all : weakest_first)
            if (auto applied = apply(*all); !applied)
                return applied.error();
        if (result_.which == command::gateway && !result_.values.gateway)
            return bad(
                "-gateway=false leaves nothing to run; `rivulet worker` and `rivulet trickle` "
                "are the other commands"
            );
        if (result_.values.max_seg_duration < result_.values.min_seg_duration)
            return bad("-maxSegDuration is shorter than -minSegDuration");
        return std::move(result_);
    }

  private:
    struct assignment {
        const setting* row;
        std::string text;
        std::string origin; // "-httpAddr", "LP_HTTPADDR", "FILE:3: httpAddr"
    };

    using assignments = std::vector<assignment>;

    outcome<void> read_arguments() {
        const auto& words = sources_.arguments;
        std::size_t at = 0;
        if (!words.empty() && !words[0].starts_with('-')) {
            if (auto chosen = choose_command(words[0]); !chosen)
                return chosen;
            at = 1;
        }
        while (at < words.size()) {
            const std::string& word = words[at++];
            std::string_view name = word;
            if (!name.starts_with('-') || name == "-" || name == "--")
                return bad(fmt::format(
                    "unexpected argument \"{}\"; options are written -name value or -name=value",
                    word
                ));
            name.remove_prefix(name.starts_with("--") ? 2 : 1);
            std::optional<std::string> text;
            if (const auto equals = name.find('='); equals != name.npos) {
                text = name.substr(equals + 1);
                name = name.substr(0, equals);
            }
            const bool is_switch = takes_no_value(name);
            if (!text && !is_switch && is_known(name)) {
                if (at == words.size())
                    return bad(fmt::format("-{} needs a value", name));
                text = words[at++];
            }
            if (auto taken = take_argument(name, text); !taken)
                return taken;
        }
        return {};
    }

    outcome<void> choose_command(std::string_view word) {
        for (auto which : {command::worker, command::trickle}) {
            if (word == command_word(which)) {
                result_.which = which;
                return {};
            }
        }
        if (word == "gateway")
            return {};
        if (word == "help") {
            result_.kind = invocation_kind::help;
            return {};
        }
        constexpr std::array<std::string_view, 4> words{"worker", "trickle", "gateway", "hash-key"};
        const auto near = nearest_name(word, words);
        if (near.empty())
            return bad(fmt::format("unknown command \"{}\"; see rivulet -help", word));
        return bad(fmt::format("unknown command \"{}\"; did you mean {}?", word, near));
    }

    static bool takes_no_value(std::string_view name) {
        if (const auto* row = find_setting(name))
            return row->is_switch();
        if (const auto* flag = find_foreign(name))
            return flag->is_switch;
        return find_page(name) != nullptr;
    }

    static bool is_known(std::string_view name) {
        return name == "config" || find_setting(name) || find_foreign(name) || find_page(name);
    }

    outcome<void> take_argument(std::string_view name, const std::optional<std::string>& text) {
        if (name == "config") {
            config_file_ = *text;
            return {};
        }
        if (const auto* found = find_page(name)) {
            if (result_.kind == invocation_kind::run && text.value_or("true") != "false")
                result_.kind = found->kind;
            return {};
        }
        if (const auto* row = find_setting(name)) {
            if (!row->belongs_to(result_.which))
                return bad(other_command(*row, result_.which));
            if (name == "broadcaster")
                note("-broadcaster is the old name of -gateway");
            arguments_.push_back({row, text.value_or("true"), fmt::format("-{}", name)});
            return {};
        }
        if (const auto* flag = find_foreign(name))
            return take_foreign(*flag, fmt::format("-{}", name), text.value_or("true"));
        return bad(unknown_option(name, result_.which));
    }

    outcome<void>
    take_foreign(const foreign_flag& flag, std::string_view origin, std::string_view text) {
        // Given, but off: there is nothing to obey.
        if (text.empty() || (flag.is_switch && parse_off(text)))
            return {};
        note(fmt::format("{} is ignored: {}", origin, flag.reason));
        return {};
    }

    static bool parse_off(std::string_view text) {
        return text == "0" || text == "f" || text == "false" || text == "F" || text == "FALSE" ||
               text == "False";
    }

    outcome<assignments> environment_assignments() {
        assignments found;
        for (const auto& [name, text] : sources_.environment) {
            if (name == "LP_CONFIG") {
                if (config_file_.empty())
                    config_file_ = text;
                continue;
            }
            if (name.starts_with("LIVE_AI_")) {
                take_old_variable(name, text, found);
                continue;
            }
            if (!name.starts_with("LP_"))
                continue;
            if (auto taken = take_variable(name, text, found); !taken)
                return taken.error();
        }
        // The reference's own variables are the weaker of two spellings.
        std::stable_partition(found.begin(), found.end(), [](const assignment& a) {
            return a.origin.starts_with("LIVE_AI_");
        });
        return found;
    }

    // The reference's variables have spellings of their own.
    static std::string in_our_spelling(const setting& row, const std::string& text) {
        if (row.present_means_true)
            return "true";
        const bool bare = text.find_first_not_of("0123456789") == text.npos;
        return bare ? text + std::string(row.old_env_unit) : text;
    }

    void take_old_variable(const std::string& name, const std::string& text, assignments& found) {
        if (text.empty())
            return;
        for (const auto& row : settings_table()) {
            if (row.old_env != name)
                continue;
            if (row.belongs_to(result_.which))
                found.push_back({&row, in_our_spelling(row, text), name});
            return;
        }
        for (const auto& variable : foreign_variables())
            if (variable.name == name)
                note(fmt::format("{} is ignored: {}", name, variable.reason));
    }

    outcome<void>
    take_variable(const std::string& name, const std::string& text, assignments& found) {
        auto same = [&](std::string_view flag) {
            return std::equal(
                flag.begin(),
                flag.end(),
                name.begin() + 3,
                name.end(),
                [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; }
            );
        };
        for (const auto& row : settings_table()) {
            if (!same(row.name) && (row.alias.empty() || !same(row.alias)))
                continue;
            if (row.belongs_to(result_.which))
                found.push_back({&row, text, name});
            return {};
        }
        for (const auto& flag : foreign_flags())
            if (same(flag.name))
                return take_foreign(flag, name, text);
        if (name.find("MEDIAMTX") == name.npos)
            note(fmt::format("{} is ignored: there is no such setting", name));
        return {};
    }

    outcome<assignments> file_assignments() {
        assignments found;
        if (config_file_.empty())
            return found;
        const auto text = sources_.read_file(config_file_);
        if (!text)
            return bad(fmt::format("-config: cannot read {}", config_file_));
        std::string_view rest = *text;
        for (int number = 1; !rest.empty(); ++number) {
            const auto end = std::min(rest.find('\n'), rest.size());
            auto line = rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
            if (auto taken = take_line(line, number, found); !taken)
                return taken.error();
        }
        return found;
    }

    outcome<void> take_line(std::string_view line, int number, assignments& found) {
        line = trimmed(line);
        if (line.starts_with('#'))
            return {};
        line = trimmed(line.substr(0, line.find(" #")));
        if (line.empty())
            return {};
        const auto end = std::min(line.find_first_of(" \t="), line.size());
        const auto name = line.substr(0, end);
        auto text = trimmed(line.substr(end));
        const bool bare = text.empty();
        if (text.starts_with('='))
            text = trimmed(text.substr(1));
        const auto origin = fmt::format("{}:{}: {}", config_file_, number, name);
        if (const auto* row = find_setting(name)) {
            // One file may serve all three commands.
            if (!row->belongs_to(result_.which))
                return {};
            if (bare && !row->is_switch())
                return bad(fmt::format("{} needs a value", origin));
            found.push_back({row, bare ? "true" : std::string(text), origin});
            return {};
        }
        if (const auto* flag = find_foreign(name))
            return take_foreign(*flag, origin, bare ? "true" : text);
        return bad(
            fmt::format("{}:{}: {}", config_file_, number, unknown_option(name, result_.which))
        );
    }

    outcome<void> apply(const assignments& all) {
        for (const auto& one : all) {
            auto stored = assign(*one.row, one.text, result_.values);
            if (!stored)
                return bad(fmt::format("{}: {}", one.origin, stored.error().detail));
        }
        return {};
    }

    void note(std::string text) { result_.notes.push_back(std::move(text)); }

    const option_sources& sources_;
    invocation result_;
    assignments arguments_;
    std::string config_file_;
};

// Edit distance in which neighbours may also be swapped; case does not count.
std::size_t distance(std::string_view a, std::string_view b) {
    auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    std::vector<std::vector<std::size_t>> cost(
        a.size() + 1, std::vector<std::size_t>(b.size() + 1)
    );
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            cost[i][j] = std::min(
                {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0u : 1u)}
            );
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

} // namespace

std::string nearest_name(std::string_view typed, std::span<const std::string_view> known) {
    constexpr std::size_t longest_typed = 64;
    if (typed.size() > longest_typed)
        return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(2, typed.size() / 3) + 1;
    for (auto name : known) {
        const auto d = distance(typed, name);
        if (d < best_distance && d < name.size()) {
            best = name;
            best_distance = d;
        }
    }
    return std::string(best);
}

std::string_view command_word(command which) {
    switch (which) {
    case command::gateway:
        return "";
    case command::worker:
        return "worker";
    case command::trickle:
        return "trickle";
    }
    return "";
}

outcome<invocation> read_options(const option_sources& sources) {
    return reader(sources).read();
}

} // namespace rivulet
