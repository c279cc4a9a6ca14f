// A whole orchestrator node: HTTP server, channel table, trickle server and built-in orchestrator
// on one address. `rivulet worker` runs one; a gateway without -orchAddr runs one on 127.0.0.1:0.
// Thread: everything from outside the shards.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/server.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/server.hpp"
#include "worker/orchestrator.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::worker {

struct service_options {
    std::string service_addr = "127.0.0.1:8936"; // HOST:PORT, port 0 picks one
    orchestrator_options orchestrator;
    trickle::table_options trickle;
    http::server_options http;
};

class service {
  public:
    service(shards& shards, service_options options, logger log);
    ~service(); // stop()s
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    // Binds and accepts; returns the real port. The failure names the address and the cause.
    outcome<std::uint16_t> start();
    // Ends the jobs, closes the channels, then the connections. Blocks; idempotent.
    void stop(duration drain = std::chrono::seconds(5));

    // "http://127.0.0.1:41234": what a gateway takes as -orchAddr. Empty before start().
    const std::string& url() const { return url_; }

    std::size_t jobs() const;

    trickle::channel_table& channels() { return *channels_; }

  private:
    shards& shards_;
    service_options options_;
    logger log_;
    std::unique_ptr<http::server> http_;
    std::unique_ptr<trickle::channel_table> channels_;
    std::unique_ptr<trickle::server> trickle_;
    std::unique_ptr<orchestrator> orchestrator_;
    std::string url_;
    bool stopped_ = false;
};

} // namespace rivulet::worker
