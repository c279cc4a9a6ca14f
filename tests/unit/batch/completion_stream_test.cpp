#include "batch/completion_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rivulet::batch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view hello =
    R"({"choices":[{"delta":{"content":"Hel","role":"assistant"},"finish_reason":"","index":0}]})";
constexpr std::string_view stop =
    R"({"choices":[{"delta":{"content":""},"finish_reason":"stop","index":0}],"usage":{"total_tokens":4}})";

std::string event(std::string_view json) {
    return "data: " + std::string(json) + "\n\n";
}

std::vector<std::string> chunks_of(completion_stream& from) {
    std::vector<std::string> all;
    while (auto next = from.next())
        all.push_back(std::move(*next));
    return all;
}

TEST(completion_stream, gives_each_chunk_as_it_was_sent) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed(event(hello)));
    EXPECT_THAT(chunks_of(stream), ElementsAre(hello));
    EXPECT_FALSE(stream.finished());
    ASSERT_TRUE(stream.feed(event(stop)));
    EXPECT_THAT(chunks_of(stream), ElementsAre(stop));
    EXPECT_TRUE(stream.finished());
    EXPECT_EQ(stream.total_tokens(), 4);
    EXPECT_TRUE(stream.end());
}

TEST(completion_stream, does_not_care_how_the_bytes_are_cut) {
    const auto text = ": comment\r\nid: 7\r\n" + event(hello) + "data:" + std::string(stop) +
                      "\r\n\r\ndata: [DONE]\n\n";
    for (std::size_t size = 1; size <= text.size(); size += 7) {
        completion_stream stream;
        for (std::size_t at = 0; at < text.size(); at += size)
            ASSERT_TRUE(stream.feed(std::string_view(text).substr(at, size)));
        EXPECT_THAT(chunks_of(stream), ElementsAre(hello, stop)) << size;
        EXPECT_TRUE(stream.finished());
    }
}

TEST(completion_stream, gives_a_chunk_before_the_blank_line_behind_it) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed("data: " + std::string(hello) + "\n"));
    EXPECT_THAT(chunks_of(stream), ElementsAre(hello));
}

TEST(completion_stream, joins_an_event_of_many_lines_into_one) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed("data: {\"choices\":\ndata: [{\"delta\":{}}]\ndata: }\n\n"));
    EXPECT_THAT(chunks_of(stream), ElementsAre(R"({"choices": [{"delta":{}}] })"));
}

TEST(completion_stream, a_carriage_return_inside_a_chunk_does_not_cut_it) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed("data: {\"choices\":\r[{\"delta\":{}}]}\n\n"));
    EXPECT_THAT(chunks_of(stream), ElementsAre(R"({"choices": [{"delta":{}}]})"));
}

TEST(batch_conformance, s27_a_chunk_without_choices_is_no_harm) {
    for (const std::string_view odd :
         {R"({"choices":[]})",
          R"({"choices":null})",
          R"({})",
          R"([])",
          "5",
          "null",
          R"({"choices":[null]})",
          R"({"choices":[1]})",
          "{\"choices\"",
          "not json",
          ""}) {
        completion_stream stream;
        ASSERT_TRUE(stream.feed(event(odd))) << odd;
        ASSERT_TRUE(stream.feed(event(hello)));
        EXPECT_THAT(chunks_of(stream), ElementsAre(hello)) << odd;
        EXPECT_FALSE(stream.finished());
    }
}

TEST(completion_stream, keeps_a_chunk_that_only_counts) {
    completion_stream stream;
    const std::string_view counts = R"({"choices":[],"usage":{"total_tokens":9}})";
    ASSERT_TRUE(stream.feed(event(counts)));
    EXPECT_THAT(chunks_of(stream), ElementsAre(counts));
    EXPECT_EQ(stream.total_tokens(), 9);
}

TEST(completion_stream, does_not_count_what_is_no_number_of_tokens) {
    completion_stream stream;
    for (const std::string_view odd :
         {"-1", "1.5", "\"7\"", "1e99", "null", "18446744073709551616"})
        ASSERT_TRUE(stream.feed(
            event(R"({"choices":[{}],"usage":{"total_tokens":)" + std::string(odd) + "}}")
        ));
    EXPECT_EQ(stream.total_tokens(), 0);
}

TEST(completion_stream, ends_with_DONE_and_drops_what_follows) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed(event(hello) + "data: [DONE]\n\n" + event(hello)));
    EXPECT_THAT(chunks_of(stream), ElementsAre(hello));
    EXPECT_TRUE(stream.end());
}

TEST(completion_stream, a_stream_that_just_stops_has_failed) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed(event(hello)));
    const auto ended = stream.end();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, errc::protocol_violation);
    EXPECT_FALSE(completion_stream().end());
}

TEST(completion_stream, the_last_line_may_lack_its_end) {
    completion_stream stream;
    ASSERT_TRUE(stream.feed("data: " + std::string(stop)));
    EXPECT_TRUE(stream.end());
    EXPECT_THAT(chunks_of(stream), ElementsAre(stop));
}

TEST(completion_stream, tells_what_an_error_event_says_behind_the_chunks_before_it) {
    for (const std::string_view error :
         {"data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
          "data: {\"error\":\"out of memory\"}\n\n",
          "event: error\ndata: out of memory\n\n",
          "event: error\ndata: {\"message\":\"out of memory\"}\n\n",
          "event: error\ndata: {\"detail\":{\"msg\":\"out of memory\"}}\n\n"}) {
        completion_stream stream;
        const auto fed = stream.feed(event(hello) + std::string(error) + event(hello));
        ASSERT_FALSE(fed) << error;
        EXPECT_EQ(fed.error().detail, "out of memory");
        EXPECT_THAT(chunks_of(stream), ElementsAre(hello));
        EXPECT_FALSE(stream.finished());
    }
}

TEST(completion_stream, an_error_without_words_is_one_too) {
    completion_stream stream;
    const auto fed = stream.feed("data: {\"error\":{\"code\":7}}\n\n");
    ASSERT_FALSE(fed);
    EXPECT_THAT(fed.error().detail, HasSubstr("error"));
}

TEST(completion_stream, a_line_may_be_as_long_as_the_limit_and_no_longer) {
    const std::string longest(completion_stream::line_limit, ':');
    {
        completion_stream stream;
        EXPECT_TRUE(stream.feed(longest));
        EXPECT_TRUE(stream.feed("\n"));
    }
    completion_stream stream;
    EXPECT_TRUE(stream.feed(longest));
    const auto fed = stream.feed(":");
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, errc::too_large);
}

TEST(completion_stream, an_event_of_endless_lines_is_too_large) {
    completion_stream stream;
    const std::string line = "data: " + std::string(1000, '[') + "\n";
    outcome<void> fed;
    for (std::size_t sent = 0; fed && sent < 2 * completion_stream::line_limit; sent += line.size())
        fed = stream.feed(line);
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, errc::too_large);
}

} // namespace
} // namespace rivulet::batch
