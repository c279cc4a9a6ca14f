#include "worker/status_report.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

constexpr unix_ms start = 1'767'322'800'000;

frame_counters frames(std::uint64_t in, std::uint64_t out) {
    return {.in = in, .out = out};
}

// Runs for `seconds` at steady rates.
void run(status_report& status, int from, int seconds, int in_fps, int out_fps) {
    for (int s = from; s <= from + seconds; ++s)
        status.sample(
            frames(static_cast<std::uint64_t>(s) * in_fps, static_cast<std::uint64_t>(s) * out_fps),
            start + s * 1000
        );
}

const boost::json::value& inference(const boost::json::object& event, const char* key) {
    return event.at("inference_status").at(key);
}

} // namespace

TEST(status_report, is_loading_until_the_first_output) {
    status_report status("noop", start);
    run(status, 0, 5, 30, 0);
    EXPECT_EQ(status.state(), job_state::loading);
    EXPECT_TRUE(status.sample(frames(160, 1), start + 6000));
    EXPECT_EQ(status.state(), job_state::online);
}

TEST(status_report, says_when_the_input_is_slow) {
    status_report status("noop", start);
    run(status, 1, 10, 10, 10);
    EXPECT_EQ(status.state(), job_state::degraded_input);
}

TEST(status_report, fifteen_frames_a_second_are_enough) {
    status_report status("noop", start);
    run(status, 1, 10, 15, 15);
    EXPECT_EQ(status.state(), job_state::online);
}

TEST(status_report, says_when_the_output_lags) {
    status_report status("noop", start);
    run(status, 1, 10, 30, 8);
    EXPECT_EQ(status.state(), job_state::degraded_inference);
}

TEST(status_report, recovers) {
    status_report status("noop", start);
    run(status, 1, 10, 10, 10);
    ASSERT_EQ(status.state(), job_state::degraded_input);
    for (int s = 12; s < 22; ++s)
        status.sample(frames(110 + (s - 11) * 30u, 110 + (s - 11) * 30u), start + s * 1000);
    EXPECT_EQ(status.state(), job_state::online);
}

TEST(status_report, measures_the_rates_of_the_last_seconds) {
    status_report status("noop", start);
    run(status, 0, 20, 30, 24);
    EXPECT_NEAR(status.input_fps(), 30, 0.01);
    EXPECT_NEAR(status.output_fps(), 24, 0.01);
}

TEST(status_report, sends_parameters_once) {
    status_report status("avfilter", start);
    status.params_applied({{"graph", "negate"}}, start + 500);
    const auto first = status.event(start + 1000);
    EXPECT_EQ(inference(first, "last_params").at("graph"), "negate");
    EXPECT_EQ(inference(first, "last_params_update_time"), start + 500);
    const auto second = status.event(start + 2000);
    EXPECT_TRUE(inference(second, "last_params").is_null());
    EXPECT_EQ(inference(second, "last_params_hash"), inference(first, "last_params_hash"));
    status.params_applied({{"graph", "hflip"}}, start + 3000);
    const auto third = status.event(start + 3000);
    EXPECT_EQ(inference(third, "last_params").at("graph"), "hflip");
    EXPECT_NE(inference(third, "last_params_hash"), inference(first, "last_params_hash"));
}

TEST(status_report, keeps_the_last_error_and_its_time) {
    status_report status("avfilter", start);
    EXPECT_TRUE(inference(status.event(start), "last_error").is_null());
    status.failed("bad graph", start + 100);
    const auto event = status.event(start + 200);
    EXPECT_EQ(inference(event, "last_error"), "bad graph");
    EXPECT_EQ(inference(event, "last_error_time"), start + 100);
}

TEST(status_report, has_every_member_that_gateways_read) {
    status_report status("noop", start);
    run(status, 0, 2, 24, 24);
    const auto event = status.event(start + 2000);
    for (const char* key :
         {"type",
          "pipeline",
          "start_time",
          "state",
          "last_state_update_time",
          "input_status",
          "inference_status",
          "last_status_timestamp",
          "timestamp"})
        EXPECT_TRUE(event.contains(key)) << key;
    for (const char* key :
         {"last_output_time",
          "fps",
          "last_params_update_time",
          "last_params",
          "last_params_hash",
          "last_error_time",
          "last_error",
          "last_restart_time",
          "last_restart_logs",
          "restart_count"})
        EXPECT_TRUE(event.at("inference_status").as_object().contains(key)) << key;
    EXPECT_EQ(event.at("type"), "status");
    EXPECT_EQ(event.at("state"), "ONLINE");
    EXPECT_EQ(event.at("input_status").at("last_input_time"), start + 2000);
    EXPECT_EQ(event.at("timestamp"), start + 2000);
    EXPECT_TRUE(event.at("last_status_timestamp").is_null());
    EXPECT_EQ(status.event(start + 3000).at("last_status_timestamp"), start + 2000);
}

TEST(status_report, a_final_state_stays) {
    status_report status("noop", start);
    status.end(job_state::error, start + 1);
    status.end(job_state::offline, start + 2);
    EXPECT_FALSE(status.sample(frames(10, 10), start + 1000));
    EXPECT_EQ(status.state(), job_state::error);
}

TEST(status_report, cuts_endless_error_texts) {
    status_report status("noop", start);
    status.failed(std::string(1'000'000, 'x'), start);
    EXPECT_LE(status.last_error().size(), 1000u);
}

TEST(status_report, cuts_error_texts_between_two_characters) {
    std::string text(999, 'x');
    text += "\u20ac\u20ac";
    status_report status("noop", start);
    status.failed(text, start);
    EXPECT_EQ(status.last_error(), text.substr(0, 999));
    EXPECT_EQ(error_event("noop", text, start).at("message").as_string(), text.substr(0, 999));
    EXPECT_EQ(error_event("noop", "bad \xe2\x82", start).at("message"), "bad ??");
}

TEST(status_report, wraps_events_as_the_events_channel_wants) {
    EXPECT_EQ(
        boost::json::serialize(wrap_event(trace_event("x", start), stream_trace)),
        R"({"event":{"type":"x","timestamp":1767322800000},"queue_event_type":"stream_trace"})"
    );
    const auto error = error_event("noop", "bad", start + 250);
    EXPECT_DOUBLE_EQ(error.at("time").as_double(), 1767322800.25);
    EXPECT_EQ(error.at("timestamp"), start + 250);
}

} // namespace rivulet::worker
