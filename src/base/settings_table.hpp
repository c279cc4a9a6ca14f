// The one table of settings: a row each, from which come the command line, the environment, the
// config file, the checks, --help, -printConfig and docs/options.md.
#pragma once

#include "base/error.hpp"
#include "base/settings.hpp"

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace rivulet {

// The commands of the program; a row names those it belongs to.
enum class command : unsigned { gateway = 1, worker = 2, trickle = 4 };

using setting_member = std::variant<
    bool settings::*,
    std::int64_t settings::*,
    std::uint64_t settings::*,
    duration settings::*,
    log_level settings::*,
    std::string settings::*,
    std::vector<std::string> settings::*>;

// What else a text must be.
enum class text_form { any, listen_address, optional_listen_address, url_path, file, folder };

struct setting {
    std::string_view group;
    std::string_view name;
    setting_member member;
    unsigned commands = 0; // command values, or-ed
    std::string_view help; // one sentence; units and the meaning of zero included

    std::string_view alias = {};        // a second name
    std::string_view old_env = {};      // the reference's variable without a flag
    bool present_means_true = false;    // old_env: any non-empty text switches it on
    std::string_view old_env_unit = {}; // old_env: a bare number counts these ("s")
    std::string_view zero_word = {};    // numbers: a word that means 0 ("unlimited")
    std::int64_t low = 0; // numbers, byte counts, durations (in nanoseconds): both included
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
    text_form form = text_form::any;
    std::string_view choices = {}; // "full|pin|none"
    bool secret = false;           // printed as ***

    bool belongs_to(command which) const { return commands & static_cast<unsigned>(which); }

    bool is_switch() const { return std::holds_alternative<bool settings::*>(member); }
};

std::span<const setting> settings_table();

// "HTTPADDR" → "LP_HTTPADDR".
std::string environment_name(const setting& row);
// What stands for the value in help: "HOST:PORT", "DURATION", "full|pin|none"; empty for switches.
std::string value_kind(const setting& row);
// The value as it would be typed.
std::string format_value(const setting& row, const settings& values);
// The same for a listing: secrets and credentials inside URLs are replaced by ***.
std::string shown_value(const setting& row, const settings& values);
// "between 0 and 1024", "at least 1s"; empty when everything goes.
std::string allowed_range(const setting& row);
// Checks and stores. The failure's text says what is wrong with the value, without naming the row.
outcome<void> assign(const setting& row, std::string_view text, settings& values);

// A name that go-livepeer knows and Rivulet does not use.
struct foreign_flag {
    std::string_view name;
    bool is_switch = false;
    std::string_view reason; // ends the sentence "-name is ignored: …"
};

std::span<const foreign_flag> foreign_flags();

// Variables of the reference that Rivulet does not use: a name and the reason.
struct foreign_variable {
    std::string_view name;
    std::string_view reason;
};

std::span<const foreign_variable> foreign_variables();

} // namespace rivulet
