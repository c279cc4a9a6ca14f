// Orchestrators that mean harm, or are broken: nothing crashes, memory stays bounded, the log says
// who and why, and the next orchestrator is used.
#include "media/ts_muxer.hpp"
#include "session/grpc_info.hpp"
#include "session/manager.hpp"
#include "support/fake_network.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/hostile_http.hpp"
#include "support/live_rig.hpp"
#include "support/process_state.hpp"

#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto live_id = session::capability::live_video_to_video;
constexpr std::size_t mebibyte = 1024 * 1024;

// --- discovery
// ------------------------------------------------------------------------------------

// A session manager that asks over gRPC.
class gateway_side {
  public:
    explicit gateway_side(const std::vector<std::string>& addresses) {
        auto infos =
            session::grpc_info::create(session::grpc_info_options(), logger("orchestrators"));
        discovery_ = std::make_shared<session::discovery>(
            threads_.at(0).get_executor(),
            std::shared_ptr<session::info_source>(std::move(*infos)),
            std::make_shared<session::static_source>(addresses),
            session::discovery_options(),
            metrics_,
            nullptr,
            logger("discovery")
        );
        session::manager_options options;
        options.exploration = 0;
        manager_ = std::make_unique<session::manager>(
            threads_.at(0).get_executor(),
            discovery_,
            std::make_shared<session::price_caps>(),
            options,
            metrics_,
            logger("sessions")
        );
    }

    ~gateway_side() {
        manager_->stop();
        discovery_->stop();
        // What they started ends on the shard, then they may go.
        asio::co_spawn(threads_.at(0), nothing(), asio::use_future).get();
        manager_.reset();
        discovery_.reset();
    }

    // Whom a live job of "noop" goes to; the reasons when nobody.
    std::string choose() {
        return asio::co_spawn(threads_.at(0), choose_one(), asio::use_future).get();
    }

    boost::json::object capabilities() { return manager_->network_capabilities(); }

  private:
    static awaitable<void> nothing() { co_return; }

    awaitable<std::string> choose_one() {
        session::job_need need(live_id, "noop");
        auto choice = manager_->begin(std::move(need), 5s);
        auto chosen = co_await choice.next();
        if (!chosen)
            co_return "nobody: " + choice.summary();
        chosen->succeeded(0.01);
        co_return chosen->url();
    }

    shards threads_{1};
    observe::metrics metrics_;
    std::shared_ptr<session::discovery> discovery_;
    std::unique_ptr<session::manager> manager_;
};

struct hostile_info {
    const char* name;
    std::function<node_reply(network_node&)> reply;
};

class hostile_discovery : public testing::TestWithParam<hostile_info> {};

TEST_P(hostile_discovery, leaves_the_good_orchestrator_to_be_used) {
    fake_network network(2, node_transport::plain);
    auto good = network[1].offer(live_id, "noop");
    node_reply later; // the other one is always heard first
    later.info = good;
    later.delay = 60ms;
    network[1].answer(later);
    network[0].answer(GetParam().reply(network[0]));
    gateway_side gateway(network.addresses());
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(gateway.choose(), network[1].http_url());
    EXPECT_GE(network[0].questions(), 1u);
}

node_reply changed(network_node& node, std::function<void(session::orchestrator_info&)> change) {
    node_reply reply;
    reply.info = node.offer(live_id, "noop");
    change(reply.info);
    return reply;
}

node_reply raw(std::string bytes) {
    node_reply reply;
    reply.raw = std::move(bytes);
    return reply;
}

