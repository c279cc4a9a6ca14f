#include "live/stream_params.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using query = std::vector<std::pair<std::string, std::string>>;

TEST(live_conformance, s28_an_empty_pipeline_becomes_noop) {
    EXPECT_EQ(parse_stream_params("cam", {})->pipeline, "noop");
    EXPECT_EQ(parse_stream_params("cam", query{{"pipeline", ""}})->pipeline, "noop");
    EXPECT_EQ(parse_stream_params("cam", query{{"pipeline", "comfyui"}})->pipeline, "comfyui");
}

TEST(live_conformance, s9_params_that_are_not_a_json_object_are_refused) {
    for (const char* bad : {"{", "[1]", "1", "null", "{} x", "{\"a\":}", "\"text\""}) {
        auto params = parse_stream_params("cam", query{{"params", bad}});
        ASSERT_FALSE(params) << bad;
        EXPECT_THAT(params.error().detail, testing::StartsWith("params: ")) << bad;
    }
    auto good = parse_stream_params("cam", query{{"params", R"({"graph":"negate","n":[1,2]})"}});
    ASSERT_TRUE(good);
    EXPECT_EQ(good->params->at("graph").as_string(), "negate");
}

TEST(stream_params, absent_params_stay_absent) {
    EXPECT_FALSE(parse_stream_params("cam", {})->params);
    EXPECT_FALSE(parse_stream_params("cam", query{{"params", ""}})->params);
}

TEST(stream_params, limits_the_depth_and_the_size_of_params) {
    std::string deep;
    for (int i = 0; i < 40; ++i)
        deep += R"({"a":)";
    deep += "1";
    deep.append(40, '}');
    EXPECT_FALSE(parse_stream_params("cam", query{{"params", deep}}));
    const auto big = R"({"a":")" + std::string(256 * 1024, 'x') + "\"}";
    auto refused = parse_stream_params("cam", query{{"params", big}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::too_large);
}

TEST(stream_params, refuses_names_that_belong_to_the_gateway) {
    for (const char* bad : {"cam-out", "-out", "cam-control", "cam-events", "cam-data", "_changes"})
        EXPECT_FALSE(parse_stream_params(bad, {})) << bad;
    EXPECT_THAT(parse_stream_params("cam-out", {}).error().detail, testing::HasSubstr("-out"));
    for (const char* good : {"cam", "my-stream", "cam-outside", "a.b_c~1", "out"})
        EXPECT_TRUE(parse_stream_params(good, {})) << good;
}

TEST(stream_params, refuses_names_that_break_paths_and_lines) {
    for (std::string bad :
         {"", ".", "..", "a/b", "a b", "a?b", "a#b", "a%2fb", "a\nb", "caf\xc3\xa9"})
        EXPECT_FALSE(parse_stream_params(bad, {})) << bad;
    EXPECT_TRUE(parse_stream_params(std::string(128, 'a'), {}));
    EXPECT_FALSE(parse_stream_params(std::string(129, 'a'), {}));
}

TEST(stream_params, takes_the_first_of_repeated_keys_and_ignores_unknown_ones) {
    auto params = parse_stream_params(
        "cam", query{{"x", "y"}, {"streamId", "one"}, {"streamId", "two"}, {"orchestrator", "gpu"}}
    );
    ASSERT_TRUE(params);
    EXPECT_EQ(params->stream_id, "one");
    EXPECT_EQ(params->orchestrator, "gpu");
}

TEST(stream_params, refuses_a_stream_id_that_cannot_stand_in_a_path) {
    EXPECT_FALSE(parse_stream_params("cam", query{{"streamId", "a/b"}}));
    EXPECT_FALSE(parse_stream_params("cam", query{{"streamId", std::string(129, 'i')}}));
}

TEST(rtmp_target, accepts_rtmp_and_rtmps_only) {
    auto plain = parse_rtmp_target("rtmp://live.example.com/app/key");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->host, "live.example.com");
    EXPECT_EQ(plain->port, 1935);
    auto secure = parse_rtmp_target("rtmps://a.example:444/app/key?x=1");
    ASSERT_TRUE(secure);
    EXPECT_TRUE(secure->tls);
    EXPECT_EQ(secure->port, 444);
    for (const char* bad :
         {"http://h/a/b",
          "file:///etc/passwd",
          "rtmp://",
          "rtmp://h",
          "rtmp://h/",
          "rtmp:h/a",
          "h/a/b",
          "rtmp://h:99999/a/b",
          "rtmp://h:0/a/b",
          "srt://h:1/a"})
        EXPECT_FALSE(parse_rtmp_target(bad)) << bad;
}

} // namespace
} // namespace rivulet::live
