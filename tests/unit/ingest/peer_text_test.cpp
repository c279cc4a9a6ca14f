#include "ingest/peer_text.hpp"

#include <gtest/gtest.h>

using namespace rivulet::ingest;

TEST(peer_text, keeps_good_utf8_and_marks_the_rest) {
    EXPECT_EQ(peer_text("déjà vu ☃ 😀"), "déjà vu ☃ 😀");
    EXPECT_EQ(peer_text("a\nb\x1b[1mc\x7f"), "a?b?[1mc?");
    EXPECT_EQ(peer_text("\xff\xc3+"), "??+");
    EXPECT_EQ(peer_text("\xe0\x80\x80"), "???");      // overlong
    EXPECT_EQ(peer_text("\xed\xa0\x80"), "???");      // a surrogate
    EXPECT_EQ(peer_text("\xf4\x90\x80\x80"), "????"); // beyond Unicode
    EXPECT_EQ(peer_text("\xc2\x9b"), "??");           // a control character
    EXPECT_EQ(peer_text("\xc3"), "?");
}

TEST(peer_text, cuts_between_characters) {
    EXPECT_EQ(peer_text("abcdef", 6), "abcdef");
    EXPECT_EQ(peer_text("abcdefg", 6), "abcdef…");
    EXPECT_EQ(peer_text("abcdeé", 6), "abcde…");
    EXPECT_EQ(peer_text(std::string(5000, '\xff')).size(), 200 + std::string("…").size());
}

TEST(peer_text, hides_every_occurrence_of_a_secret) {
    std::string text = "no stream key123 (key123key123)";
    hide(text, "key123");
    EXPECT_EQ(text, "no stream … (……)");
    hide(text, "");
    hide(text, "no");
    EXPECT_EQ(text, "no stream … (……)");
}
