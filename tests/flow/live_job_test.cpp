// A whole live job against an orchestrator whose answers the test writes: real HTTP, real trickle,
// made-up frames.
#include "live/ts_meter.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/live_rig.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

const std::string status_event =
    R"({"event":{"type":"status","state":"ONLINE","inference_status":{"fps":25,"last_params":{"a":1}}},"queue_event_type":"ai_stream_events"})";

std::string summary(const boost::json::value& status) {
    return std::string(status.at("gateway_status").at("summary").as_string());
}

std::string cause(const boost::json::value& status) {
    const auto* value = status.at("gateway_status").as_object().if_contains("end_cause");
    return value ? std::string(value->as_string()) : std::string();
}

// Why the last orchestrator was given up; empty while none was.
std::string swap_cause(const boost::json::value& status) {
    const auto& last = status.at("gateway_status").at("swaps").at("last");
    return last.is_null() ? std::string() : std::string(last.at("cause").as_string());
}

std::string swap_text(const boost::json::value& status) {
    const auto& last = status.at("gateway_status").at("swaps").at("last");
    return std::string(last.at("message").as_string());
}

// A TCP port that accepts connections and never reads from them.
class deaf_port {
  public:
    deaf_port() : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {
        acceptor_.set_option(asio::socket_base::receive_buffer_size(4096));
    }

    std::string url() const {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    }

  private:
    asio::io_context context_;
    tcp::acceptor acceptor_; // the kernel completes connections that nobody accepts
};

// A port where nobody listens.
std::string closed_port() {
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    return "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
}

TEST(live_conformance, s27_the_job_request_carries_the_headers_and_the_body_of_the_network) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish(
        "cam", {{"pipeline", "comfy/ui"}, {"params", R"({"p":1})"}, {"streamId", "sid"}}
    );
    publisher->start();
    (void)orchestrator.last_job();
    const auto jobs = orchestrator.jobs();
    ASSERT_EQ(jobs.size(), 1u);
    const auto& headers = jobs[0].headers;
    EXPECT_EQ(headers.at("authorization"), "Livepeer-AI-Worker-1.0");
    EXPECT_NE(headers.at("livepeer-segment"), "");
    EXPECT_EQ(headers.count("livepeer-payment"), 1u);
    EXPECT_THAT(headers.at("content-type"), StartsWith("application/json"));
    const auto body = boost::json::parse(jobs[0].body);
    EXPECT_EQ(body.at("model_id").as_string(), "comfy/ui");
    EXPECT_EQ(body.at("params").at("p").as_int64(), 1);
    EXPECT_EQ(body.at("stream_id").as_string(), "sid");
    EXPECT_EQ(body.at("gateway_request_id").as_string().size(), 8u);
    EXPECT_EQ(body.at("publish_url").as_string(), "");
    EXPECT_EQ(body.at("subscribe_url").as_string(), "");
}

TEST(live_conformance, s27_the_job_request_times_out_after_five_seconds) {
    deaf_port silent;
    fake_orchestrator second;
    auto timing = quick_timing();
    timing.selection_budget = 20s;
    live_rig rig({silent.url(), second.url()}, timing);
    auto publisher = rig.publish("cam");
    const auto begun = steady_clock::now();
    publisher->start();
    ASSERT_TRUE(eventually([&] { return !second.jobs().empty(); }, 9000ms));
    const auto took = steady_clock::now() - begun;
    EXPECT_GT(took, 4500ms);
    EXPECT_LT(took, 7000ms);
}

TEST(live_job, a_silent_orchestrator_costs_its_share_of_the_budget) {
    deaf_port silent;
    fake_orchestrator second;
    auto timing = quick_timing();
    timing.selection_budget = 3s; // half of it for the first of two
    live_rig rig({silent.url(), second.url()}, timing);
    auto publisher = rig.publish("cam");
    const auto begun = steady_clock::now();
    publisher->start();
    ASSERT_TRUE(eventually([&] { return !second.jobs().empty(); }, 9000ms));
    const auto took = steady_clock::now() - begun;
    EXPECT_GT(took, 1400ms);
    EXPECT_LT(took, 3500ms);
}

