// What an operator's tools see of a whole gateway: a stream with the built-in orchestrator, its
// numbers on the private port.
#include "gateway.hpp"
#include "support/live_rig.hpp"
#include "support/media_samples.hpp"
#include "support/mock_kafka.hpp"
#include "support/raw_http.hpp"
#include "support/rtmp_client.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class watched_gateway {
  public:
    explicit watched_gateway(bool monitor = true, const std::string& kafka = {})
        : running_(wanted(monitor, kafka), logger("test")) {
        auto started = running_.start();
        if (!started)
            throw std::runtime_error(started.error().detail);
        ports = *started;
    }

    ~watched_gateway() {
        running_.stop();
        clients_.stop();
    }

    raw_reply get(const std::string& path) const {
        return ask(ports.private_api, request_text("GET", path));
    }

    void stop() { running_.stop(); }

    std::string metrics() const { return get("/metrics").body; }

    // A publisher that goes on until the gateway ends it.
    void publish(const std::string& name) {
        static const auto tags =
            std::make_shared<const std::vector<media::flv_tag>>(read_flv("av.flv"));
        rtmp_publish_options options;
        options.loop = true;
        asio::co_spawn(
            clients_.at(0).get_executor(),
            rtmp_publish(
                "rtmp://127.0.0.1:" + std::to_string(ports.rtmp) + "/live/" + name +
                    "?pipeline=passthrough",
                tags,
                std::move(options)
            ),
            [](std::exception_ptr, const outcome<void>&) {}
        );
    }

    gateway_ports ports;

  private:
    static gateway_options wanted(bool monitor, const std::string& kafka) {
        gateway_options options;
        options.kafka_servers = kafka;
        options.kafka_topic = kafka.empty() ? "" : "gateway";
        options.gateway_host = "gw.example";
        options.http_addr = "127.0.0.1:0";
        options.rtmp_addr = "127.0.0.1:0";
        options.private_addr = "127.0.0.1:0";
        options.monitor = monitor;
        options.metrics_per_stream = true;
        options.node_id = "gw1";
        options.shards = 2;
        options.drain = 1s;
        return options;
    }

    gateway running_;
    shards clients_{1};
};

// The value of the series whose line begins with `series`; -1 when there is none.
double value_of(const std::string& text, const std::string& series) {
    const auto at = ("\n" + text).find("\n" + series + ' ');
    if (at == std::string::npos)
        return -1;
    return std::stod(text.substr(at + series.size()));
}

// A whole segment has gone out and come back.
bool has_segment_delay(const std::string& text) {
    return text.find("\nlivepeer_ai_first_segment_delay_ms_count{") != std::string::npos;
}

std::set<std::string> metrics_of_dashboard() {
    std::ifstream file(RIVULET_DASHBOARD);
    const std::string all(std::istreambuf_iterator<char>(file), {});
    const std::regex name("(livepeer|rivulet|process)_[a-z0-9_]+");
    std::set<std::string> names;
    for (std::sregex_iterator at(all.begin(), all.end(), name), end; at != end; ++at)
        names.insert(std::regex_replace(at->str(), std::regex("_(bucket|sum|count)$"), ""));
    return names;
}

const std::string of_node = "{node_id=\"gw1\",node_type=\"bctr\"";

