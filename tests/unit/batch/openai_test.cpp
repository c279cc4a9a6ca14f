#include "batch/openai.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::StartsWith;

const std::string one_message = R"("messages":[{"role":"user","content":"hi"}])";

answer<openai_request> parse_with(const std::string& more) {
    return parse_openai("{" + one_message + "," + more + "}");
}

json::value forwarded(const openai_request& of) {
    return json::parse(forwarded_json(of.checked));
}

TEST(openai, takes_a_request_of_messages_alone) {
    const auto made = parse_openai("{" + one_message + "}");
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->checked.stream);
    EXPECT_FALSE(made->include_usage);
    const auto body = forwarded(*made);
    EXPECT_EQ(body.at("messages"), json::parse(R"([{"role":"user","content":"hi"}])"));
    EXPECT_EQ(body.at("max_tokens"), 256);
    EXPECT_EQ(body.at("model"), "meta-llama/llama-3.1-8B-Instruct");
    EXPECT_EQ(made->checked.units(), 256);
}

TEST(openai, passes_on_what_the_network_knows) {
    const auto good = parse_with(
        R"("model":"a/b","stream":true,"stream_options":{"include_usage":true},"temperature":0.2,"top_p":0.5,"seed":3,"user":"u","metadata":{"k":"v"})"
    );
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_TRUE(good->checked.stream);
    EXPECT_TRUE(good->include_usage);
    EXPECT_EQ(good->checked.model, "a/b");
    const auto body = forwarded(*good);
    EXPECT_EQ(body.at("temperature"), 0.2);
    EXPECT_EQ(body.at("top_p"), 0.5);
    EXPECT_FALSE(body.as_object().contains("seed"));
    EXPECT_FALSE(body.as_object().contains("stream_options"));
}

TEST(openai, max_completion_tokens_is_the_newer_name_of_max_tokens) {
    const auto made = parse_with(R"("max_tokens":7,"max_completion_tokens":9)");
    ASSERT_TRUE(made);
    EXPECT_EQ(forwarded(*made).at("max_tokens"), 9);
    EXPECT_EQ(made->checked.units(), 9);
    const auto wrong = parse_with(R"("max_completion_tokens":"many")");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().field, "max_completion_tokens");
    EXPECT_THAT(wrong.error().message, HasSubstr("max_completion_tokens"));
}

TEST(openai, text_parts_are_one_text) {
    const auto made = parse_openai(
        R"({"messages":[{"role":"developer","content":"be brief"},
            {"role":"user","name":"ann","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})"
    );
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(
        forwarded(*made).at("messages"),
        json::parse(R"([{"role":"system","content":"be brief"},{"role":"user","content":"a\nb"}])")
    );
}

TEST(openai, names_the_message_that_is_wrong) {
    struct row {
        std::string_view messages, field;
    };

    for (const row& r : std::initializer_list<row>{
             {R"("hi")", "messages"},
             {R"(["hi"])", "messages[0]"},
             {R"([{"content":"a"}])", "messages[0].role"},
             {R"([{"role":1,"content":"a"}])", "messages[0].role"},
             {R"([{"role":"user"}])", "messages[0].content"},
             {R"([{"role":"user","content":"a"},{"role":"user","content":7}])",
              "messages[1].content"},
             {R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"http://x/"}}]}])",
              "messages[0].content[1]"},
             {R"([{"role":"tool","tool_call_id":"1","content":"a"}])", "messages[0]"},
             {R"([{"role":"assistant","tool_calls":[{}],"content":null}])", "messages[0]"}}) {
        const auto made = parse_openai(R"({"messages":)" + std::string(r.messages) + "}");
        ASSERT_FALSE(made) << r.messages;
        EXPECT_EQ(made.error().status, http::status::bad_request);
        EXPECT_EQ(made.error().field, r.field);
        EXPECT_THAT(made.error().message, StartsWith(std::string(r.field)));
    }
}