TEST(live_job, the_only_orchestrator_may_take_longer_than_the_budget) {
    fake_orchestrator slow;
    slow.answer_with([](fake_orchestrator& self, const http::request&) {
        std::this_thread::sleep_for(1500ms);
        return self.take_job();
    });
    auto timing = quick_timing();
    timing.selection_budget = 200ms;
    live_rig rig({slow.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }, 4000ms));
    EXPECT_EQ(slow.jobs().size(), 1u);
}

TEST(live_job, media_flows_to_the_orchestrator_and_back) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    EXPECT_EQ(rig.state("cam"), "waiting_for_media");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.segments_of("cam-out").size() >= 3; }));
    EXPECT_EQ(rig.state("cam"), "live");

    // Same segments, same bytes, at all three places.
    const auto result = rig.segments_of("cam-out");
    const auto sent = orchestrator.segments(job, "");
    for (const auto& segment : result)
        EXPECT_THAT(sent, testing::Contains(segment));
    const auto status = rig.status("cam");
    const auto& gateway = status.at("gateway_status");
    EXPECT_NEAR(gateway.at("ingest").at("fps").to_number<double>(), 50, 15);
    EXPECT_NEAR(gateway.at("ingest").at("keyframe_interval_s").to_number<double>(), 0.2, 0.01);
    EXPECT_GT(gateway.at("output").at("frames").to_number<int>(), 10);
    EXPECT_LT(gateway.at("output").at("latency_ms").to_number<double>(), 1000);
    EXPECT_EQ(gateway.at("orchestrator").at("url").as_string(), orchestrator.url());
    EXPECT_GE(gateway.at("orchestrator").at("segments_sent").to_number<int>(), 2);
    EXPECT_EQ(gateway.at("orchestrator").at("segments_dropped").to_number<int>(), 0);
}

TEST(live_conformance, s19_every_segment_begins_with_tables_and_s26_it_flows_while_it_grows) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    // Less than one segment has been made, and bytes are there already.
    ASSERT_TRUE(eventually([&] { return orchestrator.bytes(job, "") > 0; }));
    EXPECT_LE(orchestrator.segments(job, "").size(), 2u);
    ASSERT_TRUE(eventually([&] { return orchestrator.segments(job, "").size() >= 3; }));
    for (const auto& segment : orchestrator.segments(job, "")) {
        ASSERT_GE(segment.size(), 376u);
        EXPECT_EQ(segment.size() % 188, 0u);
        bool pat = false, pmt = false;
        for (std::size_t at = 0; at < 4 * 188 && at < segment.size(); at += 188) {
            const int pid =
                (segment[at + 1] & 0x1f) << 8 | static_cast<unsigned char>(segment[at + 2]);
            pat = pat || pid == 0;
            pmt = pmt || pid == 0x1000;
        }
        EXPECT_TRUE(pat && pmt);
    }
}

TEST(live_conformance, s24_video_pts_start_near_zero_and_rise_over_segments) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam"); // its clock starts at 1,000,000 ticks
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return orchestrator.segments(job, "").size() >= 3; }));
    std::vector<std::int64_t> pts;
    live::ts_meter meter([&pts](std::int64_t value) { pts.push_back(value); });
    for (const auto& segment : orchestrator.segments(job, ""))
        meter.feed({reinterpret_cast<const std::uint8_t*>(segment.data()), segment.size()});
    ASSERT_GE(pts.size(), 30u);
    EXPECT_LT(pts.front(), 90'000);
    for (std::size_t i = 1; i < pts.size(); ++i)
        EXPECT_EQ(pts[i] - pts[i - 1], 1800) << i;
}

TEST(live_job, an_orchestrator_that_dies_is_named_in_one_line) {
    auto orchestrator = std::make_unique<fake_orchestrator>();
    orchestrator->echo();
    live_rig rig({orchestrator->url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    const auto url = orchestrator->url();
    orchestrator.reset();
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) != ""; }));
    EXPECT_EQ(rig.state("cam"), "starting"); // it may come back
    EXPECT_THAT(summary(rig.status("cam")), HasSubstr(url));
    EXPECT_TRUE(rig.channel_exists("cam"));
    EXPECT_EQ(publisher->kicked(), "");
}

