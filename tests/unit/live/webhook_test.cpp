#include "live/decision_memory.hpp"
#include "live/heartbeat.hpp"
#include "live/http_access.hpp"
#include "live/webhook_wire.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

namespace json = boost::json;

query_list overridden(std::string_view answer, query_list query) {
    override_query(parse_webhook_answer(answer).value(), query);
    return query;
}

std::string value_of(const query_list& query, std::string_view name) {
    std::string all;
    for (const auto& [key, value] : query)
        if (key == name)
            all += value + ";";
    return all;
}

} // namespace

TEST(live_conformance, s17_non_empty_fields_of_the_answer_override_the_query) {
    const query_list asked{
        {"pipeline", "noop"},
        {"streamId", "mine"},
        {"params", R"({"a":1,"b":2})"},
        {"rtmpOutput", "rtmp://a/b/c"},
        {"pipeline", "twice"},
        {"orchestrator", "o"}};
    auto query = overridden(
        R"({"rtmp_output_url":"rtmp://x/y/z","pipeline":"sdxl","stream_id":"theirs",
            "pipeline_id":"p","pipeline_parameters":{"c":3}})",
        asked
    );
    EXPECT_EQ(value_of(query, "pipeline"), "sdxl;");
    EXPECT_EQ(value_of(query, "streamId"), "theirs;");
    EXPECT_EQ(value_of(query, "rtmpOutput"), "rtmp://x/y/z;");
    EXPECT_EQ(value_of(query, "params"), "{\"c\":3};") << "replaced, not merged";
    EXPECT_EQ(value_of(query, "orchestrator"), "o;");
    query = overridden(
        R"({"rtmp_output_url":"","pipeline":null,"pipeline_parameters":{},"more":[1]})", asked
    );
    EXPECT_EQ(query, asked);
    EXPECT_EQ(overridden("{}", asked), asked);
    EXPECT_EQ(overridden(R"({"pipeline_parameters":null})", asked), asked);
}

TEST(live_conformance, s18_comfyui_parameters_without_a_prompt_become_the_prompt) {
    EXPECT_EQ(
        value_of(
            overridden(R"({"pipeline":"comfyui","pipeline_parameters":{"1":{}}})", {}), "params"
        ),
        "{\"prompt\":{\"1\":{}}};"
    );
    EXPECT_EQ(
        value_of(
            overridden(R"({"pipeline_parameters":{"1":{}}})", {{"pipeline", "comfyui"}}), "params"
        ),
        "{\"prompt\":{\"1\":{}}};"
    );
    EXPECT_EQ(
        value_of(
            overridden(R"({"pipeline":"comfyui","pipeline_parameters":{"prompt":{}}})", {}),
            "params"
        ),
        "{\"prompt\":{}};"
    );
    EXPECT_EQ(
        value_of(
            overridden(
                R"({"pipeline":"noop","pipeline_parameters":{"1":{}}})", {{"pipeline", "comfyui"}}
            ),
            "params"
        ),
        "{\"1\":{}};"
    );
}

