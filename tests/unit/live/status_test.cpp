#include "live/job_end.hpp"
#include "live/json_text.hpp"
#include "live/stream_status.hpp"
#include "trickle/publisher_policy.hpp"
#include "trickle/subscriber_relay.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

TEST(stream_status, puts_the_gateways_view_beside_the_runners) {
    stream_snapshot s;
    s.name = "cam";
    s.stream_id = "sid";
    s.state = stream_state::live;
    s.runner_status = boost::json::object{{"type", "status"}, {"state", "ONLINE"}};
    s.first_error = logged_error{"first", 11, 22, 3};
    s.ingest.format.video = media::video_format{media::codec::h264, 1280, 720, {}, {}};
    const auto json = to_json(s);
    EXPECT_EQ(json.at("state").as_string(), "ONLINE");
    const auto& gateway = json.at("gateway_status").as_object();
    EXPECT_EQ(gateway.at("state").as_string(), "live");
    EXPECT_EQ(gateway.at("error").at("error_message").as_string(), "first");
    EXPECT_EQ(gateway.at("error").at("error_time").as_int64(), 11);
    EXPECT_EQ(gateway.at("ingest").at("video").at("codec").as_string(), "h264");
    EXPECT_TRUE(gateway.at("ingest").at("audio").is_null());
}

TEST(stream_status, says_in_words_why_there_is_no_picture) {
    stream_snapshot s;
    EXPECT_THAT(summary(s), HasSubstr("no video yet"));
    s.ingest.video_frames = 5;
    EXPECT_THAT(summary(s), HasSubstr("no keyframe"));
    s.state = stream_state::starting;
    EXPECT_THAT(summary(s), HasSubstr("Looking for"));
    s.state_detail = "http://o:1: no place";
    EXPECT_THAT(summary(s), HasSubstr("asked again: http://o:1: no place"));
    s.state = stream_state::failed;
    s.state_detail = "no orchestrators available: http://o:1: can't connect";
    EXPECT_THAT(summary(s), HasSubstr("can't connect"));
    s.state = stream_state::live;
    s.output.idle_s = 12;
    s.ingest.idle_s = 0;
    EXPECT_THAT(summary(s), HasSubstr("sent nothing for 12 s although"));
    s.ingest.idle_s = 13;
    EXPECT_THAT(summary(s), HasSubstr("publisher has sent nothing for 13 s"));
    s.ingest.awaits_keyframe = true; // but nothing comes that could be dropped
    EXPECT_THAT(summary(s), HasSubstr("publisher has sent nothing for 13 s"));
    s.ingest.video_fps = 30;
    EXPECT_THAT(summary(s), HasSubstr("dropped until the next"));
}

TEST(json_text, writes_numbers_as_people_do_and_reads_back_the_same) {
    const auto value = boost::json::parse(
        R"({"a":29.97,"b":30.0,"c":[],"d":{},"e":[1,"x\"{",null,true,{"f":[[2]]}],"g":1e300,"h":-0.5})"
    );
    const auto text = to_text(value);
    EXPECT_THAT(text, HasSubstr("\"a\": 29.97,\n"));
    EXPECT_THAT(text, HasSubstr("\"h\": -0.5\n"));
    const auto again = boost::json::parse(text);
    EXPECT_EQ(to_text(again), text);
    EXPECT_EQ(again.at("e"), value.at("e"));
    EXPECT_EQ(again.at("g"), value.at("g"));
}

TEST(job_end, only_the_orchestrators_faults_call_for_another_one) {
    for (auto cause :
         {job_end_cause::input_ended,
          job_end_cause::stopped,
          job_end_cause::replaced,
          job_end_cause::no_orchestrator,
          job_end_cause::bad_media,
          job_end_cause::bad_request})
        EXPECT_FALSE(calls_for_swap(cause)) << to_string(cause);
    for (auto cause :
         {job_end_cause::orchestrator_slow,
          job_end_cause::input_channel_gone,
          job_end_cause::output_ended,
          job_end_cause::orchestrator_unreachable,
          job_end_cause::output_stalled,
          job_end_cause::events_silent,
          job_end_cause::control_gone,
          job_end_cause::params_undelivered})
        EXPECT_TRUE(calls_for_swap(cause)) << to_string(cause);
}

} // namespace