TEST(live_conformance, s10_an_update_before_the_job_is_the_first_control_message) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    const std::string params = "{ \"graph\" : \"hflip\",\r\n \"s\":\"\\u00e9\" }\n";
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", params).status, 200);
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return !orchestrator.segments(job, "control").empty(); }));
    EXPECT_EQ(orchestrator.segments(job, "control").front(), params);
    // The job itself carries the original parameters.
    EXPECT_THAT(orchestrator.jobs().back().body, HasSubstr(R"("params":null)"));
}

TEST(live_conformance, s11_updates_are_forwarded_byte_for_byte) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    const std::string first = "{\"a\":1}";
    const std::string second = "\n{ \"b\" : [ 1,2 , {\"c\":\"\xc3\xa9\"} ] }  ";
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", first).status, 200);
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", second).status, 200);
    ASSERT_TRUE(eventually([&] { return orchestrator.segments(job, "control").size() >= 2; }));
    EXPECT_THAT(orchestrator.segments(job, "control"), testing::ElementsAre(first, second));
}

TEST(live_conformance, s38_keepalives_reach_the_control_channel) {
    fake_orchestrator orchestrator;
    auto timing = quick_timing();
    timing.keepalive = 100ms;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return orchestrator.segments(job, "control").size() >= 3; }));
    for (const auto& message : orchestrator.segments(job, "control"))
        EXPECT_EQ(message, R"({"keep":"alive"})");
}

TEST(live_conformance, s39_the_runners_status_is_served_and_merged) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam", {{"streamId", "sid"}});
    publisher->start();
    const auto job = orchestrator.last_job();
    orchestrator.publish(job, "events", status_event);
    ASSERT_TRUE(eventually([&] { return rig.status("sid").as_object().contains("state"); }));
    orchestrator.publish(
        job,
        "events",
        R"({"event":{"type":"status","state":"DEGRADED_INPUT","inference_status":{"last_params":null}}})"
    );
    ASSERT_TRUE(eventually([&] { return rig.status("sid").at("state") == "DEGRADED_INPUT"; }));
    const auto status = rig.status("sid");
    EXPECT_EQ(status.at("inference_status").at("last_params").at("a").as_int64(), 1);
    EXPECT_EQ(status.at("stream_id").as_string(), "sid");
    EXPECT_EQ(status.at("orchestrator_info").at("url").as_string(), orchestrator.url());
    EXPECT_TRUE(status.as_object().contains("gateway_status"));
}

TEST(live_job, an_error_of_the_runner_shows_in_the_status) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    orchestrator.publish(job, "events", "garbage {");
    orchestrator.publish(job, "events", R"({"type":"error","message":"no such filter 'nagate'"})");
    ASSERT_TRUE(eventually([&] {
        return boost::json::serialize(rig.status("cam")).find("nagate") != std::string::npos;
    }));
    EXPECT_NE(rig.state("cam"), "failed");
}

// The error event itself was sent before the gateway listened.
TEST(live_job, an_error_that_only_the_runners_status_tells_shows_as_one) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    orchestrator.publish(
        job,
        "events",
        R"({"event":{"type":"status","inference_status":{"last_error":"no such filter","last_error_time":1000}}})"
    );
    EXPECT_TRUE(eventually([&] {
        const auto errors = rig.status("cam").at("gateway_status").at("last_errors");
        return boost::json::serialize(errors).find("the runner says: no such filter") !=
               std::string::npos;
    }));
}

TEST(live_job, an_unreachable_orchestrator_is_named_in_the_status_and_the_source_stays) {
    const auto nobody = closed_port();
    live_rig rig({nobody});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return cause(rig.status("cam")) != ""; }));
    const auto status = rig.status("cam");
    EXPECT_EQ(cause(status), "no_orchestrator");
    EXPECT_EQ(status.at("gateway_status").at("state").as_string(), "starting");
    EXPECT_THAT(summary(status), HasSubstr(nobody));
    EXPECT_THAT(
        std::string(status.at("gateway_status").at("error").at("error_message").as_string()),
        HasSubstr("no orchestrators available")
    );
    EXPECT_EQ(publisher->kicked(), "");
    EXPECT_TRUE(rig.channel_exists("cam"));
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", "{}").status, 200); // s10
}

