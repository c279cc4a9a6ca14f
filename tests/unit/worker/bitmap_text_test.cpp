#include "worker/bitmap_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

using testing::ElementsAre;

TEST(wrap_text, breaks_between_words_and_cuts_long_ones) {
    EXPECT_THAT(wrap_text("a fine day", 6, 9), ElementsAre("a fine", "day"));
    EXPECT_THAT(wrap_text("abcdefgh ij", 5, 9), ElementsAre("abcde", "fgh", "ij"));
    EXPECT_THAT(wrap_text("one\ntwo", 20, 9), ElementsAre("one", "two"));
}

TEST(wrap_text, says_when_something_is_left_out) {
    EXPECT_THAT(wrap_text("one two three four", 6, 2), ElementsAre("one", "two..."));
}

TEST(wrap_text, shows_a_character_it_has_not_as_one_question_mark) {
    EXPECT_THAT(wrap_text("h\xc3\xa9llo \xf0\x9f\x98\x80", 20, 1), ElementsAre("h?llo ?"));
}

TEST(wrap_text, gives_nothing_without_room) {
    EXPECT_TRUE(wrap_text("text", 0, 5).empty());
    EXPECT_TRUE(wrap_text("text", 5, 0).empty());
    EXPECT_TRUE(wrap_text("", 5, 5).empty());
}

TEST(ink_at, draws_letters_and_no_space) {
    double letter = 0, space = 0;
    for (int y = 0; y < glyph_height; ++y)
        for (int x = 0; x < glyph_width; ++x) {
            letter += ink_at('A', x + 0.5, y + 0.5);
            space += ink_at(' ', x + 0.5, y + 0.5);
        }
    EXPECT_GT(letter, 15);
    EXPECT_EQ(space, 0);
    EXPECT_EQ(ink_at('\x80', 4, 8), 0);
}

} // namespace
} // namespace rivulet::worker
