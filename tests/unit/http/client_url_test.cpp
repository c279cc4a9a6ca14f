#include "http/client_url.hpp"

#include <gtest/gtest.h>

namespace rivulet::http {
namespace {

TEST(http_url, splits_an_address_and_fills_in_what_is_left_out) {
    auto url = parse_http_url("http://example.org");
    ASSERT_TRUE(url);
    EXPECT_FALSE(url->secure);
    EXPECT_EQ(url->host, "example.org");
    EXPECT_EQ(url->port, 80);
    EXPECT_EQ(url->target(), "/");
    url = parse_http_url("https://example.org:8935/ai/trickle/a%2Fb?x=1");
    ASSERT_TRUE(url);
    EXPECT_TRUE(url->secure);
    EXPECT_EQ(url->port, 8935);
    EXPECT_EQ(url->authority, "example.org:8935");
    EXPECT_EQ(url->target(), "/ai/trickle/a%2Fb?x=1");
}

TEST(http_url, takes_the_brackets_off_an_ipv6_host_but_not_off_the_host_header) {
    auto url = parse_http_url("http://[::1]:8080/x");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->host, "::1");
    EXPECT_EQ(url->authority, "[::1]:8080");
    EXPECT_EQ(url->endpoint(), "[::1]:8080");
}

TEST(http_url, appends_a_segment_before_the_query) {
    auto url = parse_http_url("http://h:1/a?k=v");
    ASSERT_TRUE(url);
    EXPECT_EQ(to_text(*url / "7"), "http://h:1/a/7?k=v");
    url = parse_http_url("http://h:1/a/");
    ASSERT_TRUE(url);
    EXPECT_EQ(to_text(*url / "7"), "http://h:1/a/7");
}

TEST(http_url, refuses_what_it_cannot_reach_and_says_why) {
    for (const char* text :
         {"",
          "h",
          "/a",
          "ftp://h/",
          "rtmp://h/x",
          "http://",
          "http://h:0/",
          "http://h:99999/",
          "http://u:p@h/",
          "http://h/a b",
          "http://h/%zz",
          "http:///x"}) {
        auto url = parse_http_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code, errc::invalid_argument) << text;
        EXPECT_FALSE(url.error().detail.empty()) << text;
    }
}

TEST(http_url, does_not_repeat_a_password_in_its_message) {
    auto url = parse_http_url("http://user:hunter2@h/");
    ASSERT_FALSE(url);
    EXPECT_EQ(url.error().detail.find("hunter2"), std::string::npos);
}

} // namespace
} // namespace rivulet::http