TEST(live_job, an_orchestrator_that_comes_later_is_found_without_publishing_again) {
    fake_orchestrator orchestrator;
    std::atomic<int> asked{0};
    orchestrator.answer_with([&asked](fake_orchestrator& self, const http::request&) {
        if (++asked >= 4)
            return self.take_job();
        http::response no;
        no.status = http::status::internal_server_error;
        no.body = "out of order\n\xff";
        return no;
    });
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    EXPECT_EQ(publisher->kicked(), "");
    EXPECT_EQ(asked, 4);
    EXPECT_EQ(cause(rig.status("cam")), "");
    const auto error = std::string(
        rig.status("cam").at("gateway_status").at("error").at("error_message").as_string()
    );
    EXPECT_THAT(error, HasSubstr("out of order"));
}

TEST(live_job, a_publisher_that_leaves_during_the_search_leaves_nothing) {
    auto timing = quick_timing();
    timing.retry_first = timing.retry_last = 30s;
    live_rig rig({closed_port()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return cause(rig.status("cam")) == "no_orchestrator"; }));
    publisher->leave();
    EXPECT_TRUE(eventually([&] { return !rig.channel_exists("cam-out"); }, 2000ms));
    EXPECT_EQ(rig.state("cam"), "ended");
    const auto begun = steady_clock::now();
    rig.streams().stop(5s);
    EXPECT_LT(steady_clock::now() - begun, 2s);
}

TEST(live_job, sound_that_cannot_be_carried_does_not_cost_the_video) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    auto format = fake_publisher::format();
    auto& audio = format.audio.emplace();
    audio.type = media::codec::aac; // without its configuration
    publisher->announce(format);
    const auto segments = [&] {
        return rig.status("cam").at("gateway_status").at("ingest").at("segments").to_number<int>();
    };
    const auto before = segments();
    EXPECT_TRUE(eventually([&] { return segments() >= before + 2; }));
    EXPECT_THAT(
        boost::json::serialize(rig.status("cam").at("gateway_status").at("last_errors")),
        HasSubstr("sound can't be carried: ")
    );
    EXPECT_EQ(publisher->kicked(), "");
}

TEST(live_job, video_that_cannot_be_carried_ends_the_stream_with_a_text) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    media::stream_format format;
    format.video.emplace().type = media::codec::vp8;
    publisher->announce(format);
    EXPECT_THAT(publisher->kicked(), HasSubstr("the video can't be carried: "));
    EXPECT_EQ(publisher->kick_cause(), ingest::kick_cause::bad_media);
    EXPECT_TRUE(eventually([&] { return rig.state("cam") == "ended"; }));
    EXPECT_EQ(cause(rig.status("cam")), "bad_media");
}

TEST(live_job, channels_of_a_stream_are_not_swept_while_it_is_quiet) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    EXPECT_TRUE(rig.channel_kept("cam"));
    EXPECT_TRUE(rig.channel_kept("cam-out"));
}

TEST(live_conformance, s30_a_full_orchestrator_leads_to_the_next_one) {
    fake_orchestrator full, free;
    full.answer_with([](fake_orchestrator&, const http::request&) {
        http::response no;
        no.status = http::status::service_unavailable;
        no.body = "Insufficient capacity\n";
        return no;
    });
    live_rig rig({full.url(), free.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_NE(free.last_job(), "");
    EXPECT_EQ(full.jobs().size(), 1u);
}

// Two that alternate: the last line never says the same as the next one.
TEST(live_job, a_stream_that_nobody_takes_does_not_fill_the_log) {
    std::atomic<int> asked{0};
    const auto refuse = [&asked](fake_orchestrator&, const http::request&) {
        ++asked;
        http::response no;
        no.status = http::status::service_unavailable;
        no.body = "insufficient capacity";
        return no;
    };
    fake_orchestrator first, second;
    first.answer_with(refuse);
    second.answer_with(refuse);
    auto timing = quick_timing();
    timing.retry_first = timing.retry_last = 10ms;
    testing::internal::CaptureStderr();
    bool went_on = false;
    {
        live_rig rig({first.url(), second.url()}, timing);
        auto publisher = rig.publish("cam");
        publisher->start();
        went_on = eventually([&] { return asked > 60; });
    }
    const auto log = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(went_on) << asked << " were asked\n" << log;
    std::size_t said = 0;
    for (auto at = log.find("did not take the job"); at != log.npos;
         at = log.find("did not take the job", at + 1))
        ++said;
    EXPECT_GE(said, 2u) << log;
    EXPECT_LE(said, 2u * session::log_budget::lines) << log;
}

TEST(live_job, a_place_that_becomes_free_within_the_budget_is_taken) {
    fake_orchestrator orchestrator;
    std::atomic<int> asked{0};
    orchestrator.answer_with([&asked](fake_orchestrator& self, const http::request&) {
        if (++asked >= 3)
            return self.take_job();
        http::response no;
        no.status = http::status::service_unavailable;
        no.body = "insufficient capacity";
        return no;
    });
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
}

TEST(live_job, an_answer_that_points_elsewhere_is_refused) {
    fake_orchestrator orchestrator;
    orchestrator.answer_with([](fake_orchestrator& self, const http::request&) {
        return self.take_job({{"publish_url", "http://127.0.0.2:9/x"}});
    });
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return cause(rig.status("cam")) == "no_orchestrator"; }));
    EXPECT_THAT(summary(rig.status("cam")), HasSubstr("another host"));
}

