// The gRPC side of a node: GetOrchestrator, EndTranscodingSession, Ping. It has no port of its own:
// connections come from the HTTP server that found them to speak HTTP/2.
// Thread: take() from any; answers are made on gRPC's own threads, so `describe` must be callable
// from any thread too. stop() from outside those threads.
#pragma once

#include "base/log.hpp"
#include "worker/node_offer.hpp"
#include "worker/session_token.hpp"

#include <functional>
#include <memory>
#include <string_view>

namespace rivulet::worker {

class rpc_server {
  public:
    // `authority` is the host:port that the gateway connected to; empty when it did not say.
    using describe = std::function<node_offer(std::string_view authority)>;

    rpc_server(describe offer, std::shared_ptr<const token_mint> tokens, logger log);
    ~rpc_server(); // stop()s
    rpc_server(const rpc_server&) = delete;
    rpc_server& operator=(const rpc_server&) = delete;

    // A connected stream socket; it is the server's from now on, also when it refuses it.
    void take(int socket);
    // Ends every connection. Blocks for about a second at most; idempotent.
    void stop();

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::worker