TEST(stream_status, tells_how_often_the_orchestrator_was_replaced_and_why_last) {
    stream_snapshot s;
    EXPECT_EQ(to_json(s).at("gateway_status").at("swaps").at("count").to_number<int>(), 0);
    EXPECT_TRUE(to_json(s).at("gateway_status").at("swaps").at("last").is_null());
    s.swaps = 2;
    s.filling = true;
    s.last_swap.emplace();
    s.last_swap->cause = "connection_lost";
    s.last_swap->from = "https://a:1";
    const auto during = to_json(s).at("gateway_status").at("swaps");
    EXPECT_TRUE(during.at("filling").as_bool());
    EXPECT_EQ(during.at("last").at("cause").as_string(), "connection_lost");
    EXPECT_EQ(during.at("last").at("from").as_string(), "https://a:1");
    EXPECT_TRUE(during.at("last").at("to").is_null());
    EXPECT_TRUE(during.at("last").at("gap_ms").is_null());
    s.last_swap->to = "https://b:1";
    s.last_swap->gap_ms = 62.5;
    const auto after = to_json(s).at("gateway_status").at("swaps");
    EXPECT_EQ(after.at("last").at("to").as_string(), "https://b:1");
    EXPECT_EQ(after.at("last").at("gap_ms").to_number<double>(), 62.5);
    s.state = stream_state::starting;
    s.state_detail = "it is gone";
    EXPECT_THAT(summary(s), HasSubstr("it is gone"));
}

// The rules of the publish loop live in trickle/publisher_policy; these hold what the job relies
// on.
using trickle::segment_policy_fsm;
const time_point start = time_point{} + 1h;

TEST(live_conformance, s32_a_fourth_segment_while_three_are_unfinished_is_too_slow) {
    segment_policy_fsm policy;
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(policy.begun(i, start).what, segment_policy_fsm::step::send);
    EXPECT_EQ(policy.begun(3, start).what, segment_policy_fsm::step::slow);

    segment_policy_fsm keeps_up;
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(keeps_up.begun(i, start).what, segment_policy_fsm::step::send);
        if (i >= 2)
            keeps_up.ended(i - 2);
    }
    const auto suspends = [](job_end_cause cause) {
        return session::remedy_for(fault_of(cause), 1) == session::remedy::suspend;
    };
    EXPECT_TRUE(suspends(job_end_cause::orchestrator_slow));
    EXPECT_TRUE(suspends(job_end_cause::output_stalled));
    EXPECT_FALSE(suspends(job_end_cause::events_silent)); // s37
}

TEST(live_conformance, s33_an_unsent_segment_is_dropped_when_a_newer_one_begins) {
    segment_policy_fsm policy;
    (void)policy.begun(0, start);
    (void)policy.attempt_failed(0, make_error_code(errc::connect_failed), 0, start);
    (void)policy.begun(1, start + 100ms);
    EXPECT_EQ(policy.retry_due(0, start + 250ms).what, segment_policy_fsm::step::drop);
}

TEST(live_conformance, s34_an_attempt_without_a_byte_is_made_again_after_250_ms) {
    segment_policy_fsm policy;
    (void)policy.begun(0, start);
    const auto verdict = policy.attempt_failed(0, make_error_code(errc::connect_failed), 0, start);
    EXPECT_EQ(verdict.what, segment_policy_fsm::step::wait);
    EXPECT_EQ(verdict.retry_at, start + 250ms);
    EXPECT_EQ(policy.retry_due(0, start + 250ms).what, segment_policy_fsm::step::send);
    const auto after_bytes =
        policy.attempt_failed(0, make_error_code(errc::connect_failed), 188, start);
    EXPECT_EQ(after_bytes.what, segment_policy_fsm::step::drop);
}

TEST(live_conformance, s35_a_404_on_publish_or_output_ends_at_once) {
    segment_policy_fsm policy;
    (void)policy.begun(0, start);
    const auto verdict = policy.attempt_failed(0, make_error_code(errc::not_found), 0, start);
    EXPECT_EQ(verdict.what, segment_policy_fsm::step::gone);

    trickle::subscribe_policy_fsm reads;
    EXPECT_TRUE(reads.failed(make_error_code(errc::not_found), std::nullopt).stop);
    EXPECT_TRUE(reads.failed(make_error_code(errc::end_of_stream), std::nullopt).stop);
}

} // namespace rivulet::live
