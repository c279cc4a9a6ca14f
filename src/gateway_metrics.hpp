// The gateway's own numbers for /metrics, besides those that its parts count themselves: its
// version, how many streams there are and may be, who watches by which protocol. Read when somebody
// asks.
// Thread: text() on any shard; construct and destroy from outside them.
#pragma once

#include "base/asio.hpp"
#include "base/shards.hpp"
#include "live/registry.hpp"
#include "observe/metrics.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace rivulet {

struct gateway_numbers {
    shards& threads;
    live::registry& streams;
    // As in stream_services; called on the channel's home shard.
    std::function<live::viewer_report(const std::string& channel, bool details)> viewers;
    std::function<std::size_t()> connections; // of the API; may be empty
    std::size_t max_streams = 0;
};

// What `constant` labels all metrics of a gateway carry; an empty id is the host's name.
observe::labels gateway_labels(const std::string& node_id);

class gateway_metrics {
  public:
    // Everything in `from` and `metrics` outlives it.
    gateway_metrics(observe::metrics& metrics, gateway_numbers from);
    ~gateway_metrics();
    gateway_metrics(const gateway_metrics&) = delete;
    gateway_metrics& operator=(const gateway_metrics&) = delete;

    // Asks every stream and returns the text of all metrics.
    awaitable<std::string> text();

  private:
    awaitable<void> count();

    observe::metrics& metrics_;
    const gateway_numbers from_;
    std::shared_ptr<void> process_;
    observe::gauge version_, max_streams_, streams_, connections_;
    observe::gauges viewers_, states_;
    asio::thread_pool writer_{1}; // counting open files and writing the text take milliseconds
};

} // namespace rivulet