TEST(live_conformance, s35_a_404_on_publish_gives_the_job_to_another) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    orchestrator.remove(job, "");
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) == "input_channel_gone"; }));
    EXPECT_TRUE(rig.channel_exists("cam"));
}

TEST(live_conformance, s35_the_end_of_the_output_gives_the_job_to_another) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    orchestrator.remove(job, "out");
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) == "output_ended"; }));
    // The orchestrator is told that the job is over.
    EXPECT_TRUE(eventually([&] {
        return !orchestrator.exists(job, "") && !orchestrator.exists(job, "control");
    }));
}

TEST(live_conformance, s35_the_end_of_the_events_does_not_end_the_job) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    auto timing = quick_timing();
    timing.event_silence = 300ms;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    orchestrator.remove(job, "events");
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    std::this_thread::sleep_for(800ms);
    EXPECT_EQ(rig.state("cam"), "live");
}

TEST(live_conformance, s35_a_404_on_control_gives_the_job_to_another) {
    fake_orchestrator orchestrator;
    auto timing = quick_timing();
    timing.keepalive = 100ms;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    orchestrator.remove(job, "control");
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) == "control_gone"; }));
}

TEST(live_conformance, s36_output_that_stalls_while_input_flows_gives_the_job_to_another) {
    fake_orchestrator orchestrator;
    auto timing = quick_timing();
    timing.first_output = 600ms;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    (void)orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) == "output_stalled"; }));
    EXPECT_THAT(swap_text(rig.status("cam")), HasSubstr("timeout waiting for segments"));
}

TEST(live_conformance, s36_no_output_without_input_does_not_end_the_job) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    auto timing = quick_timing();
    timing.first_output = timing.output_silence = 400ms;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    publisher->pause();
    std::this_thread::sleep_for(1200ms);
    EXPECT_EQ(rig.state("cam"), "live");
}

TEST(live_conformance, s37_silent_events_give_the_job_to_another) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    auto timing = quick_timing();
    timing.event_silence = 500ms;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    for (int i = 0; i < 5; ++i) { // while events come it lives
        orchestrator.publish(job, "events", status_event);
        std::this_thread::sleep_for(200ms);
    }
    EXPECT_EQ(rig.state("cam"), "live");
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) == "events_silent"; }));
    EXPECT_THAT(swap_text(rig.status("cam")), HasSubstr("timeout waiting for events"));
}

TEST(live_conformance, s32_an_orchestrator_that_never_reads_is_slow) {
    deaf_port deaf;
    fake_orchestrator orchestrator;
    orchestrator.answer_with([&deaf](fake_orchestrator& self, const http::request&) {
        return self.take_job({{"publish_url", deaf.url() + "/in"}});
    });
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return swap_cause(rig.status("cam")) == "orchestrator_slow"; }));
    EXPECT_THAT(swap_text(rig.status("cam")), HasSubstr("slow"));
    // The publisher has not noticed.
    EXPECT_EQ(publisher->kicked(), "");
    EXPECT_TRUE(rig.channel_exists("cam"));
}

