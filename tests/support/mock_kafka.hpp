// Kafka for tests: librdkafka's own mock cluster, in this process, and a reader of its topics.
// Thread: one at a time.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::test {

class mock_brokers {
  public:
    mock_brokers() {
        auto* conf = rd_kafka_conf_new();
        rd_kafka_conf_set_log_cb(conf, quiet);
        owner_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
        cluster_ = rd_kafka_mock_cluster_new(owner_, 1);
    }

    ~mock_brokers() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(owner_);
    }

    mock_brokers(const mock_brokers&) = delete;
    mock_brokers& operator=(const mock_brokers&) = delete;

    std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

    // The next so many messages are not taken.
    void refuse(int times) {
        constexpr std::int16_t produce = 0; // the protocol's number for it
        for (int i = 0; i < times; ++i)
            rd_kafka_mock_push_request_errors(cluster_, produce, 1, RD_KAFKA_RESP_ERR_INVALID_MSG);
    }

    static void quiet(const rd_kafka_t*, int, const char*, const char*) {}

  private:
    rd_kafka_t* owner_ = nullptr;
    rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

struct kafka_message {
    std::string key;
    boost::json::object body;
};

// What is in the topic, until `wanted` are there or `limit` is over.
inline std::vector<kafka_message> read_topic(
    const std::string& brokers,
    const char* topic,
    std::size_t wanted,
    std::chrono::steady_clock::duration limit
) {
    constexpr int partitions = 4; // the mock's default
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), nullptr, 0);
    rd_kafka_conf_set(conf, "group.id", "test", nullptr, 0);
    rd_kafka_conf_set_log_cb(conf, mock_brokers::quiet);
    auto* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    auto* parts = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; ++i)
        rd_kafka_topic_partition_list_add(parts, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, parts);
    std::vector<kafka_message> out;
    const auto until = std::chrono::steady_clock::now() + limit;
    while (out.size() < wanted && std::chrono::steady_clock::now() < until) {
        auto* one = rd_kafka_consumer_poll(consumer, 100);
        if (!one)
            continue;
        if (!one->err) {
            const std::string_view text(static_cast<const char*>(one->payload), one->len);
            out.push_back(
                {std::string(static_cast<const char*>(one->key), one->key_len),
                 boost::json::parse(text).as_object()}
            );
        }
        rd_kafka_message_destroy(one);
    }
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return out;
}

} // namespace rivulet::test
