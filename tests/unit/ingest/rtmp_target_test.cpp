#include "ingest/rtmp_target.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;

namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

struct row {
    const char *name, *app, *tc_url, *key, *want_app, *want_stream;
    pairs want_query;
};

class rtmp_target_rows : public testing::TestWithParam<row> {};

TEST_P(rtmp_target_rows, is_found) {
    const auto& p = GetParam();
    const auto target = resolve_rtmp_target(p.app, p.tc_url, p.key);
    ASSERT_TRUE(target) << target.error().detail;
    EXPECT_EQ(target->app, p.want_app);
    EXPECT_EQ(target->stream, p.want_stream);
    EXPECT_EQ(target->query, p.want_query);
}

INSTANTIATE_TEST_SUITE_P(
    rtmp_target,
    rtmp_target_rows,
    testing::Values(
        row{"app_and_key", "live", "rtmp://h/live", "cam", "live", "cam", {}},
        row{"ffmpeg_one_component",
            "cam?x=y",
            "rtmp://h:1935/cam?x=y",
            "",
            "",
            "cam",
            {{"x", "y"}}},
        row{"ffmpeg_query_in_key",
            "live",
            "",
            "cam?pipeline=noop&x=1",
            "live",
            "cam",
            {{"pipeline", "noop"}, {"x", "1"}}},
        row{"obs_query_in_server",
            "live?token=a",
            "rtmp://h/live?token=a",
            "cam",
            "live",
            "cam",
            {{"token", "a"}}},
        row{"query_in_both", "live?a=1", "", "cam?b=2", "live", "cam", {{"a", "1"}, {"b", "2"}}},
        row{"query_only_in_the_address",
            "live",
            "rtmp://h/live?a=1",
            "cam",
            "live",
            "cam",
            {{"a", "1"}}},
        row{"slash_cut_inside_the_query",
            "live/cam?params={\"graph\":\"a",
            "",
            "b\"}",
            "live",
            "cam",
            {{"params", "{\"graph\":\"a/b\"}"}}},
        row{"name_in_app_with_slash", "live/cam", "", "", "live", "cam", {}},
        row{"deep_path", "a/b", "", "c/cam", "a", "cam", {}},
        row{"slashes_around", "/live/", "", "/cam/", "live", "cam", {}},
        row{"percent_in_query",
            "live",
            "",
            "cam?params=%7B%22graph%22%3A%22negate%22%7D",
            "live",
            "cam",
            {{"params", "{\"graph\":\"negate\"}"}}},
        row{"percent_in_name", "live", "", "c%61m-out", "live", "cam-out", {}},
        row{"plus_is_a_blank_in_a_query",
            "live",
            "",
            "cam?t=a+b%2B",
            "live",
            "cam",
            {{"t", "a b+"}}},
        row{"container_prefix", "live", "", "mp4:cam.mp4", "live", "cam.mp4", {}},
        row{"query_without_value", "live", "", "cam?x&&y=", "live", "cam", {{"x", ""}, {"y", ""}}}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

} // namespace

TEST(rtmp_target, refuses_names_that_could_be_paths) {
    for (const char* key :
         {"..", ".", "../cam", "a%2Fb", "%2e%2e", "x/%2e%2e/y", "cam%00", "c am", "c\xc3\xa4m", ""})
        EXPECT_FALSE(resolve_rtmp_target("", "", key)) << key;
    EXPECT_FALSE(resolve_rtmp_target("..", "", "cam"));
}

TEST(rtmp_target, takes_names_of_128_characters_and_refuses_longer_ones) {
    EXPECT_TRUE(resolve_rtmp_target("live", "", std::string(128, 'a')));
    EXPECT_FALSE(resolve_rtmp_target("live", "", std::string(129, 'a')));
}

TEST(rtmp_target, bounds_the_number_of_parameters) {
    std::string query = "cam?";
    for (int i = 0; i < 1000; ++i)
        query += "a=b&";
    EXPECT_EQ(resolve_rtmp_target("live", "", query)->query.size(), 64u);
}

TEST(rtmp_url, is_split_for_a_client) {
    const auto url = parse_rtmp_url("rtmp://example.org/live/cam?x=a/b").value();
    EXPECT_FALSE(url.secure);
    EXPECT_EQ(url.host, "example.org");
    EXPECT_EQ(url.port, 1935);
    EXPECT_EQ(url.app, "live");
    EXPECT_EQ(url.key, "cam?x=a/b");
    EXPECT_EQ(url.tc_url, "rtmp://example.org:1935/live");
}

TEST(rtmp_url, shows_neither_key_nor_credentials) {
    const auto url = parse_rtmp_url("rtmps://user:pw@[::1]:7443/app?t=tok/secret").value();
    EXPECT_TRUE(url.secure);
    EXPECT_EQ(url.host, "::1");
    EXPECT_EQ(url.port, 7443);
    for (const char* secret : {"user", "pw", "tok", "secret"})
        EXPECT_EQ(url.shown.find(secret), std::string::npos) << url.shown;
}

TEST(rtmp_url, refuses_other_schemes_and_broken_addresses) {
    for (const char* bad :
         {"http://h/live/cam",
          "file:///etc/passwd",
          "rtmp://",
          "rtmp:///live/cam",
          "rtmp://h",
          "rtmp://h/",
          "rtmp://h:0/a/b",
          "rtmp://h:99999/a/b",
          "rtmp://h:1x/a/b",
          "rtmp://h/a b",
          "rtmp://[::1/a/b",
          "-f",
          ""})
        EXPECT_FALSE(parse_rtmp_url(bad)) << bad;
}