TEST(metrics, a_stream_is_in_the_numbers_while_it_lasts) {
    watched_gateway gateway;
    gateway.publish("cam");
    const auto until = steady_clock::now() + 20s;
    std::string text;
    // The delay of the first segment is known when that segment ends.
    do {
        std::this_thread::sleep_for(200ms);
        text = gateway.metrics();
    } while (steady_clock::now() < until &&
             (value_of(text, "rivulet_output_frames_total" + of_node + "}") <= 0 ||
              !has_segment_delay(text)));
    EXPECT_EQ(value_of(text, "livepeer_current_sessions_total" + of_node + "}"), 1);
    EXPECT_EQ(
        value_of(
            text, "livepeer_ai_current_live_pipelines" + of_node + ",pipeline=\"passthrough\"}"
        ),
        1
    );
    EXPECT_EQ(value_of(text, "rivulet_ingest_streams" + of_node + ",protocol=\"rtmp\"}"), 1);
    EXPECT_EQ(value_of(text, "rivulet_streams" + of_node + ",state=\"live\"}"), 1);
    EXPECT_GT(value_of(text, "rivulet_output_bytes_total" + of_node + "}"), 1'000);
    EXPECT_GT(value_of(text, "rivulet_ingest_bits_per_second" + of_node + "}"), 1'000);
    EXPECT_GT(value_of(text, "rivulet_end_to_end_seconds_count" + of_node + "}"), 0);
    EXPECT_GT(value_of(text, "rivulet_ingest_to_publish_seconds_count" + of_node + "}"), 0);
    EXPECT_GT(value_of(text, "rivulet_subscribe_to_egress_seconds_count" + of_node + "}"), 0);
    EXPECT_THAT(text, HasSubstr("livepeer_ai_first_segment_delay_ms_count{"));
    EXPECT_THAT(text, HasSubstr("rivulet_stream_bits_per_second{"));
    EXPECT_THAT(text, HasSubstr("livepeer_versions{"));

    const auto status = boost::json::parse(gateway.get("/status").body);
    EXPECT_EQ(status.at("LiveStreams").to_number<int>(), 1);
    EXPECT_FALSE(status.at("OrchestratorPool").as_array().empty());
}

// Some series begin with the first event of their kind: those the lint test compares with the
// source. Every other name of the dashboard is on the page of a gateway that has just begun.
TEST(metrics, what_the_dashboard_asks_for_is_there) {
    watched_gateway gateway;
    const auto text = gateway.metrics();
    const std::set<std::string> later{
        "livepeer_ai_first_segment_delay_ms",
        "livepeer_ai_request_errors",
        "livepeer_discovery_errors_total",
        "livepeer_ai_orchestrators_available_total",
        "livepeer_kafka_event_send_errors",
        "rivulet_kafka_events_total",
        "rivulet_ingest_streams",
        "rivulet_ingest_frames_total",
        "livepeer_tickets_sent",
        "livepeer_payment_create_errors"};
    const auto asked = metrics_of_dashboard();
    EXPECT_GT(asked.size(), 20u);
    for (const auto& name : asked) {
        if (later.contains(name))
            continue;
        EXPECT_THAT(text, HasSubstr("# TYPE " + name + ' '));
    }
}

TEST(metrics, a_streams_life_is_in_the_kafka_topic) {
    mock_brokers brokers;
    watched_gateway gateway(true, brokers.address());
    gateway.publish("cam");
    const auto until = steady_clock::now() + 20s;
    while (steady_clock::now() < until && !has_segment_delay(gateway.metrics()))
        std::this_thread::sleep_for(100ms);
    gateway.stop(); // delivers what waits
    std::set<std::string> types;
    for (const auto& one : read_topic(brokers.address(), "gateway", 1'000, 2s)) {
        EXPECT_EQ(one.body.at("gateway").as_string(), "gw.example");
        const auto* data = one.body.at("data").if_object();
        const auto* type = data ? data->if_contains("type") : nullptr;
        types.insert(
            std::string(one.body.at("type").as_string()) +
            (type ? '/' + std::string(type->as_string()) : "")
        );
    }
    for (const auto* name :
         {"stream_trace/gateway_receive_stream_request",
          "stream_trace/gateway_send_first_ingest_segment",
          "stream_trace/gateway_receive_first_processed_segment",
          "stream_trace/gateway_ingest_stream_closed",
          "discovery_results"})
        EXPECT_TRUE(types.contains(name)) << name;
}

TEST(metrics, are_not_there_without_monitor) {
    watched_gateway gateway(false);
    EXPECT_EQ(gateway.get("/metrics").status, 404);
    EXPECT_EQ(gateway.get("/status").status, 200);
    EXPECT_EQ(gateway.get("/healthz").status, 200);
    const auto capabilities = boost::json::parse(gateway.get("/getNetworkCapabilities").body);
    EXPECT_EQ(capabilities.at("capabilities_names").at("35").as_string(), "Live video to video");
}

} // namespace
} // namespace rivulet::test
