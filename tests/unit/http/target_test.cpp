#include "http/target.hpp"

#include <gtest/gtest.h>

namespace rivulet::http {
namespace {

TEST(http_target, cuts_path_and_query) {
    EXPECT_EQ(split("/a/b?x=1&y=2").path, "/a/b");
    EXPECT_EQ(split("/a/b?x=1&y=2").query, "x=1&y=2");
    EXPECT_EQ(split("/a").query, "");
    EXPECT_EQ(split("/a?").query, "");
    EXPECT_EQ(split("/a?x=1?y").query, "x=1?y");
    EXPECT_EQ(split("/a#part?no=query").path, "/a");
    EXPECT_EQ(split("").path, "");
    EXPECT_EQ(split("*").path, "*");
}

TEST(http_target, takes_the_path_of_an_absolute_target) {
    EXPECT_EQ(split("http://host:80/a/b?c=d").path, "/a/b");
    EXPECT_EQ(split("http://host:80/a/b?c=d").query, "c=d");
    EXPECT_EQ(split("https://host/").path, "/");
    EXPECT_EQ(split("http://host").path, "/");
}

TEST(http_target, decodes_escapes_and_refuses_bad_ones) {
    EXPECT_EQ(percent_decode("a%2Fb%20c%c3%A4"), "a/b c\xc3\xa4");
    EXPECT_EQ(percent_decode("1+1"), "1+1");
    EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
    for (const auto* bad : {"%", "%1", "%g0", "%0g", "abc%", "%%41"})
        EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(http_target, what_is_encoded_decodes_to_itself) {
    std::string all;
    for (int c = 0; c < 256; ++c)
        all += static_cast<char>(c);
    const auto encoded = percent_encode(all);
    EXPECT_EQ(percent_decode(encoded), all);
    EXPECT_EQ(encoded.find_first_of(" /?#&=\r\n"), std::string::npos);
}

TEST(http_target, reads_query_pairs_in_order) {
    const auto pairs = parse_query("a=1&b=x%20y+z&a=2&flag&=empty&&bad=%zz");
    const std::vector<std::pair<std::string, std::string>> expected{
        {"a", "1"}, {"b", "x y z"}, {"a", "2"}, {"flag", ""}, {"", "empty"}, {"bad", "%zz"}};
    EXPECT_EQ(pairs, expected);
    EXPECT_TRUE(parse_query("").empty());
}

TEST(http_target, matches_whole_segments_and_decodes_the_named_ones) {
    const auto found = match_pattern("/live/{stream}/update", "/live/cam%2F1/update");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->at("stream"), "cam/1");
    EXPECT_TRUE(match_pattern("/a", "/a"));
    EXPECT_TRUE(match_pattern("/", "/"));

    struct row {
        const char *pattern, *path;
    };

    for (const auto& [pattern, path] : std::initializer_list<row>{
             {"/a", "/a/"},
             {"/a", "/b"},
             {"/a", "/ab"},
             {"/a/{x}", "/a"},
             {"/a/{x}", "/a/"},
             {"/a/{x}", "/a/b/c"},
             {"/a/{x}", "/a/%zz"},
             {"/a/{x}/c", "/a/b/d"},
             {"/a", ""},
         })
        EXPECT_FALSE(match_pattern(pattern, path)) << pattern << " " << path;
}

} // namespace
} // namespace rivulet::http