TEST(live_conformance, s42_the_end_of_the_input_deletes_input_and_control_channel) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    publisher->leave("unpublished");
    EXPECT_TRUE(eventually([&] {
        return !orchestrator.exists(job, "") && !orchestrator.exists(job, "control");
    }));
    EXPECT_EQ(rig.state("cam"), "ended");
    EXPECT_THAT(summary(rig.status("cam")), HasSubstr("unpublished"));
    EXPECT_FALSE(rig.channel_exists("cam"));
    EXPECT_TRUE(eventually([&] { return !rig.channel_exists("cam-out"); }));
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", "{}").status, 404);
    EXPECT_EQ(rig.streams().count(), 0u);
}

TEST(live_job, the_last_segment_still_comes_out_after_the_publisher_left) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.segments_of("cam-out").size() >= 2; }));
    publisher->leave();
    ASSERT_TRUE(eventually([&] { return !rig.channel_exists("cam-out"); }));
    const auto status = rig.status("cam");
    const auto& gateway = status.at("gateway_status");
    EXPECT_EQ(
        gateway.at("output").at("frames").to_number<int>(),
        gateway.at("ingest").at("video_frames").to_number<int>() -
            gateway.at("ingest").at("dropped_frames").to_number<int>()
    );
}

TEST(live_conformance, s14_a_second_publisher_takes_over_and_the_first_one_is_told) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto first = rig.publish("cam", {{"streamId", "one"}});
    first->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    auto second = rig.publish("cam", {{"streamId", "two"}});
    second->start();
    EXPECT_EQ(first->kicked(), "replaced by a newer publisher");
    EXPECT_EQ(first->kick_cause(), ingest::kick_cause::replaced);
    EXPECT_TRUE(eventually([&] { return !orchestrator.exists(job, "control"); }));
    EXPECT_TRUE(eventually([&] { return !orchestrator.exists(job, ""); }));
    EXPECT_TRUE(eventually([&] { return orchestrator.jobs().size() == 2; }));
    // What the first one still says is not heard.
    first->leave("late");
    EXPECT_EQ(rig.status("cam").at("gateway_status").at("stream_id").as_string(), "two");
    EXPECT_NE(rig.state("cam"), "ended");
    EXPECT_TRUE(rig.channel_exists("cam"));
    EXPECT_TRUE(rig.channel_exists("cam-out"));
    EXPECT_EQ(rig.streams().count(), 1u);
    EXPECT_EQ(second->kicked(), "");
}

TEST(live_job, a_publisher_that_comes_back_while_the_old_one_is_wound_up_is_served) {
    fake_orchestrator orchestrator;
    auto timing = quick_timing();
    timing.last_output = 5s;
    timing.last_output_total = 5s;
    live_rig rig({orchestrator.url()}, timing);
    auto first = rig.publish("cam");
    first->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    first->leave();
    auto second = rig.publish("cam");
    second->start();
    EXPECT_TRUE(eventually([&] { return !orchestrator.exists(job, "control"); }, 2000ms));
    EXPECT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    EXPECT_TRUE(rig.channel_exists("cam-out"));
}

TEST(live_job, many_streams_come_and_go_without_a_trace) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<fake_publisher>> all;
        for (int i = 0; i < 8; ++i) {
            all.push_back(rig.publish("cam" + std::to_string(i)));
            all.back()->start();
        }
        EXPECT_TRUE(eventually([&] {
            return std::ranges::all_of(all, [&](auto& p) {
                return rig.state(p->name()) == "live";
            });
        }));
        for (auto& publisher : all)
            publisher->leave();
        EXPECT_EQ(rig.streams().count(), 0u);
    }
    EXPECT_TRUE(eventually([&] {
        for (int i = 0; i < 8; ++i)
            if (rig.channel_exists("cam" + std::to_string(i) + "-out"))
                return false;
        return true;
    }));
}

TEST(live_job, stopping_the_gateway_tells_publisher_and_orchestrator) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "connected"; }));
    rig.streams().stop(3s);
    EXPECT_EQ(publisher->kicked(), "the gateway is stopping");
    EXPECT_EQ(publisher->kick_cause(), ingest::kick_cause::stopped);
    EXPECT_FALSE(orchestrator.exists(job, ""));
    EXPECT_FALSE(orchestrator.exists(job, "control"));
    EXPECT_THROW(rig.publish("other"), std::runtime_error);
}

} // namespace
} // namespace rivulet::test
