// A whole orchestrator node: discovery over gRPC, HTTP server, channel table, trickle server and
// built-in orchestrator on one address. `rivulet worker` runs one; a gateway without -orchAddr runs
// one on 127.0.0.1:0. Thread: everything from outside the shards.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/server.hpp"
#include "http/tls_reload.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/server.hpp"
#include "worker/orchestrator.hpp"
#include "worker/rpc_server.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::worker {

struct service_options {
    std::string service_addr = "127.0.0.1:8936"; // HOST:PORT, port 0 picks one
    // TLS: with these two PEM files (reloaded when they change), or with a certificate made at
    // start-up; else plain.
    std::filesystem::path tls_certificate, tls_key;
    bool tls_self_signed = false;
    // What discovery says a unit costs, in wei; without them nothing is said. Asked for, but not
    // collected: tickets are not taken here.
    std::string price_per_unit, pixels_per_unit = "1";
    std::string price_per_capability; // JSON or the path of a file, as -maxPricePerCapability
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

    // "http://127.0.0.1:41234" ("https:" with TLS): what a gateway takes as -orchAddr. Empty before
    // start().
    const std::string& url() const { return url_; }

    std::size_t jobs() const;

    // What discovery says now.
    node_offer offer() const;

    trickle::channel_table& channels() { return *channels_; }

  private:
    shards& shards_;
    service_options options_;
    logger log_;
    outcome<http::tls_context> tls(const std::string& host);
    // What discovery calls this node, for a gateway that connected to `authority`.
    std::string url_for(std::string_view authority) const;

    std::unique_ptr<http::reloading_tls> certificate_;
    std::unique_ptr<http::server> http_;
    std::unique_ptr<trickle::channel_table> channels_;
    std::unique_ptr<trickle::server> trickle_;
    std::unique_ptr<orchestrator> orchestrator_;
    std::unique_ptr<rpc_server> rpc_;
    std::optional<failure> price_fault_, address_fault_; // told by start()
    std::string url_;
    std::atomic<bool> ready_{false}; // url_ is there
    bool any_address_ = false;       // listens on every interface
    bool stopped_ = false;
};

} // namespace rivulet::worker