namespace {

TEST(webhook_wire, an_answer_that_is_no_object_of_the_right_shape_is_refused) {
    for (const char* bad :
         {"",
          " ",
          "ok",
          "[]",
          "{",
          "null",
          R"({"pipeline":1})",
          R"({"stream_id":{}})",
          R"({"pipeline_parameters":"{}"})",
          R"({"pipeline_parameters":[]})",
          R"({"srt_passphrase":"too short"})"})
        EXPECT_FALSE(parse_webhook_answer(bad)) << bad;
}

TEST(webhook_wire, the_question_leaves_out_what_is_empty) {
    webhook_question question;
    question.stream = "cam";
    const auto body = json::parse(to_json(question)).as_object();
    EXPECT_EQ(body.at("stream"), "cam");
    EXPECT_EQ(body.at("stream_key"), "cam");
    EXPECT_FALSE(body.contains("key"));
    EXPECT_FALSE(body.contains("query_params"));
}

TEST(webhook_wire, doors_have_the_networks_names) {
    EXPECT_EQ(webhook_type("rtmp"), "rtmp");
    EXPECT_EQ(webhook_type("rtmps"), "rtmp");
    EXPECT_EQ(webhook_type("srt"), "srt");
    EXPECT_EQ(webhook_type("whip"), "livepeer-whip");
    EXPECT_EQ(webhook_type("mediamtx-rtmp"), "rtmp");
    EXPECT_EQ(webhook_type("mediamtx-whip"), "whip");
}

TEST(webhook_wire, a_query_is_encoded_again) {
    EXPECT_EQ(to_query_text({}), "");
    EXPECT_EQ(
        to_query_text({{"params", R"({"a":"b c"})"}, {"x", ""}}),
        "params=%7B%22a%22%3A%22b%20c%22%7D&x="
    );
}

TEST(decision_memory, forgets_refusals_sooner_than_permissions_and_failures_at_once) {
    decision_memory memory(10s, 2s, 3);
    const time_point start{};
    memory.keep("yes", outcome<void>(), start);
    memory.keep("no", failure(errc::unauthorized, "no"), start);
    memory.keep("down", failure(errc::timed_out, "down"), start);
    ASSERT_TRUE(memory.find("yes", start + 9999ms));
    EXPECT_TRUE(memory.find("yes", start + 9999ms)->has_value());
    EXPECT_FALSE(memory.find("yes", start + 10s));
    ASSERT_TRUE(memory.find("no", start + 1999ms));
    EXPECT_EQ(memory.find("no", start + 1999ms)->error().detail, "no");
    EXPECT_FALSE(memory.find("no", start + 2s));
    EXPECT_FALSE(memory.find("down", start));
}

TEST(decision_memory, never_holds_more_than_its_limit) {
    decision_memory memory(10s, 2s, 3);
    const time_point start{};
    memory.keep("old", failure(errc::unauthorized, "no"), start);
    for (int i = 0; i < 2; ++i)
        memory.keep("new" + std::to_string(i), outcome<void>(), start + 1s);
    memory.keep("one more", outcome<void>(), start + 3s);
    EXPECT_EQ(memory.size(), 3u) << "the old one made room";
    EXPECT_TRUE(memory.find("new0", start + 3s));
    for (int i = 0; i < 100; ++i) {
        memory.keep("flood" + std::to_string(i), outcome<void>(), start + 3s);
        ASSERT_LE(memory.size(), 3u);
    }
}

TEST(http_access, a_bearer_token_comes_before_the_query) {
    EXPECT_EQ(key_of("Bearer abc", {{"key", "q"}}), "abc");
    EXPECT_EQ(key_of("bEARER   abc ", {}), "abc");
    EXPECT_EQ(key_of("Basic abc", {{"key", "q"}}), "q");
    EXPECT_EQ(key_of("Bearer ", {{"token", "q"}}), "q");
    EXPECT_EQ(key_of("", {}), "");
}

TEST(http_access, each_cause_has_its_status) {
    const failure no(errc::unauthorized, "no");
    auto reply = access_refused(no, false);
    EXPECT_EQ(reply.status, http::status::unauthorized);
    EXPECT_EQ(reply.headers.at(0).first, "WWW-Authenticate");
    EXPECT_EQ(access_refused(no, true).status, http::status::forbidden);
    EXPECT_EQ(
        access_refused(failure(errc::timed_out, "late"), true).status,
        http::status::service_unavailable
    );
}

TEST(heartbeat, sends_null_when_no_stream_runs) {
    EXPECT_EQ(heartbeat_body({}), R"({"ids":null})");
    EXPECT_EQ(heartbeat_body({"a", "b\""}), R"({"ids":["a","b\""]})");
}

TEST(heartbeat, reads_what_is_to_end_and_nothing_else) {
    EXPECT_THAT(
        parse_heartbeat_answer(R"({"terminatedStreamIds":["a","","b"],"x":1})").value(),
        ElementsAre("a", "b")
    );
    for (const char* none : {"", " \n", "{}", R"({"terminatedStreamIds":null})"})
        EXPECT_THAT(parse_heartbeat_answer(none).value(), IsEmpty()) << none;
    for (const char* bad :
         {"ok", "[]", R"({"terminatedStreamIds":"a"})", R"({"terminatedStreamIds":[1]})"})
        EXPECT_FALSE(parse_heartbeat_answer(bad)) << bad;
}

TEST(heartbeat, headers_are_names_and_values) {
    EXPECT_THAT(
        parse_headers("a:b, X-Key : c:d ,").value(),
        ElementsAre(Pair("a", "b"), Pair("X-Key", "c:d"))
    );
    EXPECT_THAT(parse_headers("").value(), IsEmpty());
    for (const char* bad : {"abc", ":x", "a b:c", "a:b\r\nc:d"}) {
        auto refused = parse_headers(bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_THAT(refused.error().detail, Not(HasSubstr("abc")));
    }
}

} // namespace
} // namespace rivulet::live
