// Orchestrators of the network as doubles: real gRPC (TLS with a certificate of their own, or plain
// HTTP/2) whose answers a test writes, and beside it an HTTP port for what comes after discovery.
// For live channels let `transcoder` name a fake_orchestrator.
// Thread: the test's; scripts run on gRPC's threads, HTTP scripts on a shard.
#pragma once

#include "base/shards.hpp"
#include "http/message.hpp"
#include "http/server.hpp"
#include "session/orchestrator_info.hpp"
#include "support/certificate_files.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::test {

// What one GetOrchestrator gets.
struct node_reply {
    session::orchestrator_info info;
    std::string refusal;            // when not empty: this error instead, as go-livepeer says it
    std::optional<std::string> raw; // these bytes instead of a message
    std::chrono::milliseconds delay{0};
    bool hang = false; // no answer ever
};

enum class node_transport { tls, plain };

class network_node {
  public:
    network_node(shards& threads, node_transport transport);
    ~network_node();

    // For -orchAddr: "https://127.0.0.1:PORT" (http:// when plain).
    const std::string& address() const { return address_; }

    // "http://127.0.0.1:PORT", another port.
    const std::string& http_url() const { return http_url_; }

    // An off-chain answer for one model: transcoder (http_url()), token for 30 minutes,
    // capabilities, no price, no tickets.
    session::orchestrator_info offer(
        session::capability_id id, const std::string& model, bool warm = true, unsigned capacity = 1
    ) const;

    // From the next question on. Until then: offer(live-video-to-video, "noop").
    void answer(node_reply reply);
    void answer(session::orchestrator_info info);
    void refuse(const std::string& text);
    using script = std::function<node_reply(const session::received_question&)>;
    void answer_with(script s);

    std::size_t questions() const;
    session::received_question last_question() const; // throws when there was none
    std::size_t connections() const;                  // different peers that asked

    // GET and POST of every path with at most three segments; 404 unless set.
    using http_script = std::function<awaitable<http::response>(const http::request&)>;
    void serve(http_script s);
    std::vector<std::string> http_requests() const; // "POST /text-to-image"

    // PEM file of the gRPC side's certificate (tls), for "localhost" and 127.0.0.1.
    std::filesystem::path certificate() const { return certificate_->certificate(); }

    // The gRPC side goes away, and comes back on the same port with another certificate.
    void stop();
    void restart();

  private:
    struct service;

    void start(int port);
    awaitable<http::response> handle(const http::request& request);

    const node_transport transport_;
    std::unique_ptr<certificate_files> certificate_;
    std::unique_ptr<service> service_;
    http::server front_;
    int port_ = 0;
    std::string address_, http_url_;

    mutable std::mutex mutex_;
    http_script http_script_;
    std::vector<std::string> http_requests_;
};

class fake_network {
  public:
    explicit fake_network(std::size_t count, node_transport transport = node_transport::tls);

    std::size_t size() const { return nodes_.size(); }

    network_node& operator[](std::size_t i) { return *nodes_[i]; }

    std::vector<std::string> addresses() const;

  private:
    shards threads_{1};
    std::vector<std::unique_ptr<network_node>> nodes_;
};

} // namespace rivulet::test
