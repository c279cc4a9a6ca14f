#include "live/door_channels.hpp"
#include "live/trickle_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

using query_list = std::vector<std::pair<std::string, std::string>>;

std::string refusal(std::string_view body) {
    const auto read = read_trickle_request(body, {});
    return read ? "taken" : read.error().detail;
}

TEST(trickle_request, may_be_empty) {
    EXPECT_THAT(*read_trickle_request("", {}), IsEmpty());
    EXPECT_THAT(*read_trickle_request(" \r\n", {{"a", "b"}}), ElementsAre(Pair("a", "b")));
    EXPECT_THAT(*read_trickle_request("{}", {{"a", "b"}}), ElementsAre(Pair("a", "b")));
}

TEST(trickle_request, fields_replace_those_of_the_query) {
    const query_list query{{"pipeline", "noop"}, {"key", "k"}, {"streamId", "old"}};
    const auto read = read_trickle_request(
        R"({"pipeline":"avfilter","params":{"graph":"negate"},"stream_id":"new",
            "rtmp_output":"rtmp://h/a/k","orchestrator":"eu"})",
        query
    );
    EXPECT_THAT(
        *read,
        ElementsAre(
            Pair("key", "k"),
            Pair("pipeline", "avfilter"),
            Pair("params", R"({"graph":"negate"})"),
            Pair("streamId", "new"),
            Pair("rtmpOutput", "rtmp://h/a/k"),
            Pair("orchestrator", "eu")
        )
    );
}

TEST(trickle_request, takes_the_spellings_of_the_query) {
    EXPECT_THAT(
        *read_trickle_request(R"({"streamId":"a","rtmpOutput":"rtmp://h/a/k"})", {}),
        ElementsAre(Pair("streamId", "a"), Pair("rtmpOutput", "rtmp://h/a/k"))
    );
}

TEST(trickle_request, leaves_out_what_is_null_or_unknown) {
    EXPECT_THAT(
        *read_trickle_request(R"({"pipeline":null,"x":[1]})", {{"pipeline", "noop"}}),
        ElementsAre(Pair("pipeline", "noop"))
    );
}

TEST(trickle_request, names_the_field_of_a_wrong_type) {
    EXPECT_EQ(refusal(R"({"params":[]})"), "params: an object is wanted");
    EXPECT_EQ(refusal(R"({"params":"{}"})"), "params: an object is wanted");
    EXPECT_EQ(refusal(R"({"stream_id":5})"), "stream_id: a string is wanted");
    EXPECT_EQ(refusal(R"({"rtmpOutput":{}})"), "rtmpOutput: a string is wanted");
    EXPECT_THAT(refusal("[]"), HasSubstr("a JSON object is wanted"));
    EXPECT_THAT(refusal("{} {}"), HasSubstr("not JSON"));
}

TEST(trickle_request, is_a_mebibyte_at_most) {
    std::string most = "{}" + std::string(trickle_request_bytes - 2, ' ');
    EXPECT_EQ(refusal(most), "taken");
    most += ' ';
    EXPECT_EQ(read_trickle_request(most, {}).error().code, errc::too_large);
}

TEST(door_channel_name, is_a_name_and_128_bits_and_a_direction) {
    const std::string secret(32, 'a');
    for (const char* end : {"-in", "-out", "-control", "-events"})
        EXPECT_TRUE(is_door_channel_name("cam-" + secret + end)) << end;
    EXPECT_TRUE(is_door_channel_name("my-cam-0-" + secret + "-in"));
    EXPECT_FALSE(is_door_channel_name("cam-" + secret));
    EXPECT_FALSE(is_door_channel_name("cam-" + secret + "-data"));
    EXPECT_FALSE(is_door_channel_name("cam-out"));
    EXPECT_FALSE(is_door_channel_name("cam" + secret + "-in"));
    EXPECT_FALSE(is_door_channel_name("-" + secret + "-in")) << "no name";
    EXPECT_FALSE(is_door_channel_name("cam-" + secret.substr(1) + "-in"));
    EXPECT_FALSE(is_door_channel_name("cam-" + std::string(32, 'A') + "-in"));
}

} // namespace
} // namespace rivulet::live
