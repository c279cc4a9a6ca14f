#include "live/event_merge.hpp"
#include "live/watchdogs.hpp"

#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
const event_identity who{"sid", "0badcafe", "", "", "http://o:1"};
const time_point start = time_point{} + 1h;

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
    EXPECT_FALSE(events.status());
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

TEST(live_conformance, s37_more_than_thirty_seconds_without_an_event_is_silence) {
    event_watchdog watch(start);
    EXPECT_FALSE(watch.silent(start + 30s));
    EXPECT_TRUE(watch.silent(start + 30s + 1ms));
    watch.event_seen(start + 29s);
    EXPECT_FALSE(watch.silent(start + 59s));
}

TEST(live_conformance, s36_no_output_with_recent_input_is_a_stall) {
    output_watchdog watch(30s, start);
    EXPECT_EQ(watch.next_check(), start + 30s);
    EXPECT_FALSE(watch.stalled(start + 29s, start + 29s));
    EXPECT_TRUE(watch.stalled(start + 30s, start + 16s));
}

TEST(live_conformance, s36_no_output_without_recent_input_is_not) {
    output_watchdog watch(30s, start);
    EXPECT_FALSE(watch.stalled(start + 30s, start + 15s));
    EXPECT_EQ(watch.next_check(), start + 60s);
    // Input came back just now: the orchestrator gets a whole new wait.
    EXPECT_FALSE(watch.stalled(start + 31s, start + 31s));
    EXPECT_TRUE(watch.stalled(start + 60s, start + 59s));
    output_watchdog fresh(30s, start);
    EXPECT_FALSE(fresh.stalled(start + 30s, time_point{}));
}

TEST(output_watchdog, output_of_any_size_starts_the_wait_again) {
    output_watchdog watch(30s, start);
    watch.output_seen(start + 20s);
    EXPECT_FALSE(watch.stalled(start + 45s, start + 45s));
    EXPECT_TRUE(watch.stalled(start + 50s, start + 49s));
}

} // namespace
} // namespace rivulet::live
