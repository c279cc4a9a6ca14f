#include "base/completion_scripts.hpp"
#include "base/settings_table.hpp"

#include <gtest/gtest.h>

#include <regex>

namespace rivulet {
namespace {

bool has_word(const std::string& text, const std::string& word) {
    return std::regex_search(text, std::regex("(^|[ '])" + word + "($|[ '])"));
}

std::string line_of(const std::string& text, const std::string& begin) {
    const auto at = text.find("\n" + begin);
    if (at == text.npos)
        return "";
    return text.substr(at + 1, text.find('\n', at + 1) - at - 1);
}

TEST(bash_completion, knows_every_option_of_each_command) {
    const auto script = bash_completion();
    const std::pair<command, std::string> all[] = {
        {command::gateway, line_of(script, "    gateway) echo ")},
        {command::worker, line_of(script, "    worker) echo ")},
        {command::trickle, line_of(script, "    trickle) echo ")}};
    for (const auto& [which, line] : all) {
        for (const auto& row : settings_table())
            EXPECT_EQ(has_word(line, std::string(row.name)), row.belongs_to(which))
                << row.name << " in " << line;
        EXPECT_TRUE(has_word(line, "config"));
    }
}

TEST(bash_completion, offers_the_choices_of_an_option) {
    const auto script = bash_completion();
    EXPECT_EQ(
        line_of(script, "    swapFiller) echo "), "    swapFiller) echo 'freeze source none' ;;"
    );
    EXPECT_EQ(
        line_of(script, "    logLevel) echo "),
        "    logLevel) echo 'error warn info debug trace' ;;"
    );
}

TEST(zsh_completion, quotes_what_ends_a_specification) {
    const auto script = zsh_completion();
    EXPECT_TRUE(script.starts_with("#compdef rivulet\n"));
    EXPECT_NE(
        script.find("'-httpsAddr=[The public API over TLS besides the plain one; needs -tlsCert "
                    "and -tlsKey]:HOST\\:PORT: '"),
        script.npos
    );
    EXPECT_NE(script.find(":value:(freeze source none)'"), script.npos);
    EXPECT_NE(
        script.find(
            "certificate chain of the TLS listeners; read again when it changes]:file:_files'"
        ),
        script.npos
    );
}

TEST(fish_completion, names_files_folders_and_choices) {
    const auto script = fish_completion();
    EXPECT_NE(
        line_of(script, "complete -c rivulet -n '__rivulet_command gateway' -o tlsCert -rF "), ""
    );
    EXPECT_NE(
        line_of(
            script,
            "complete -c rivulet -n '__rivulet_command gateway' -o swapFiller -xa 'freeze source "
            "none' "
        ),
        ""
    );
    EXPECT_NE(line_of(script, "complete -c rivulet -n '__rivulet_command worker' -o tls -d "), "");
}

} // namespace
} // namespace rivulet
