#include "live/error_log.hpp"
#include "live/media_stats.hpp"
#include "live/stream_events.hpp"
#include "support/heard_events.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const time_point start = time_point{} + 1h;
const orchestrator_name first("https://a:8935", "0xA", "0.9.1");

// One stream and those who hear it.
struct told {
    explicit told(live_metrics_options options = {}) : counted(numbers, options) {}

    stream_events begin() {
        stream_events events({&hub, &queue, &counted}, "cam");
        ingest::publish_request request;
        request.protocol = "rtmp";
        request.remote = "192.0.2.7:5000";
        stream_params params;
        params.name = "cam";
        params.stream_id = "sid";
        params.pipeline = "noop";
        events.started(request, params, "rid");
        return events;
    }

    std::vector<boost::json::object> feed() {
        auto watch = hub.begin("", 0, [] {});
        std::vector<boost::json::object> out;
        while (auto text = watch->next())
            out.push_back(boost::json::parse(*text).as_object());
        return out;
    }

    test::heard_events queue;
    observe::metrics numbers;
    live_metrics counted;
    std::shared_ptr<event_hub> shared = std::make_shared<event_hub>();
    event_hub& hub = *shared;
};

stream_snapshot busy() {
    stream_snapshot s;
    s.ingest.bytes = 1'000;
    s.ingest.video_frames = 30;
    s.ingest.audio_frames = 40;
    s.ingest.dropped_frames = 2;
    s.ingest.bits_per_second = 8'000;
    s.output.bytes = 500;
    s.output.frames = 20;
    s.output_players = 3;
    s.orchestrator.emplace();
    s.orchestrator->segments_sent = 5;
    s.orchestrator->segments_in_flight = 1;
    return s;
}

TEST(live_conformance, s49_an_ingest_is_told_at_its_start_and_at_its_end) {
    told all;
    auto events = all.begin();
    EXPECT_THAT(all.queue.names(), ElementsAre("stream_trace/gateway_receive_stream_request"));
    const auto request = all.queue.all().at(0).data;
    EXPECT_EQ(request.at("stream_id").as_string(), "sid");
    EXPECT_EQ(request.at("request_id").as_string(), "rid");
    EXPECT_EQ(request.at("pipeline_id").as_string(), "");
    EXPECT_GT(request.at("timestamp").as_int64(), 1'600'000'000'000);
    EXPECT_EQ(request.at("orchestrator_info").at("url").as_string(), "");
    events.ended("input_ended", "left", 3s, 1, 1);
    EXPECT_THAT(
        all.queue.names(),
        ElementsAre(
            "stream_trace/gateway_receive_stream_request",
            "stream_trace/gateway_ingest_stream_closed"
        )
    );
    EXPECT_THAT(all.numbers.text(), HasSubstr("livepeer_ai_live_attempt{model_name=\"noop\"} 1\n"));
}

