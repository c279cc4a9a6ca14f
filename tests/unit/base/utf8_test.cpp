#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace rivulet {

TEST(valid_utf8, keeps_text_of_every_length_of_character) {
    EXPECT_EQ(valid_utf8("a\u00e9\u20ac\U0001f600\n"), "a\u00e9\u20ac\U0001f600\n");
}

TEST(valid_utf8, cuts_between_two_characters) {
    EXPECT_EQ(valid_utf8("ab\u20accd", 5), "ab\u20ac");
    EXPECT_EQ(valid_utf8("ab\u20accd", 4), "ab");
    EXPECT_EQ(valid_utf8("ab\u20accd", 3), "ab");
    EXPECT_EQ(valid_utf8("ab", 0), "");
}

TEST(valid_utf8, replaces_every_byte_that_is_no_character) {
    EXPECT_EQ(valid_utf8("a\xff z"), "a? z");
    EXPECT_EQ(valid_utf8("\x80"), "?");
    EXPECT_EQ(valid_utf8("\xc3"), "?");
    EXPECT_EQ(valid_utf8("\xe2\x82"), "??");
    EXPECT_EQ(valid_utf8("\xc0\xaf"), "??");           // overlong
    EXPECT_EQ(valid_utf8("\xe0\x9f\xbf"), "???");      // overlong
    EXPECT_EQ(valid_utf8("\xf0\x8f\xbf\xbf"), "????"); // overlong
    EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "???");      // half of a surrogate pair
    EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), "????"); // past the last character
}

} // namespace rivulet
