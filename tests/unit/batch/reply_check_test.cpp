#include "batch/request.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

// The answer in its documented shape, or why not.
std::string checked(reply_kind kind, std::string_view text) {
    auto body = boost::json::parse(text).as_object();
    const auto done = check_reply(kind, body);
    return done ? boost::json::serialize(body) : "! " + done.error().detail;
}

struct reply_row {
    const char* name;
    reply_kind kind;
    const char* given;
    const char* expected;
};

TEST(batch_conformance, s45_answers_have_the_documented_shape) {
    const reply_row rows[] = {
        {"pictures",
         reply_kind::images,
         R"({"images":[{"url":"u","seed":5,"nsfw":true},{"url":"v"}],"more":1})",
         R"({"images":[{"nsfw":true,"seed":5,"url":"u"},{"nsfw":false,"seed":0,"url":"v"}]})"},
        {"a seed with a point",
         reply_kind::video,
         R"({"images":[{"url":"u","seed":3.0,"nsfw":null}]})",
         R"({"images":[{"nsfw":false,"seed":3,"url":"u"}]})"},
        {"sound", reply_kind::audio, R"({"audio":{"url":"u","x":1}})", R"({"audio":{"url":"u"}})"},
        {"a text", reply_kind::text, R"({"text":"","x":1})", R"({"text":""})"},
        {"no chunks", reply_kind::chunks, R"({"text":"a"})", R"({"chunks":[],"text":"a"})"},
        {"null for chunks",
         reply_kind::chunks,
         R"({"text":"a","chunks":null})",
         R"({"chunks":[],"text":"a"})"},
        {"chunks",
         reply_kind::chunks,
         R"({"text":"a","chunks":[{"text":"a","timestamp":[0,null]},{"text":"b"}]})",
         R"({"chunks":[{"text":"a","timestamp":[0,null]},{"text":"b","timestamp":[]}],"text":"a"})"},
        {"masks",
         reply_kind::masks,
         R"({"masks":"[1]","scores":"[2]","logits":"[3]"})",
         R"({"logits":"[3]","masks":"[1]","scores":"[2]"})"},
        {"a conversation",
         reply_kind::completion,
         R"({"id":"i","model":"m","created":1,"choices":[{"index":0,"finish_reason":null,)"
         R"("message":{"role":"assistant","content":"hi","x":1}}],"usage":{"total_tokens":4}})",
         R"({"choices":[{"finish_reason":"","index":0,"message":{"content":"hi",)"
         R"("role":"assistant"}}],"created":1,"id":"i","model":"m","usage":)"
         R"({"completion_tokens":0,"prompt_tokens":0,"total_tokens":4}})"},
        {"a conversation with the least",
         reply_kind::completion,
         R"({"choices":[{"message":{"content":null}}]})",
         R"({"choices":[{"finish_reason":"","index":0,"message":{"content":"",)"
         R"("role":"assistant"}}],"created":0,"id":"","model":"","usage":)"
         R"({"completion_tokens":0,"prompt_tokens":0,"total_tokens":0}})"},
    };
    for (const auto& row : rows)
        EXPECT_EQ(checked(row.kind, row.given), row.expected) << row.name;
}

TEST(reply_check, an_unusable_answer_says_where) {
    const reply_row rows[] = {
        {"no pictures", reply_kind::images, R"({})", "images is missing"},
        {"null", reply_kind::images, R"({"images":null})", "images is missing"},
        {"none", reply_kind::images, R"({"images":[]})", "images is empty"},
        {"no list", reply_kind::images, R"({"images":{}})", "images is no list"},
        {"no object", reply_kind::images, R"({"images":["u"]})", "images[0] is no object"},
        {"no url", reply_kind::images, R"({"images":[{"seed":1}]})", "images[0].url is missing"},
        {"empty", reply_kind::images, R"({"images":[{"url":""}]})", "images[0].url is empty"},
        {"url", reply_kind::video, R"({"images":[{"url":5}]})", "images[0].url is no text"},
        {"seed",
         reply_kind::images,
         R"({"images":[{"url":"u","seed":"1"}]})",
         "images[0].seed is no integer"},
        {"fraction",
         reply_kind::images,
         R"({"images":[{"url":"u","seed":1.5}]})",
         "images[0].seed is no integer"},
        {"frames", reply_kind::video, R"({"frames":[[{"url":"u"}]]})", "images is missing"},
        {"no sound", reply_kind::audio, R"({"audio":"u"})", "audio is no object"},
        {"no audio url", reply_kind::audio, R"({"audio":{}})", "audio.url is missing"},
        {"no text", reply_kind::text, R"({"text":null})", "text is missing"},
        {"bad chunk", reply_kind::chunks, R"({"text":"","chunks":[5]})", "chunks[0] is no object"},
        {"bad time",
         reply_kind::chunks,
         R"({"text":"","chunks":[{"text":"","timestamp":["x"]}]})",
         "chunks[0].timestamp has an entry that is no number"},
        {"a mask less", reply_kind::masks, R"({"masks":"","scores":""})", "logits is missing"},
        {"no choices", reply_kind::completion, R"({"choices":[]})", "choices is empty"},
        {"no message",
         reply_kind::completion,
         R"({"choices":[{}]})",
         "choices[0].message is missing"},
        {"an error",
         reply_kind::completion,
         R"({"error":{"message":"out of memory"}})",
         "out of memory"},
        {"an error as text", reply_kind::completion, R"({"error":"oom"})", "is an error: oom"},
    };
    for (const auto& row : rows) {
        const auto text = checked(row.kind, row.given);
        EXPECT_TRUE(text.starts_with("! The answer ")) << row.name << ": " << text;
        EXPECT_NE(text.find(row.expected), text.npos) << row.name << ": " << text;
    }
}

} // namespace
} // namespace rivulet::batch
