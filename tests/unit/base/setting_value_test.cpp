#include "base/setting_value.hpp"

#include <gtest/gtest.h>

namespace rivulet {
namespace {

using namespace std::chrono_literals;

TEST(duration_text, is_read_as_go_writes_it) {
    EXPECT_EQ(parse_duration("1s"), duration(1s));
    EXPECT_EQ(parse_duration("250ms"), duration(250ms));
    EXPECT_EQ(parse_duration("2m"), duration(2min));
    EXPECT_EQ(parse_duration("1h30m"), duration(90min));
    EXPECT_EQ(parse_duration("1m30.5s"), duration(90'500ms));
    EXPECT_EQ(parse_duration("7us"), duration(7us));
    EXPECT_EQ(parse_duration("7µs"), duration(7us));
    EXPECT_EQ(parse_duration("9ns"), duration(9ns));
    EXPECT_EQ(parse_duration("0"), duration(0));
    EXPECT_EQ(parse_duration("-2s"), duration(-2s));
}

TEST(duration_text, needs_a_unit_and_nothing_else) {
    for (auto text :
         {"", "5", "s", "1x", "1s ", " 1s", "1..5s", "--1s", "1s2", "1e3s", "infs", "-"})
        EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(duration_text, must_fit_64_bits_of_nanoseconds) {
    EXPECT_TRUE(parse_duration("2562047h"));
    EXPECT_FALSE(parse_duration("2562048h"));
    EXPECT_FALSE(parse_duration("99999999999999999999h"));
}

TEST(duration_text, comes_back_in_its_largest_units) {
    EXPECT_EQ(format_duration(0s), "0");
    EXPECT_EQ(format_duration(250ms), "250ms");
    EXPECT_EQ(format_duration(1s), "1s");
    EXPECT_EQ(format_duration(90s), "1m30s");
    EXPECT_EQ(format_duration(25h), "25h");
    EXPECT_EQ(format_duration(-1500ms), "-1s500ms");
}

TEST(byte_count_text, takes_decimal_and_binary_units) {
    EXPECT_EQ(parse_byte_count("0"), 0u);
    EXPECT_EQ(parse_byte_count("1048576"), 1048576u);
    EXPECT_EQ(parse_byte_count("64MiB"), 64u << 20);
    EXPECT_EQ(parse_byte_count("64 MiB"), 64u << 20);
    EXPECT_EQ(parse_byte_count("10MB"), 10'000'000u);
    EXPECT_EQ(parse_byte_count("3kB"), 3'000u);
    EXPECT_EQ(parse_byte_count("18446744073709551615"), 18446744073709551615u);
}

TEST(byte_count_text, refuses_what_is_no_count_or_does_not_fit) {
    for (auto text : {"", "MiB", "-1", "1.5MiB", "64 Mb", "18446744073709551616", "17179869184GiB"})
        EXPECT_EQ(parse_byte_count(text), std::nullopt) << text;
}

TEST(byte_count_text, comes_back_in_the_unit_that_divides_it) {
    EXPECT_EQ(format_byte_count(0), "0");
    EXPECT_EQ(format_byte_count(1000), "1000");
    EXPECT_EQ(format_byte_count(64u << 20), "64MiB");
    EXPECT_EQ(format_byte_count(3u << 10), "3KiB");
}

TEST(bool_text, takes_the_spellings_of_go) {
    for (auto text : {"1", "t", "T", "true", "TRUE", "True"})
        EXPECT_EQ(parse_bool(text), true) << text;
    for (auto text : {"0", "f", "F", "false", "FALSE", "False"})
        EXPECT_EQ(parse_bool(text), false) << text;
    for (auto text : {"", "yes", "on", "tRUE", "2"})
        EXPECT_EQ(parse_bool(text), std::nullopt) << text;
}

TEST(list_text, drops_blanks_and_empty_items) {
    EXPECT_EQ(parse_list(" a:1 ,,b ,"), (std::vector<std::string>{"a:1", "b"}));
    EXPECT_TRUE(parse_list("").empty());
}

TEST(listen_address, needs_a_port_and_brackets_around_v6) {
    for (auto text : {"127.0.0.1:0", ":8935", "localhost:65535", "[::1]:80", "0.0.0.0:1935"})
        EXPECT_TRUE(is_listen_address(text)) << text;
    for (auto text :
         {"",
          "8935",
          "127.0.0.1",
          "127.0.0.1:",
          "h:65536",
          "h:-1",
          "::1:80",
          "[]:1",
          "http://h:1",
          "h:1/x"})
        EXPECT_FALSE(is_listen_address(text)) << text;
}

} // namespace
} // namespace rivulet
