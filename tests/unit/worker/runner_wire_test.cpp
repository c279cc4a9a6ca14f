#include "worker/runner_wire.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

runner_start example() {
    runner_start start;
    start.subscribe_url = "http://h/ai/trickle/j";
    start.publish_url = "http://h/ai/trickle/j-out";
    start.control_url = "http://h/ai/trickle/p-control";
    start.events_url = "http://h/ai/trickle/p-events";
    start.model = "m";
    start.manifest_id = "j";
    start.stream_id = "s";
    start.params = {{"prompt", "x"}};
    return start;
}

} // namespace

TEST(runner_wire, reads_the_four_words_of_health) {
    EXPECT_EQ(parse_health(R"({"status":"OK"})"), runner_word::ok);
    EXPECT_EQ(parse_health(R"({"status":"IDLE","extra":1})"), runner_word::idle);
    EXPECT_EQ(parse_health(R"({"status":"LOADING"})"), runner_word::loading);
    EXPECT_EQ(parse_health(R"({"status":"ERROR"})"), runner_word::error);
    for (const char* strange : {"", "OK", "[]", "{}", R"({"status":1})", R"({"status":"FINE"})"})
        EXPECT_FALSE(parse_health(strange)) << strange;
}

TEST(runner_wire, knows_two_kinds_by_name) {
    EXPECT_EQ(parse_kind("ai-runner"), runner_kind::ai);
    EXPECT_EQ(parse_kind("pytrickle"), runner_kind::stream);
    EXPECT_FALSE(parse_kind("auto"));
}

TEST(runner_wire, a_strange_version_is_a_live_runner_without_a_name) {
    for (const char* strange : {"", "null", R"({"pipeline":7,"model_id":[]})"}) {
        const auto facts = parse_version(strange);
        EXPECT_EQ(facts.pipeline, "live-video-to-video");
        EXPECT_EQ(facts.model, "");
    }
    const auto facts =
        parse_version(R"({"pipeline":"upscale","model_id":"a/b","version":"0.14.0"})");
    EXPECT_EQ(facts.pipeline, "upscale");
    EXPECT_EQ(facts.model, "a/b");
    EXPECT_EQ(facts.version, "0.14.0");
}

TEST(runner_wire, bounds_what_a_runner_says_of_its_hardware) {
    std::string good = R"({"gpu_info":{)";
    for (int i = 0; i < 1'000; ++i)
        good += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"name":")" +
                std::string(2'000, 'x') + R"(","memory_total":-5})";
    good += "}}";
    const auto read = parse_hardware(good);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->gpus.size(), 64u);
    EXPECT_EQ(read->gpus.begin()->second.name.size(), 256u);
    EXPECT_EQ(read->gpus.begin()->second.memory_total, 0);
}

TEST(runner_wire, ai_runner_is_asked_with_model_and_manifest) {
    const auto body = boost::json::parse(start_body(runner_kind::ai, example())).as_object();
    EXPECT_EQ(start_path(runner_kind::ai), "/live-video-to-video");
    EXPECT_EQ(body.at("subscribe_url"), "http://h/ai/trickle/j");
    EXPECT_EQ(body.at("publish_url"), "http://h/ai/trickle/j-out");
    EXPECT_EQ(body.at("control_url"), "http://h/ai/trickle/p-control");
    EXPECT_EQ(body.at("events_url"), "http://h/ai/trickle/p-events");
    EXPECT_EQ(body.at("model_id"), "m");
    EXPECT_EQ(body.at("manifest_id"), "j");
    EXPECT_EQ(body.at("stream_id"), "s");
    EXPECT_EQ(body.at("params").at("prompt"), "x");
}

TEST(runner_wire, the_stream_family_always_gets_a_request_id) {
    const auto body = boost::json::parse(start_body(runner_kind::stream, example())).as_object();
    EXPECT_EQ(start_path(runner_kind::stream), "/stream/start");
    EXPECT_EQ(body.at("gateway_request_id"), "j");
    EXPECT_FALSE(body.contains("model_id"));
}

TEST(runner_wire, an_update_calls_the_workflow_prompts_for_the_stream_family_only) {
    const boost::json::object params{{"prompt", "x"}, {"width", 512}};
    EXPECT_EQ(update_for(runner_kind::ai, params), params);
    const auto update = update_for(runner_kind::stream, params);
    EXPECT_EQ(update.at("prompts"), "x");
    EXPECT_FALSE(update.contains("prompt"));
    const boost::json::object both{{"prompt", "x"}, {"prompts", "y"}};
    EXPECT_EQ(update_for(runner_kind::stream, both), both);
}

TEST(runner_wire, finds_the_reason_in_every_form_of_failure) {
    EXPECT_EQ(complaint_of(R"({"detail":{"msg":"no"}})"), "no");
    EXPECT_EQ(complaint_of(R"({"detail":"no"})"), "no");
    EXPECT_EQ(complaint_of(R"({"detail":[{"loc":1}]})"), R"([{"loc":1}])");
    EXPECT_EQ(complaint_of(R"({"error":{"message":"no"}})"), "no");
    EXPECT_EQ(complaint_of(R"({"status":"error","message":"busy"})"), "busy");
    EXPECT_EQ(complaint_of("plain\r\n"), "plain");
    EXPECT_EQ(complaint_of("a\nb\x01"), "a b ");
    EXPECT_EQ(complaint_of(std::string(10'000, 'x')).size(), 300u);
}

TEST(runner_wire, finds_the_model_of_a_batch_request) {
    EXPECT_EQ(model_of_batch(R"({"model_id":"a/b"})"), "a/b");
    EXPECT_EQ(model_of_batch(R"({"model":"a/talker","messages":[]})"), "a/talker");
    EXPECT_EQ(model_of_batch("["), "");
}

} // namespace rivulet::worker