TEST(openai, messages_are_needed) {
    for (const std::string_view body : {"{}", R"({"messages":null})", R"({"messages":[]})"}) {
        const auto made = parse_openai(body);
        ASSERT_FALSE(made) << body;
        EXPECT_EQ(made.error().field, "messages") << body;
    }
}

TEST(openai, refuses_by_name_what_would_mean_something_else) {
    struct row {
        std::string_view name, refused, harmless;
    };

    for (const row& r : std::initializer_list<row>{
             {"tools", R"([{"type":"function"}])", "[]"},
             {"functions", R"([{"name":"f"}])", "[]"},
             {"tool_choice", R"("required")", R"("auto")"},
             {"function_call", R"({"name":"f"})", R"("none")"},
             {"stop", R"("\n")", "[]"},
             {"n", "2", "1"},
             {"response_format", R"({"type":"json_object"})", R"({"type":"text"})"},
             {"logprobs", "true", "false"},
             {"top_logprobs", "5", "0"},
             {"logit_bias", R"({"50256":-100})", "{}"},
             {"modalities", R"(["text","audio"])", R"(["text"])"},
             {"audio", R"({"voice":"alloy"})", "null"},
             {"web_search_options", "{}", "null"}}) {
        const std::string key = "\"" + std::string(r.name) + "\":";
        const auto refused = parse_with(key + std::string(r.refused));
        ASSERT_FALSE(refused) << r.name;
        EXPECT_EQ(refused.error().status, http::status::bad_request);
        EXPECT_EQ(refused.error().field, r.name);
        EXPECT_TRUE(parse_with(key + std::string(r.harmless))) << r.name;
        EXPECT_TRUE(parse_with(key + "null")) << r.name;
    }
}

