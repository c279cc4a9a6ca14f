#include "live/event_merge.hpp"

#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

const event_identity who{"sid", "0badcafe", "", "", "http://o:1"};

std::string status(std::string_view params, std::string_view logs) {
    return R"({"event":{"type":"status","state":"ONLINE","inference_status":{"fps":24.5,"last_params":)" +
           std::string(params) + R"(,"last_restart_logs":)" + std::string(logs) +
           R"(}},"queue_event_type":"ai_stream_events"})";
}

const boost::json::object& inference(const event_merge& events) {
    return events.status()->at("inference_status").as_object();
}

TEST(live_conformance, s39_null_last_params_and_logs_keep_their_previous_value) {
    event_merge events;
    ASSERT_TRUE(events.take(status(R"({"prompt":"x"})", R"(["boom"])"), who));
    ASSERT_TRUE(events.take(status("null", "null"), who));
    EXPECT_EQ(inference(events).at("last_params").at("prompt").as_string(), "x");
    EXPECT_EQ(inference(events).at("last_restart_logs").at(0).as_string(), "boom");
    ASSERT_TRUE(events.take(R"({"type":"status","inference_status":{"fps":1}})", who));
    EXPECT_EQ(inference(events).at("last_params").at("prompt").as_string(), "x");
    ASSERT_TRUE(events.take(status(R"({"prompt":"y"})", "null"), who));
    EXPECT_EQ(inference(events).at("last_params").at("prompt").as_string(), "y");
}

TEST(event_merge, stamps_the_gateways_identity_over_the_runners) {
    event_merge events;
    auto taken = events.take(
        R"({"event":{"type":"status","stream_id":"forged","orchestrator_info":1}})", who
    );
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->queue_type, "ai_stream_status");
    const auto& stored = *events.status();
    EXPECT_EQ(stored.at("stream_id").as_string(), "sid");
    EXPECT_EQ(stored.at("request_id").as_string(), "0badcafe");
    EXPECT_EQ(stored.at("orchestrator_info").at("url").as_string(), "http://o:1");
}

TEST(event_merge, takes_a_bare_event_as_one) {
    event_merge events;
    auto taken = events.take(R"({"type":"error","message":"bad graph"})", who);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->queue_type, "ai_stream_events");
    EXPECT_EQ(taken->type, "error");
    EXPECT_EQ(taken->error, "bad graph");
    EXPECT_FALSE(events.status());
}

TEST(event_merge, an_error_that_only_the_status_tells_is_told_once) {
    event_merge events;
    const auto error_of = [&](std::string_view inference) {
        const auto body = R"({"type":"status","inference_status":)" + std::string(inference) + "}";
        auto taken = events.take(body, who);
        return taken ? taken->error : std::nullopt;
    };
    EXPECT_EQ(error_of(R"({"last_error":null,"last_error_time":null})"), std::nullopt);
    EXPECT_EQ(error_of(R"({"last_error":"bad graph","last_error_time":1000})"), "bad graph");
    EXPECT_EQ(error_of(R"({"last_error":"bad graph","last_error_time":1000})"), std::nullopt);
    EXPECT_EQ(error_of(R"({"last_error":"bad graph","last_error_time":2000})"), "bad graph");
    EXPECT_EQ(error_of(R"({"last_error":7})"), std::nullopt);
}

TEST(event_merge, an_error_that_an_event_told_is_not_told_by_the_status_again) {
    event_merge events;
    const auto error_of = [&](std::string_view body) {
        auto taken = events.take(body, who);
        return taken ? taken->error : std::nullopt;
    };
    constexpr auto event = R"({"type":"error","message":"bad graph"})";
    const auto status = [](int at) {
        return R"({"type":"status","inference_status":{"last_error":"bad graph","last_error_time":)" +
               std::to_string(at) + "}}";
    };
    EXPECT_EQ(error_of(event), "bad graph");
    EXPECT_EQ(error_of(status(1000)), std::nullopt);
    EXPECT_EQ(error_of(status(1000)), std::nullopt);
    EXPECT_EQ(error_of(status(2000)), "bad graph"); // its event was not heard
}

TEST(event_merge, refuses_garbage_and_keeps_what_it_had) {
    event_merge events;
    ASSERT_TRUE(events.take(status("1", "null"), who));
    for (const char* bad : {"", "{", "[]", "42", "{\"event\":"})
        EXPECT_FALSE(events.take(bad, who)) << bad;
    EXPECT_FALSE(events.take("{\"a\":\"" + std::string(2 << 20, 'x') + "\"}", who));
    EXPECT_EQ(inference(events).at("last_params").as_int64(), 1);
}

TEST(event_merge, survives_members_of_the_wrong_type) {
    event_merge events;
    EXPECT_TRUE(events.take(R"({"event":{"type":7}})", who));
    EXPECT_TRUE(events.take(R"({"event":3,"type":"status","inference_status":[]})", who));
    EXPECT_TRUE(events.status());
}

} // namespace
} // namespace rivulet::live
