#include "observe/kafka_queue.hpp"
#include "support/mock_kafka.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <regex>

using namespace rivulet;
using namespace rivulet::observe;
using rivulet::test::kafka_message;
using rivulet::test::mock_brokers;
using rivulet::test::read_topic;
using namespace std::chrono_literals;
using testing::HasSubstr;

namespace {

kafka_options to(const mock_brokers& brokers) {
    kafka_options options;
    options.brokers = brokers.address();
    options.topic = "gateway";
    options.gateway = "gw.example";
    options.linger = 5ms;
    return options;
}

std::optional<std::string>
property(const std::vector<std::pair<std::string, std::string>>& all, const std::string& name) {
    for (const auto& [key, value] : all)
        if (key == name)
            return value;
    return std::nullopt;
}

} // namespace

TEST(kafka_queue, delivers_events_in_the_networks_envelope) {
    mock_brokers brokers;
    metrics counted;
    auto queue = kafka_queue::open(to(brokers), counted, logger("kafka"));
    ASSERT_TRUE(queue) << queue.error().detail;
    (*queue)->send("stream_trace", boost::json::object{{"type", "orchestrator_swap"}});
    (*queue)->send("ai_stream_events", boost::json::object{{"type", "error"}});
    (*queue)->send("discovery_results", boost::json::array{1, 2});
    (*queue)->close(); // delivers what is under way
    const auto got = read_topic(brokers.address(), "gateway", 3, 20s);
    ASSERT_EQ(got.size(), 3u);
    std::map<std::string, kafka_message> by_type;
    for (const auto& one : got)
        by_type[std::string(one.body.at("type").as_string())] = one;
    ASSERT_EQ(by_type.size(), 3u);
    const auto& swap = by_type.at("stream_trace");
    EXPECT_EQ(swap.body.at("data").at("type").as_string(), "orchestrator_swap");
    EXPECT_EQ(swap.body.at("gateway").as_string(), "gw.example");
    EXPECT_EQ(std::string(swap.body.at("id").as_string()), swap.key);
    EXPECT_TRUE(std::regex_match(
        swap.key, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    )) << swap.key;
    const auto stamped = std::stoll(std::string(swap.body.at("timestamp").as_string()));
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch()
    )
                         .count();
    EXPECT_NEAR(static_cast<double>(stamped), static_cast<double>(now), 60'000);
    EXPECT_EQ(by_type.at("discovery_results").body.at("data").as_array().size(), 2u);
    EXPECT_THAT(counted.text(), HasSubstr("rivulet_kafka_events_total 3\n"));
}

TEST(kafka_queue, counts_what_does_not_fit_into_the_queue) {
    metrics counted;
    kafka_options options;
    options.brokers = "127.0.0.1:1"; // nobody
    options.topic = "gateway";
    options.waiting = 10;
    options.flush = 10ms;
    auto queue = kafka_queue::open(options, counted, logger("kafka"));
    ASSERT_TRUE(queue) << queue.error().detail;
    for (int i = 0; i < 25; ++i)
        (*queue)->send("stream_trace", boost::json::object{{"n", i}});
    EXPECT_THAT(
        counted.text(),
        HasSubstr("livepeer_kafka_event_send_errors{event_type=\"stream_trace\"} 15\n")
    );
    EXPECT_THAT(counted.text(), HasSubstr("rivulet_queue_depth{queue=\"kafka\"} 10\n"));
    (*queue)->close();
    EXPECT_THAT(counted.text(), HasSubstr("rivulet_queue_depth{queue=\"kafka\"} 0\n"));
    EXPECT_THAT(
        counted.text(),
        HasSubstr("livepeer_kafka_event_send_errors{event_type=\"stream_trace\"} 25\n")
    );
}

TEST(kafka_queue, counts_what_a_broker_refuses) {
    mock_brokers brokers;
    brokers.refuse(1);
    metrics counted;
    auto queue = kafka_queue::open(to(brokers), counted, logger("kafka"));
    ASSERT_TRUE(queue) << queue.error().detail;
    (*queue)->send("ai_stream_status", boost::json::object{});
    (*queue)->close();
    EXPECT_THAT(
        counted.text(),
        HasSubstr("livepeer_kafka_event_send_errors{event_type=\"ai_stream_status\"} 1\n")
    );
}

TEST(kafka_properties, plain_without_user_and_password) {
    kafka_options options;
    options.brokers = "a:9092,b:9092";
    options.topic = "t";
    const auto all = kafka_properties(options);
    ASSERT_TRUE(all);
    EXPECT_EQ(property(*all, "bootstrap.servers"), "a:9092,b:9092");
    EXPECT_EQ(property(*all, "batch.num.messages"), "100");
    EXPECT_EQ(property(*all, "linger.ms"), "1000");
    EXPECT_EQ(property(*all, "message.send.max.retries"), "2");
    EXPECT_FALSE(property(*all, "security.protocol"));
}

TEST(kafka_properties, sasl_plain_over_tls_with_user_and_password) {
    kafka_options options;
    options.brokers = "a:9093";
    options.topic = "t";
    options.user = "me";
    options.password = "secret";
    options.ca_file = "/ca.pem";
    const auto all = kafka_properties(options);
    ASSERT_TRUE(all);
    EXPECT_EQ(property(*all, "security.protocol"), "sasl_ssl");
    EXPECT_EQ(property(*all, "sasl.mechanisms"), "PLAIN");
    EXPECT_EQ(property(*all, "sasl.username"), "me");
    EXPECT_EQ(property(*all, "sasl.password"), "secret");
    EXPECT_EQ(property(*all, "ssl.ca.location"), "/ca.pem");
    metrics counted;
    options.ca_file.clear();
    options.flush = 1ms;
    EXPECT_TRUE(kafka_queue::open(options, counted, logger("kafka"))
    ); // librdkafka has TLS and SASL
}

TEST(kafka_properties, half_a_setting_is_refused) {
    kafka_options options;
    options.brokers = "a:9093";
    EXPECT_FALSE(kafka_properties(options));
    options.topic = "t";
    EXPECT_TRUE(kafka_properties(options));
    options.user = "me";
    EXPECT_FALSE(kafka_properties(options));
    options.password = "p";
    EXPECT_TRUE(kafka_properties(options));
    options.brokers.clear();
    EXPECT_FALSE(kafka_properties(options));
}
