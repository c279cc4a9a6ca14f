// Events for Kafka, in the envelope that readers of the network's topics know: {"id", "type",
// "timestamp" (milliseconds, as text), "gateway", "data"}; the id is the message's key. Bounded:
// what does not fit, or can't be delivered, is dropped and counted
// (livepeer_kafka_event_send_errors).
// Thread: send() any; construct and destroy from outside the shards: the end waits for what is
// under way.
// Owns: a librdkafka producer and the thread that hears its reports.
// Fails with: invalid_argument and the setting at fault. A broker that is away is no failure.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "observe/event_queue.hpp"
#include "observe/metrics.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::observe {

struct kafka_options {
    std::string brokers;        // -kafkaBootstrapServers: "host:port,host:port"
    std::string topic;          // -kafkaGatewayTopic
    std::string user, password; // both: SASL/PLAIN over TLS
    std::string ca_file;        // empty: the system's
    std::string gateway;        // -gatewayHost, stamped on every event

    std::size_t batch = 100; // messages, or what came within …
    duration linger = std::chrono::seconds(1);
    std::size_t waiting = 10'000;                // messages; and …
    std::size_t waiting_bytes = 16ul << 20;      // … bytes not delivered yet
    int tries = 3;                               // of one message
    duration delivery = std::chrono::minutes(1); // for all tries of one message
    duration flush = std::chrono::seconds(3);    // at the end

    kafka_options() {}
};

// librdkafka's properties for them. Pure.
outcome<std::vector<std::pair<std::string, std::string>>>
kafka_properties(const kafka_options& options);

// One event as it is sent. Pure.
std::string envelope(
    std::string_view id,
    std::string_view type,
    std::int64_t unix_ms,
    std::string_view gateway,
    boost::json::value data
);

class kafka_queue final : public event_queue {
  public:
    // `metrics` outlives it.
    static outcome<std::unique_ptr<kafka_queue>>
    open(const kafka_options& options, metrics& metrics, logger log);
    ~kafka_queue() override;

    void send(std::string_view type, boost::json::value data) override;
    // Delivers what is waiting, for at most `flush`; what is sent afterwards is lost. Idempotent.
    void close();

    struct impl;

  private:
    explicit kafka_queue(std::unique_ptr<impl> made);

    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::observe
