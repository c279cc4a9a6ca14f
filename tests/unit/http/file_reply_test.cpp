#include "http/file_reply.hpp"

#include <gtest/gtest.h>

namespace rivulet::http {
namespace {

void expect_range(std::string_view header, std::uint64_t size, byte_range wanted) {
    const auto wish = parse_range(header, size);
    EXPECT_FALSE(wish.unsatisfiable) << header;
    ASSERT_TRUE(wish.range) << header;
    EXPECT_EQ(wish.range->first, wanted.first) << header;
    EXPECT_EQ(wish.range->last, wanted.last) << header;
}

TEST(file_reply, ranges_are_cut_to_what_is_there) {
    expect_range("bytes=0-0", 10, {0, 0});
    expect_range("bytes=2-5", 10, {2, 5});
    expect_range("bytes=2-", 10, {2, 9});
    expect_range("bytes=2-99", 10, {2, 9});
    expect_range("bytes=9-9", 10, {9, 9});
    expect_range("bytes=-3", 10, {7, 9});
    expect_range("bytes=-99", 10, {0, 9});
    expect_range("bytes= 2 - 5 ", 10, {2, 5});
    expect_range("bytes=0-99999999999999999999999", 10, {0, 9});
    expect_range("bytes=-99999999999999999999999", 10, {0, 9});
    expect_range("bytes=0-18446744073709551615", 10, {0, 9});
}

TEST(file_reply, ranges_outside_are_refused) {
    for (const auto* header :
         {"bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"})
        EXPECT_TRUE(parse_range(header, 10).unsatisfiable) << header;
    EXPECT_TRUE(parse_range("bytes=0-", 0).unsatisfiable);
    EXPECT_TRUE(parse_range("bytes=-1", 0).unsatisfiable);
}

TEST(file_reply, ranges_that_nobody_understands_want_all) {
    for (const auto* header :
         {"",
          "bytes",
          "bytes=",
          "bytes=-",
          "bytes=a-b",
          "bytes=5-2",
          "bytes=1-2,4-5",
          "pages=1-2",
          "bytes=+1-2",
          "bytes=1--2",
          "bytes=0x1-2",
          "bytes=1-2x"}) {
        const auto wish = parse_range(header, 10);
        EXPECT_FALSE(wish.unsatisfiable) << header;
        EXPECT_FALSE(wish.range) << header;
    }
}

TEST(file_reply, tags_are_found_in_lists) {
    EXPECT_TRUE(names_etag("\"a\"", "\"a\"", false));
    EXPECT_TRUE(names_etag("\"x\", \"a\"", "\"a\"", false));
    EXPECT_TRUE(names_etag("\"x,y\",\"a\"", "\"a\"", false));
    EXPECT_TRUE(names_etag("*", "\"a\"", false));
    EXPECT_FALSE(names_etag("\"x\"", "\"a\"", false));
    EXPECT_FALSE(names_etag("", "\"a\"", false));
    EXPECT_FALSE(names_etag("\"a", "\"a\"", false));
    EXPECT_FALSE(names_etag("W/\"a\"", "\"a\"", false));
    EXPECT_TRUE(names_etag("W/\"a\"", "\"a\"", true));
    EXPECT_TRUE(names_etag("\"x\", W/\"a\"", "\"a\"", true));
}

} // namespace
} // namespace rivulet::http
