#include "live/playback.hpp"

#include <gtest/gtest.h>

using namespace rivulet::live;

namespace {

std::string only_stream(std::string_view path) {
    const auto readings = playback_readings(path);
    return readings.size() == 1 ? readings[0].stream : "more than one";
}

} // namespace

TEST(playback_path, without_the_suffix_is_the_source) {
    const auto readings = playback_readings("my-stream");
    ASSERT_EQ(readings.size(), 1u);
    EXPECT_EQ(readings[0].stream, "my-stream");
    EXPECT_FALSE(readings[0].processed);
    EXPECT_FALSE(playback_readings("-out")[0].processed) << "a suffix alone names nothing";
}

TEST(playback_path, keeps_the_hyphens_of_a_name) {
    EXPECT_EQ(only_stream("my-long-stream-out"), "my-long-stream");
    EXPECT_EQ(only_stream("a-12345-out"), "a-12345") << "five digits are no session";
    EXPECT_EQ(only_stream("a-1A2B3C4D-out"), "a-1A2B3C4D") << "sessions are lower case";
    EXPECT_EQ(only_stream("1a2b3c4d-out"), "1a2b3c4d");
    EXPECT_TRUE(playback_readings("my-long-stream-out")[0].processed);
}

TEST(playback_path, may_name_a_session_or_a_stream_that_looks_like_one) {
    const auto readings = playback_readings("my-cam-1a2b3c4d-out");
    ASSERT_EQ(readings.size(), 2u);
    EXPECT_EQ(readings[0].stream, "my-cam");
    EXPECT_EQ(readings[0].request, "1a2b3c4d");
    EXPECT_EQ(readings[1].stream, "my-cam-1a2b3c4d");
    EXPECT_EQ(readings[1].request, "");
    EXPECT_TRUE(readings[1].processed);
}
