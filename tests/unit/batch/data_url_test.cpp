#include "batch/data_url.hpp"

#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

TEST(data_url, gives_its_bytes_and_declared_type) {
    const auto parsed = parse_data_url("data:image/png;base64,AQID", 100);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->content_type, "image/png");
    EXPECT_EQ(parsed->bytes, "\x01\x02\x03");
}

TEST(data_url, takes_what_writers_make_of_it) {
    struct {
        const char *text, *type, *bytes;
    } const rows[] = {
        {"DATA:IMAGE/PNG;BASE64,aGk=", "IMAGE/PNG", "hi"},
        {"data:;base64,aGk=", "", "hi"},
        {"data:image/png;name=a.png;base64,aGk=", "image/png", "hi"},
        {"data:image/png;base64,aG\r\nk=\n", "image/png", "hi"},
        {"data:image/png;base64,aGk", "image/png", "hi"},
        {"data:image/png;base64,aA", "image/png", "h"},
        {"data:image/png;base64,a A", "image/png", "h"},
        {"data:image/png;base64,", "image/png", ""},
    };

    for (const auto& row : rows) {
        const auto parsed = parse_data_url(row.text, 100);
        ASSERT_TRUE(parsed) << row.text << ": " << parsed.error().detail;
        EXPECT_EQ(parsed->content_type, row.type);
        EXPECT_EQ(parsed->bytes, row.bytes) << row.text;
    }
}

TEST(data_url, refuses_the_rest) {
    for (const char* text :
         {"",
          "data:",
          "data",
          "http://h/a",
          "data:image/png;base64",
          "data:image/png;base64,a",
          "data:image/png;base64,a-_b",
          "data:image/png;base64,====",
          "data:image/png;base64,aA=",
          "data:image/png;base64,aGk=aGk="})
        EXPECT_FALSE(parse_data_url(text, 100)) << text;
    EXPECT_EQ(parse_data_url("data:text/plain,hello", 100).error().code, errc::unsupported);
    EXPECT_FALSE(parse_data_url("data:" + std::string(5000, 'x') + ";base64,aGk=", 100));
}

TEST(data_url, holds_at_its_limit_and_refuses_one_byte_more) {
    EXPECT_TRUE(parse_data_url("data:;base64,AQID", 3));
    EXPECT_EQ(parse_data_url("data:;base64,AQIDBA==", 3).error().code, errc::too_large);
    const auto much = "data:;base64," + std::string(4'000'000, 'A');
    EXPECT_EQ(parse_data_url(much, 2'999'999).error().code, errc::too_large);
    EXPECT_TRUE(parse_data_url(much, 3'000'000));
}

} // namespace
} // namespace rivulet::batch
