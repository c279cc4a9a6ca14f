// What operators see of a gateway: its metrics, the events for their queue, and the private API
// that serves them.
// Thread: the owner's, outside the shards.
// Owns: the metrics, the Kafka producer, the private HTTP server.
#pragma once

#include "gateway.hpp"
#include "gateway_metrics.hpp"
#include "live/stream_metrics.hpp"
#include "network_setup.hpp"
#include "observe/kafka_queue.hpp"
#include "observe/metrics.hpp"
#include "private_api.hpp"

#include <cstdint>
#include <memory>

namespace rivulet {

class monitoring {
  public:
    // Fails with a text that names the setting.
    static outcome<std::unique_ptr<monitoring>>
    open(const gateway_options& options, const logger& log);

    observe::metrics& metrics() { return metrics_; }

    // Empty without -monitor and a Kafka topic.
    const std::shared_ptr<observe::event_queue>& queue() const { return queue_; }

    // Empty without -monitor.
    const std::shared_ptr<const live::live_metrics>& live() const { return live_; }

    // Opens the private API. `numbers` and `orchestrators` outlive it. Returns the port; 0 when
    // there is no address for it.
    outcome<std::uint16_t> serve(
        shards& threads,
        const gateway_options& options,
        network& orchestrators,
        gateway_numbers from
    );
    // Closes the private API; before what it shows goes.
    void stop(duration drain);
    // Delivers the last events; after the streams have ended.
    void flush();

  private:
    monitoring(const gateway_options& options, const logger& log);

    logger log_;
    bool on_;
    observe::metrics metrics_;
    std::shared_ptr<observe::kafka_queue> kafka_;
    std::shared_ptr<observe::event_queue> queue_;
    std::shared_ptr<const live::live_metrics> live_;
    std::unique_ptr<gateway_metrics> numbers_;
    std::unique_ptr<http::server> private_front_;
};

} // namespace rivulet