TEST(openai, a_body_that_is_no_object_is_a_bad_request) {
    for (const std::string_view body : {"", "{", "[]", "\"hi\"", "null", "{}{}"}) {
        const auto made = parse_openai(body);
        ASSERT_FALSE(made) << body;
        EXPECT_EQ(made.error().status, http::status::bad_request);
    }
    EXPECT_FALSE(parse_openai(std::string(100'000, '[')));
    for (const std::string_view options : {"1", R"({"include_usage":"yes"})"})
        EXPECT_FALSE(parse_with("\"stream_options\":" + std::string(options)));
}

TEST(openai, an_answer_gets_what_its_clients_insist_on) {
    openai_dialect speaks("1a2b3c4d", "a/b", 1700, false);
    auto body =
        json::parse(
            R"({"choices":[{"finish_reason":"","index":0,"message":{"content":"hi","role":"assistant"}}],"created":0,"id":"","model":"","usage":{"total_tokens":3}})"
        )
            .as_object();
    speaks.whole(body);
    EXPECT_EQ(body.at("id"), "chatcmpl-1a2b3c4d");
    EXPECT_EQ(body.at("object"), "chat.completion");
    EXPECT_EQ(body.at("created"), 1700);
    EXPECT_EQ(body.at("model"), "a/b");
    EXPECT_EQ(body.at("usage").at("total_tokens"), 3);
    const auto& choice = body.at("choices").as_array().at(0);
    EXPECT_EQ(choice.at("finish_reason"), "stop");
    EXPECT_EQ(choice.at("message").at("content"), "hi");
}

TEST(openai, an_answers_own_names_are_kept) {
    openai_dialect speaks("1a2b3c4d", "a/b", 1700, false);
    auto body =
        json::parse(
            R"({"choices":[{"finish_reason":"length","index":0,"message":{}}],"created":9,"id":"c1","model":"m"})"
        )
            .as_object();
    speaks.whole(body);
    EXPECT_EQ(body.at("id"), "c1");
    EXPECT_EQ(body.at("created"), 9);
    EXPECT_EQ(body.at("model"), "m");
    EXPECT_EQ(body.at("choices").at(0).at("finish_reason"), "length");
}

TEST(openai, all_chunks_of_an_answer_have_one_name) {
    openai_dialect speaks("1a2b3c4d", "a/b", 1700, false);
    const auto first =
        json::parse(*speaks.chunk(R"({"choices":[{"finish_reason":""}],"usage":{"total_tokens":1}})"
        ));
    EXPECT_EQ(first.at("id"), "chatcmpl-1a2b3c4d");
    EXPECT_EQ(first.at("object"), "chat.completion.chunk");
    EXPECT_EQ(first.at("choices").at(0).at("index"), 0);
    EXPECT_TRUE(first.at("choices").at(0).at("delta").as_object().empty());
    EXPECT_TRUE(first.at("choices").at(0).at("finish_reason").is_null());
    EXPECT_FALSE(first.as_object().contains("usage"));
    const auto second = json::parse(*speaks.chunk(
        R"({"id":"c2","created":5,"model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]})"
    ));
    EXPECT_EQ(second.at("id"), "chatcmpl-1a2b3c4d");
    EXPECT_EQ(second.at("created"), 1700);
    EXPECT_EQ(second.at("model"), "a/b");
    EXPECT_EQ(second.at("choices").at(0).at("finish_reason"), "stop");
    EXPECT_FALSE(speaks.closing());
}

TEST(openai, usage_comes_last_and_only_when_it_was_asked_for) {
    openai_dialect speaks("1a2b3c4d", "a/b", 1700, true);
    const auto chunk =
        json::parse(*speaks.chunk(R"({"choices":[{"delta":{}}],"usage":{"total_tokens":1}})"));
    EXPECT_TRUE(chunk.at("usage").is_null());
    EXPECT_FALSE(speaks.chunk(R"({"choices":[],"usage":{"total_tokens":2}})"));
    const auto last = json::parse(*speaks.closing());
    EXPECT_TRUE(last.at("choices").as_array().empty());
    EXPECT_EQ(last.at("usage").at("total_tokens"), 2);
    EXPECT_EQ(last.at("id"), chunk.at("id"));
}

TEST(openai, an_error_has_the_four_fields_and_the_networks_detail) {
    const openai_dialect speaks("1a2b3c4d", "a/b", 1700, false);

    struct row {
        http::status status;
        std::string_view type;
    };

    for (const row& r : std::initializer_list<row>{
             {http::status::bad_request, "invalid_request_error"},
             {http::status::unauthorized, "authentication_error"},
             {http::status::too_many_requests, "rate_limit_error"},
             {http::status::service_unavailable, "server_error"}}) {
        api_error why(r.status, "no such thing");
        why.field = "model";
        const auto reply = speaks.refusal(why, "1a2b3c4d");
        EXPECT_EQ(reply.status, r.status);
        const auto body = json::parse(reply.body);
        EXPECT_EQ(body.at("error").at("type"), json::value(r.type));
        EXPECT_EQ(body.at("error").at("message"), "no such thing");
        EXPECT_EQ(body.at("error").at("param"), "model");
        EXPECT_TRUE(body.at("error").as_object().contains("code"));
        EXPECT_EQ(body.at("detail").at("msg"), "no such thing");
    }
}

TEST(openai, lists_each_model_for_conversations_once) {
    const auto known = json::parse(R"({"orchestrators":[
        {"capabilities":{"constraints":{"PerCapability":{"33":{"models":{"b":{},"a":{}}},"27":{"models":{"picture":{}}}}}}},
        {"capabilities":{"constraints":{"PerCapability":{"33":{"models":{"a":{"warm":true}}}}}}},
        {"capabilities":null}, {}, 5]})")
                           .as_object();
    const auto list = openai_models(known, 1700);
    EXPECT_EQ(list.at("object"), "list");
    const auto& data = list.at("data").as_array();
    ASSERT_EQ(data.size(), 2u);
    EXPECT_EQ(
        data[0], json::parse(R"({"id":"a","object":"model","created":1700,"owned_by":"livepeer"})")
    );
    EXPECT_EQ(data[1].at("id"), "b");
    EXPECT_EQ(openai_model(list, "b")->at("id"), "b");
    EXPECT_FALSE(openai_model(list, "c"));
    EXPECT_TRUE(openai_models({}, 1700).at("data").as_array().empty());
}

} // namespace
} // namespace rivulet::batch
