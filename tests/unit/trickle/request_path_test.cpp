#include "trickle/request_path.hpp"
#include "trickle/server_reply.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rivulet::trickle {
namespace {

TEST(trickle_request_path, reads_a_name_and_what_follows_it) {
    const auto channel = parse_request_path("cam");
    ASSERT_TRUE(channel);
    EXPECT_EQ(channel->name, "cam");
    EXPECT_FALSE(channel->item);
    const auto segment = parse_request_path("cam-out/17");
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->name, "cam-out");
    EXPECT_EQ(segment->item, "17");
}

TEST(trickle_request_path, decodes_after_it_has_cut_at_slashes) {
    const auto parsed = parse_request_path("a%2Fb%20c/-1");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->name, "a/b c");
    EXPECT_EQ(parsed->item, "-1");
}

TEST(trickle_request_path, refuses_what_is_no_path_of_ours) {
    for (const auto* text :
         {"", "/", "/1", "cam/", "cam/1/", "cam/1/2", "cam//1", "%zz", "a%2", "a/%"})
        EXPECT_FALSE(parse_request_path(text)) << text;
}

TEST(trickle_seq, reads_an_optional_sign_and_decimal_digits) {
    EXPECT_EQ(parse_seq("0"), 0);
    EXPECT_EQ(parse_seq("+3"), 3);
    EXPECT_EQ(parse_seq("007"), 7);
    EXPECT_EQ(parse_seq("-1"), -1);
    EXPECT_EQ(parse_seq("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(parse_seq("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
}

TEST(trickle_seq, refuses_everything_else) {
    for (const auto* text :
         {"",
          "+",
          "-",
          "+-1",
          "-+1",
          "++1",
          "--1",
          " 1",
          "1 ",
          "1.0",
          "0x1",
          "1e3",
          "next",
          "9223372036854775808",
          "-9223372036854775809"})
        EXPECT_FALSE(parse_seq(text)) << text;
}

TEST(trickle_server_reply, errors_are_plain_text_that_nobody_sniffs) {
    const auto made = text_error(404, "Stream not found");
    EXPECT_EQ(made.body, "Stream not found\n");
    EXPECT_EQ(made.content_type, "text/plain; charset=utf-8");
    ASSERT_EQ(made.headers.size(), 1u);
    EXPECT_EQ(made.headers[0].first, "X-Content-Type-Options");
}

} // namespace
} // namespace rivulet::trickle