INSTANTIATE_TEST_SUITE_P(
    replies,
    hostile_discovery,
    testing::Values(
        hostile_info{"rubbish", [](network_node&) { return raw("\x0a\xff\xff\xff\xff\x0fxyz"); }},
        hostile_info{"nothing", [](network_node&) { return raw(""); }},
        hostile_info{"two_mebibytes", [](network_node&) { return raw(std::string(2 << 20, 0)); }},
        hostile_info{
            "deep_nesting",
            [](network_node&) {
                std::string inner;
                for (int i = 0; i < 60; ++i)
                    inner = std::string("\x2a") + static_cast<char>(inner.size()) + inner;
                return raw(inner);
            }},
        hostile_info{
            "no_capabilities",
            [](network_node& n) {
                return changed(n, [](auto& info) { info.capabilities.reset(); });
            }},
        hostile_info{
            "capabilities_without_constraints",
            [](network_node& n) {
                return changed(n, [](auto& info) { info.capabilities->models.clear(); });
            }},
        hostile_info{
            "no_token",
            [](network_node& n) { return changed(n, [](auto& info) { info.token.reset(); }); }},
        hostile_info{
            "no_transcoder",
            [](network_node& n) {
                return changed(n, [](auto& info) { info.transcoder.clear(); });
            }},
        hostile_info{
            "a_file_as_transcoder",
            [](network_node& n) {
                return changed(n, [](auto& info) { info.transcoder = "file:///etc/passwd"; });
            }},
        hostile_info{
            "a_transcoder_with_a_line_break",
            [](network_node& n) {
                return changed(n, [](auto& info) { info.transcoder += "/\r\nX-Evil: 1"; });
            }},
        hostile_info{
            "huge_numbers",
            [](network_node& n) {
                return changed(n, [](auto& info) {
                    constexpr auto most = std::numeric_limits<std::int64_t>::max();
                    info.price.emplace();
                    info.price->per_unit = most;
                    info.price->pixels_per_unit = -most;
                    info.capabilities->models[35]["noop"].capacity = 0xffffffff;
                });
            }},
        hostile_info{
            "ten_thousand_models",
            [](network_node& n) {
                return changed(n, [](auto& info) {
                    for (int i = 0; i < 10'000; ++i)
                        info.capabilities->models[35]["m" + std::to_string(i)] = {};
                });
            }},
        hostile_info{
            "a_refusal_with_control_characters",
            [](network_node&) {
                node_reply reply;
                reply.refusal = "no\x1b[2J\r\nW forged log line" + std::string(5000, 'x');
                return reply;
            }},
        hostile_info{
            "no_answer_ever",
            [](network_node&) {
                node_reply reply;
                reply.hang = true;
                return reply;
            }}
    ),
    [](const auto& row) { return row.param.name; }
);

TEST(orchestrators_conformance, s5_nobody_waits_for_a_silent_orchestrator) {
    fake_network network(1);
    hostile_http silent([](const std::string&) { return hostile_reply(); });
    gateway_side gateway({"https" + silent.url().substr(4), network[0].address()});
    const auto began = steady_clock::now();
    EXPECT_EQ(gateway.choose(), network[0].http_url());
    EXPECT_LT(steady_clock::now() - began, 1500ms); // the first tick comes at 500 ms
}

TEST(hostile_orchestrators, many_large_answers_hold_no_memory) {
    if (!memory_is_measured)
        GTEST_SKIP() << "memory means little below a sanitizer";
    fake_network network(12, node_transport::plain);
    auto large = network[0].offer(live_id, "noop");
    large.transcoder.clear();
    large.capabilities->version = std::string(1000, 'v');
    std::string bytes = session::to_protobuf(large);
    // Price rows by the hundred thousand: each costs much more in memory than on the wire.
    while (bytes.size() < session::max_info_bytes - 8)
        bytes += std::string("\x8a\x02\x00", 3);
    for (std::size_t i = 1; i < network.size(); ++i)
        network[i].answer(raw(bytes));
    gateway_side gateway(network.addresses());
    EXPECT_EQ(gateway.choose(), network[0].http_url());
    const auto before = look_at_process().resident;
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(gateway.choose(), network[0].http_url());
    const auto after = look_at_process().resident;
    EXPECT_LT(after, before + 64 * mebibyte);
}

// --- answers to a job
// -----------------------------------------------------------------------------

struct hostile_answer {
    const char* name;
    std::function<hostile_reply()> reply;
    const char* said; // part of the one line about it
};

class hostile_job : public testing::TestWithParam<hostile_answer> {};

std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_P(hostile_job, goes_to_the_next_orchestrator) {
    const auto& row = GetParam();
    hostile_http bad([&](const std::string&) { return row.reply(); });
    fake_orchestrator good;
    auto timing = quick_timing();
    timing.selection_budget = 10s;
    live_rig gateway({bad.url(), good.url()}, timing);
    const auto before = look_at_process().resident;
    testing::internal::CaptureStderr();
    auto publisher = gateway.publish("cam");
    publisher->start();
    const bool taken = eventually([&] { return !good.jobs().empty(); }, milliseconds(12'000));
    const auto log = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(taken) << log;
    EXPECT_EQ(bad.requests(), 1u);
    // Exactly one line says that it did not take the job.
    std::istringstream lines(log);
    std::vector<std::string> about;
    for (std::string line; std::getline(lines, line);)
        if (line.find(bad.url()) != line.npos && line.find("did not take the job") != line.npos)
            about.push_back(line);
    ASSERT_EQ(about.size(), 1u) << log;
    EXPECT_THAT(about.front(), HasSubstr(row.said));
    EXPECT_LT(about.front().size(), 700u);
    if (memory_is_measured) {
        EXPECT_LT(look_at_process().resident, before + 48 * mebibyte);
    }
    publisher->leave();
}

INSTANTIATE_TEST_SUITE_P(
    answers,
    hostile_job,
    testing::Values(
        hostile_answer{
            "rubbish", [] { return hostile_reply("\x16\x03\x01\x02garbage\r\n\r\n"); }, ""},
        hostile_answer{"no_json", [] { return hostile_reply(ok("<html>hello</html>")); }, "JSON"},
        hostile_answer{
            "nested_json", [] { return hostile_reply(ok(std::string(50'000, '['))); }, "JSON"},
        hostile_answer{
            "missing_fields",
            [] { return hostile_reply(ok(R"({"publish_url":"/ai/trickle/x"})")); },
            "subscribe_url"},
        hostile_answer{
            "numbers_for_urls",
            [] { return hostile_reply(ok(R"({"publish_url":1e400,"subscribe_url":{}})")); },
            ""},
        hostile_answer{
            "channels_elsewhere",
            [] {
                return hostile_reply(ok(
                    R"({"publish_url":"http://169.254.169.254/latest","subscribe_url":"http://169.254.169.254/a","control_url":"http://169.254.169.254/b","events_url":"http://169.254.169.254/c"})"
                ));
            },
            "169.254.169.254"},
        hostile_answer{
            "a_redirect",
            [] {
                return hostile_reply(
                    "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: "
                    "0\r\n\r\n"
                );
            },
            "302"},
        hostile_answer{
            "an_endless_body",
            [] {
                return hostile_reply(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "8000\r\n" + std::string(0x8000, 'a') + "\r\n"
                );
            },
            "longer than"},
        hostile_answer{
            "a_huge_length",
            [] {
                return hostile_reply(
                    "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n",
                    std::string(4096, 'a')
                );
            },
            "longer than"},
        hostile_answer{
            "endless_headers",
            [] {
                return hostile_reply(
                    "HTTP/1.1 200 OK\r\n", "X-Header: " + std::string(200, 'h') + "\r\n"
                );
            },
            ""},
        hostile_answer{
            "a_slow_drip",
            [] { return hostile_reply("HTTP/1.1 200 OK\r\nX-A: ", "a", 50ms); },
            "time"},
        hostile_answer{
            "control_characters",
            [] {
                return hostile_reply(
                    "HTTP/1.1 500 Oh\r\nContent-Length: 24\r\n\r\n\x1b[2J\nW forged line\nabcdef"
                );
            },
            "500"}
    ),
    [](const auto& row) { return row.param.name; }
);

// --- channels
// -------------------------------------------------------------------------------------

// Takes the job, then answers every channel with `output`.
hostile_http::script takes_jobs(std::function<hostile_reply(const std::string& head)> output) {
    return [output](const std::string& head) {
        if (head.starts_with("POST /live-video-to-video"))
            return hostile_reply(ok(
                R"({"publish_url":"/t/in","subscribe_url":"/t/out","control_url":"/t/control","events_url":"/t/events"})"
            ));
        if (head.starts_with("POST ") || head.starts_with("DELETE ")) {
            hostile_reply quiet("HTTP/1.1 100 Continue\r\n\r\n");
            quiet.take_bodies = true;
            return quiet;
        }
        return output(head);
    };
}

// It takes every segment and floods the output with what is no video.
TEST(hostile_orchestrators, endless_output_that_is_no_video_is_bounded) {
    hostile_http bad(takes_jobs([](const std::string& head) {
        if (!head.starts_with("GET /t/out"))
            return hostile_reply("", "", 1s); // nothing is ever said there
        return hostile_reply(
            "HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\nLp-Trickle-Latest: 0\r\nTransfer-Encoding: "
            "chunked\r\n\r\n",
            "8000\r\n" + std::string(0x8000, 'z') + "\r\n"
        );
    }));
    fake_orchestrator good;
    good.echo();
    live_rig gateway({bad.url(), good.url()});
    const auto before = look_at_process().resident;
    auto publisher = gateway.publish("cam");
    publisher->start();
    EXPECT_TRUE(eventually([&] { return gateway.state("cam") == "live"; }, milliseconds(5'000)));
    EXPECT_EQ(good.jobs().size(), 1u);
    const auto status = gateway.status("cam").at("gateway_status");
    const auto last = status.at("swaps").at("last");
    EXPECT_EQ(last.at("cause").as_string(), "output_unusable");
    EXPECT_EQ(last.at("from").as_string(), bad.url());
    EXPECT_THAT(std::string(last.at("message").as_string()), HasSubstr("no video"));
    // What was read, and what the kernel's buffers took.
    EXPECT_LT(bad.bytes_sent(), 32 * mebibyte);
    if (memory_is_measured) {
        EXPECT_LT(look_at_process().resident, before + 64 * mebibyte);
    }
    EXPECT_EQ(publisher->kicked(), "");
    publisher->leave();
}

TEST(hostile_orchestrators, a_drip_that_is_no_video_is_never_told_as_processed_video) {
    hostile_http bad(takes_jobs([](const std::string& head) {
        if (!head.starts_with("GET /t/out"))
            return hostile_reply("", "", 1s);
        return hostile_reply(
            "HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\nLp-Trickle-Latest: 0\r\nTransfer-Encoding: "
            "chunked\r\n\r\n",
            "5\r\nhello\r\n",
            100ms
        );
    }));
    fake_orchestrator good;
    live_rig gateway({bad.url(), good.url()});
    auto publisher = gateway.publish("cam");
    publisher->start();
    EXPECT_TRUE(eventually([&] { return !good.jobs().empty(); }, milliseconds(8'000)));
    const auto status = gateway.status("cam").at("gateway_status");
    EXPECT_EQ(status.at("swaps").at("last").at("cause").as_string(), "output_unusable");
    EXPECT_NE(gateway.state("cam"), "live");
    EXPECT_FALSE(status.at("swaps").at("last").at("gap_ms").is_number());
    publisher->leave();
}

// It is at work as far as anybody can hear, but not at what was asked for.
TEST(hostile_orchestrators, sound_without_video_is_no_output) {
    fake_orchestrator bad;
    bad.answer_with([](fake_orchestrator& self, const http::request&) { return self.take_job(); });
    fake_orchestrator good;
    good.echo();
    auto timing = quick_timing();
    timing.first_output = 1500ms;
    live_rig gateway({bad.url(), good.url()}, timing);
    auto publisher = gateway.publish("cam");
    publisher->start();
    const auto job = bad.last_job();
    media::ts_muxer muxer;
    media::stream_format format;
    format.audio.emplace();
    format.audio->type = media::codec::aac;
    format.audio->config = {0x11, 0x90};
    format.audio->sample_rate = 48'000;
    format.audio->channels = 2;
    ASSERT_FALSE(muxer.set_format(format));
    for (int i = 0; i < 60 && good.jobs().empty(); ++i) {
        media::access_unit unit;
        unit.kind = media::track_kind::audio;
        unit.pts = unit.dts = i * 9000;
        unit.data = bytes::copy_of(std::string(200, 'a'));
        muxer.begin_segment();
        auto packets = muxer.write(unit);
        ASSERT_TRUE(packets);
        bad.publish(job, "out", std::string(packets->text()));
        std::this_thread::sleep_for(100ms);
    }
    EXPECT_TRUE(eventually([&] { return gateway.state("cam") == "live"; }));
    const auto last = gateway.status("cam").at("gateway_status").at("swaps").at("last");
    EXPECT_EQ(last.at("cause").as_string(), "output_stalled");
    EXPECT_GT(
        gateway.status("cam").at("gateway_status").at("output").at("bytes").to_number<int>(), 1000
    );
    publisher->leave();
}

TEST(hostile_orchestrators, senseless_segment_numbers_lose_the_job_and_nothing_else) {
    for (const std::string numbers :
         {"Lp-Trickle-Seq: 99999999999999999999999\r\n",
          "Lp-Trickle-Seq: -9223372036854775808\r\nLp-Trickle-Latest: 9223372036854775807\r\n",
          "Lp-Trickle-Seq: abc\r\n"}) {
        SCOPED_TRACE(numbers);
        hostile_http bad(takes_jobs([numbers](const std::string&) {
            hostile_reply reply("HTTP/1.1 200 OK\r\n" + numbers + "Content-Length: 4\r\n\r\nabcd");
            return reply;
        }));
        fake_orchestrator good;
        live_rig gateway({bad.url(), good.url()});
        auto publisher = gateway.publish("cam");
        publisher->start();
        EXPECT_TRUE(eventually([&] { return bad.requests() > 3; }));
        EXPECT_EQ(gateway.get("/live/video-to-video/cam/status").status, 200);
        bad.stop();
        EXPECT_TRUE(eventually([&] { return !good.jobs().empty(); }, milliseconds(15'000)));
        publisher->leave();
    }
}

} // namespace
} // namespace rivulet::test
