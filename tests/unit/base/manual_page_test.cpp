#include "base/manual_page.hpp"
#include "base/settings_table.hpp"

#include <gtest/gtest.h>

namespace rivulet {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
        ++count;
    return count;
}

TEST(roff_text, keeps_what_roff_would_take_for_its_own) {
    EXPECT_EQ(roff_text("-httpAddr"), "\\-httpAddr");
    EXPECT_EQ(roff_text(".TH of 'x'"), "\\&.TH of \\(aqx\\(aq");
    EXPECT_EQ(roff_text("'tis"), "\\&\\(aqtis");
    EXPECT_EQ(roff_text("a\\b~^"), "a\\eb\\(ti\\(ha");
    EXPECT_EQ(roff_text("two\n.lines"), "two .lines");
}

TEST(roff_text, is_bold_between_backticks_and_never_after_them) {
    EXPECT_EQ(roff_text("see `rivulet -help`."), "see \\fBrivulet \\-help\\fR.");
    EXPECT_EQ(roff_text("an `open end"), "an \\fBopen end\\fR");
}

TEST(manual_page, has_every_setting_once_with_its_default) {
    const auto page = manual_page();
    for (const auto& row : settings_table()) {
        const auto item = "\n.TP\n\\fB" + roff_text("-" + std::string(row.name)) + "\\fR";
        auto found =
            count_of(page, item + "\n") + count_of(page, item + ",") + count_of(page, item + " ");
        EXPECT_EQ(found, 1u) << row.name;
    }
    EXPECT_NE(page.find("(default 127.0.0.1:8935)"), page.npos);
    EXPECT_NE(page.find("[gateway, worker, trickle]"), page.npos);
}

TEST(manual_page, has_the_sections_that_a_reader_looks_for) {
    const auto page = manual_page();
    for (const auto* section :
         {"NAME",
          "SYNOPSIS",
          "DESCRIPTION",
          "COMMANDS",
          "OPTIONS",
          "CONFIG FILE",
          "ENVIRONMENT",
          "SIGNALS",
          "EXIT STATUS",
          "FILES",
          "EXAMPLES",
          "SEE ALSO"})
        EXPECT_EQ(count_of(page, "\n.SH " + std::string(section) + "\n"), 1u) << section;
    EXPECT_EQ(count_of(page, "\n.SS General\n"), 1u);
}

} // namespace
} // namespace rivulet