TEST(live_conformance, s51_only_the_first_error_stays_in_the_gateway_status) {
    error_log errors; // a stream's own: the next start begins with an empty one
    errors.add("first", 1'000);
    errors.add("second", 2'000);
    stream_snapshot now;
    now.first_error = errors.first();
    now.last_errors.assign(errors.newest().begin(), errors.newest().end());
    auto gateway = to_json(now).at("gateway_status").as_object();
    EXPECT_EQ(gateway.at("error").at("error_message").as_string(), "first");
    EXPECT_EQ(gateway.at("error").at("error_time").as_int64(), 1'000);
    now.first_error = error_log().first();
    gateway = to_json(now).at("gateway_status").as_object();
    EXPECT_FALSE(gateway.contains("error"));
}

TEST(stream_events, the_milestones_of_a_job_are_told_once) {
    told all;
    auto events = all.begin();
    events.job_started(start);
    events.connected(first);
    events.segment_sent();
    events.segment_sent();
    for (int i = 1; i <= 5; ++i)
        events.output_segment(start + i * 1s);
    EXPECT_THAT(
        all.queue.names(),
        ElementsAre(
            "stream_trace/gateway_receive_stream_request",
            "stream_trace/gateway_send_first_ingest_segment",
            "stream_trace/gateway_receive_first_processed_segment",
            "stream_trace/gateway_receive_few_processed_segments"
        )
    );
    EXPECT_EQ(all.queue.all().at(1).data.at("orchestrator_info").at("url").as_string(), first.url);
    const auto text = all.numbers.text();
    EXPECT_THAT(text, HasSubstr("livepeer_ai_first_segment_delay_ms_sum{"));
    EXPECT_THAT(text, HasSubstr("orchestrator_uri=\"https://a:8935\""));
    EXPECT_THAT(text, HasSubstr("le=\"1000\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("le=\"500\"} 0\n"));
}

TEST(stream_events, a_sample_notices_the_first_sent_segment_when_nobody_told) {
    told all;
    auto events = all.begin();
    events.connected(first);
    events.sample(busy());
    EXPECT_THAT(
        all.queue.names(), Contains("stream_trace/gateway_send_first_ingest_segment").Times(1)
    );
}

TEST(stream_events, nobody_to_take_the_job_is_told_and_counted) {
    told all;
    auto events = all.begin();
    events.no_orchestrator("nobody answers");
    EXPECT_THAT(all.queue.names(), Contains("stream_trace/gateway_no_orchestrators_available"));
    EXPECT_THAT(all.numbers.text(), HasSubstr("error_code=\"no_orchestrators_available\""));
}

TEST(stream_events, a_swap_names_the_old_orchestrator_and_its_cause_and_then_the_gap) {
    told all;
    auto events = all.begin();
    events.connected(first);
    events.swap_begun(job_end_cause::output_stalled, "no output");
    const auto swap = all.queue.all().back();
    EXPECT_EQ(swap.type, "stream_trace");
    EXPECT_EQ(swap.data.at("type").as_string(), "orchestrator_swap");
    EXPECT_EQ(swap.data.at("orchestrator_info").at("url").as_string(), first.url);
    EXPECT_EQ(swap.data.at("orchestrator_info").at("address").as_string(), "0xA");
    EXPECT_EQ(swap.data.at("message").as_string(), "no output");
    EXPECT_EQ(swap.data.at("pipeline").as_string(), "noop");
    EXPECT_FALSE(swap.data.contains("timestamp"));
    events.connected(orchestrator_name("https://b:8935"));
    events.swap_over("https://b:8935", 700ms);
    events.swap_over("https://b:8935", 1h); // only the one that was begun
    const auto feed = all.feed();
    const auto& told_swap = feed.back();
    EXPECT_EQ(told_swap.at("type").as_string(), "swap");
    const auto& data = told_swap.at("data").as_object();
    EXPECT_EQ(data.at("cause").as_string(), "output_stalled");
    EXPECT_EQ(data.at("from").as_string(), first.url);
    EXPECT_EQ(data.at("to").as_string(), "https://b:8935");
    EXPECT_EQ(data.at("gap_ms").as_int64(), 700);
    const auto text = all.numbers.text();
    EXPECT_THAT(text, HasSubstr("rivulet_swaps_total{cause=\"output_stalled\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("livepeer_orchestrator_swaps 1\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_swap_gap_seconds_sum 0.7\n"));
}

TEST(stream_events, errors_and_parameters_reach_the_queue_with_the_streams_identity) {
    told all;
    auto events = all.begin();
    events.connected(first);
    events.error("boom");
    events.params(R"({"prompt":"x"})");
    const auto sent = all.queue.all();
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_EQ(sent[1].type, "ai_stream_events");
    EXPECT_EQ(sent[1].data.at("type").as_string(), "error");
    EXPECT_EQ(sent[1].data.at("message").as_string(), "boom");
    EXPECT_EQ(sent[1].data.at("capability").as_string(), "live-video-to-video");
    EXPECT_EQ(sent[2].data.at("type").as_string(), "params_update");
    EXPECT_EQ(sent[2].data.at("params").at("prompt").as_string(), "x");
    for (const auto& one : {sent[1], sent[2]}) {
        EXPECT_EQ(one.data.at("stream_id").as_string(), "sid");
        EXPECT_EQ(one.data.at("request_id").as_string(), "rid");
        EXPECT_EQ(one.data.at("pipeline").as_string(), "noop");
        EXPECT_EQ(one.data.at("orchestrator_info").at("url").as_string(), first.url);
    }
}

TEST(stream_events, what_a_runner_says_goes_on_under_its_own_type) {
    told all;
    auto events = all.begin();
    stream_event said;
    said.queue_type = "ai_stream_status";
    said.type = "status";
    said.event = {{"type", "status"}, {"state", "ONLINE"}};
    events.runner(said);
    EXPECT_THAT(all.queue.names(), Contains("ai_stream_status/status"));
}

TEST(stream_events, samples_add_what_has_grown) {
    told all;
    auto events = all.begin();
    auto now = busy();
    events.sample(now);
    now.ingest.bytes = 3'000;
    now.ingest.video_frames = 60;
    now.orchestrator->segments_sent = 2; // of the next orchestrator
    events.sample(now);
    auto text = all.numbers.text();
    EXPECT_THAT(text, HasSubstr("rivulet_ingest_bytes_total{protocol=\"rtmp\"} 3000\n"));
    EXPECT_THAT(
        text, HasSubstr("rivulet_ingest_frames_total{kind=\"video\",protocol=\"rtmp\"} 60\n")
    );
    EXPECT_THAT(text, HasSubstr("rivulet_dropped_frames_total{reason=\"no_keyframe\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_output_frames_total 20\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_segments_sent_total 7\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_stream_players{of=\"output\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_queue_depth{queue=\"segments_in_flight\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_ingest_bits_per_second 8000\n"));
    events.ended("input_ended", "left", 3s, 1, 1);
    text = all.numbers.text();
    EXPECT_THAT(text, HasSubstr("rivulet_ingest_bits_per_second 0\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_stream_ends_total{cause=\"input_ended\"} 1\n"));
}

TEST(stream_events, gauges_add_up_all_streams_and_forget_those_that_are_gone) {
    told all;
    auto one = all.begin();
    {
        auto two = all.begin();
        EXPECT_THAT(
            all.numbers.text(),
            HasSubstr("livepeer_ai_current_live_pipelines{pipeline=\"noop\"} 2\n")
        );
        EXPECT_THAT(all.numbers.text(), HasSubstr("rivulet_ingest_streams{protocol=\"rtmp\"} 2\n"));
    }
    EXPECT_THAT(
        all.numbers.text(), HasSubstr("livepeer_ai_current_live_pipelines{pipeline=\"noop\"} 1\n")
    );
}

TEST(stream_events, series_per_stream_are_there_on_request_and_leave_with_it) {
    live_metrics_options wanted;
    wanted.client_ip = true;
    told all(wanted);
    {
        auto events = all.begin();
        events.sample(busy());
        const auto text = all.numbers.text();
        EXPECT_THAT(
            text,
            HasSubstr("rivulet_stream_bits_per_second{client_ip=\"192.0.2.7\",direction=\"in\","
                      "manifest_id=\"sid\"} 8000\n")
        );
        EXPECT_THAT(text, HasSubstr("livepeer_orchestrator_swaps{manifest_id=\"sid\"} 0\n"));
    }
    EXPECT_THAT(all.numbers.text(), Not(HasSubstr("manifest_id")));
}

TEST(stream_events, latencies_have_buckets_for_a_gateway) {
    told all;
    auto events = all.begin();
    events.ingest_to_publish(300us);
    events.subscribe_to_egress(2ms);
    events.end_to_end(120ms);
    const auto text = all.numbers.text();
    EXPECT_THAT(text, HasSubstr("rivulet_ingest_to_publish_seconds_bucket{le=\"0.0005\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_ingest_to_publish_seconds_bucket{le=\"0.00025\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_subscribe_to_egress_seconds_bucket{le=\"0.0025\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_end_to_end_seconds_bucket{le=\"0.1\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("rivulet_end_to_end_seconds_bucket{le=\"0.15\"} 1\n"));
}

TEST(stream_events, without_listeners_nothing_happens) {
    stream_events events({}, "cam");
    events.started({}, {}, "rid");
    events.job_started(start);
    events.connected(first);
    events.output_segment(start);
    events.swap_begun(job_end_cause::output_ended, "x");
    events.swap_over("b", 1s);
    events.sample(busy());
    EXPECT_FALSE(events.viewers_due(start));
    EXPECT_FALSE(events.ingest_metrics_due(start));
    events.ended("input_ended", "", 1s, 0, 0);
}

boost::json::object whip_session() {
    return {
        {"protocol", "whip"},
        {"packets", 990},
        {"packets_lost", 10},
        {"bytes", 12'345},
        {"jitter_ms", 4.5},
        {"rtt_ms", 20}};
}

TEST(stream_events, a_whip_publishers_connection_is_told_every_five_seconds) {
    told all;
    auto events = all.begin();
    EXPECT_FALSE(events.ingest_metrics_due(start));
    EXPECT_FALSE(events.ingest_metrics_due(start + 4999ms));
    EXPECT_TRUE(events.ingest_metrics_due(start + 5s));
    EXPECT_FALSE(events.ingest_metrics_due(start + 6s));
    events.ingest_metrics(whip_session());
    const auto sent = all.queue.all().back();
    EXPECT_EQ(sent.type, "stream_ingest_metrics");
    EXPECT_EQ(sent.data.at("stream_id").as_string(), "sid");
    const auto& stats = sent.data.at("stats").as_object();
    EXPECT_EQ(stats.at("peer_conn_stats").at("BytesReceived").to_number<int>(), 12'345);
    EXPECT_EQ(stats.at("conn_quality").as_string(), "good");
    const auto& track = stats.at("track_stats").at(0).as_object();
    EXPECT_EQ(track.at("packet_loss_pct").to_number<double>(), 1);
    EXPECT_EQ(track.at("rtt").to_number<int>(), 20'000'000);
    EXPECT_THAT(all.numbers.text(), HasSubstr("livepeer_ai_whip_transport_bytes_received 12345\n"));
    const auto before = all.queue.all().size();
    events.ingest_metrics({{"protocol", "srt"}});
    EXPECT_EQ(all.queue.all().size(), before); // readers of that topic know WHIP only
}

TEST(media_stats, a_bad_connection_is_called_so_and_why) {
    auto session = whip_session();
    session["jitter_ms"] = 50.1;
    auto stats = media_stats(session);
    ASSERT_TRUE(stats);
    EXPECT_EQ(stats->at("conn_quality").as_string(), "bad");
    EXPECT_EQ(
        stats->at("track_stats").at(0).at("warnings").at(0).as_string(), "jitter greater than 50 ms"
    );
    session["jitter_ms"] = 50;
    session["packets_lost"] = 21;
    session["packets"] = 979;
    stats = media_stats(session);
    EXPECT_EQ(stats->at("conn_quality").as_string(), "bad");
    EXPECT_EQ(
        stats->at("track_stats").at(0).at("warnings").at(0).as_string(),
        "packet loss greater than 2%"
    );
    session["packets_lost"] = 20;
    session["packets"] = 980;
    EXPECT_EQ(media_stats(session)->at("conn_quality").as_string(), "good");
    EXPECT_FALSE(media_stats({}));
}

} // namespace
} // namespace rivulet::live
