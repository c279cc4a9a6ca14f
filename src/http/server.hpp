// The HTTP/1.1 server: listeners, keep-alive connections, a route table, limits, drain.
// Handlers get whole requests; a streaming handler takes over one exchange (trickle needs that).
// Thread: start and stop from any; handlers run on the connection's shard.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/exchange.hpp"
#include "http/message.hpp"
#include "http/tls.hpp"
#include "http/websocket_upgrade.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::http {

// The request lives until the handler's coroutine ends.
using handler = std::function<awaitable<response>(const request&)>;
using stream_handler = std::function<awaitable<void>(exchange&)>;
// Gets the head (path, params, query; no body) and the exchange: reads the body and replies as it
// likes, within deadlines of its own. A reply before the end of the body closes the connection,
// after the peer had time to read it. Both live until the handler's coroutine ends.
using exchange_handler = std::function<awaitable<void>(const request& head, exchange& peer)>;

// What a WebSocket route says to an upgrade request: a refusal, or who takes the connection. The
// socket is plain (with TLS one end of a pair whose other end is relayed); its handshake is not
// answered yet. Whoever takes it closes it.
struct upgrade_answer {
    std::optional<response> refusal;
    std::function<void(int socket, websocket_offer offer)> take;
};

using upgrade_handler = std::function<awaitable<upgrade_answer>(const request&)>;

struct server_limits {
    std::size_t header_bytes = 16 * 1024;
    std::size_t body_bytes = 1024 * 1024;       // for routes that do not say otherwise
    std::size_t connections = 20'000;           // over all shards; further ones get 503 and close
    std::size_t http2_connections = 1'000;      // of them
    duration idle = std::chrono::minutes(10);   // between requests, and before the first byte
    duration header = std::chrono::seconds(30); // from a request's first byte to its blank line
    duration body = std::chrono::seconds(60);   // whole-body routes
    duration write = std::chrono::seconds(60);  // a reply that makes no progress
};

// A failure that the server itself answers (no such path, another method, a body too large).
using error_writer = std::function<response(status, std::string_view message)>;

struct server_options {
    server_limits limits;
    error_writer error_body; // empty: error_response()
    bool cors = false; // Access-Control-Allow-Origin: * on every reply, preflights answered 204
};

class server {
  public:
    server(shards& shards, server_options options, logger log);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // Routes are added before listen(). Patterns match whole path segments, `{name}` any one of
    // them:
    // "/live/video-to-video/{stream}/update". A known path with another method gets 405 and Allow.
    void route(verb method, std::string pattern, handler handle);
    void route(verb method, std::string pattern, std::size_t body_limit, handler handle);
    // The same for handlers that read the body themselves; HEAD goes to the GET handler here, too.
    void exchange_route(verb method, std::string pattern, exchange_handler handle);
    // Every method below `prefix` ("/ai/trickle/") goes to `handle`, the body unread. `home` names
    // the shard that must run it, given the path behind the prefix; the connection moves there
    // first.
    using home_of = std::function<std::size_t(std::string_view rest)>;
    void stream_route(std::string prefix, home_of home, stream_handler handle);

    // WebSocket handshakes on `pattern`, once they are found good, go to `decide`. A GET without an
    // upgrade gets 426 there, unless another route has it.
    void upgrade_route(std::string pattern, upgrade_handler decide);

    // Who takes connections that speak HTTP/2 (with prior knowledge, or agreed on by TLS with a
    // client that offers no HTTP/1.1). The socket is plain: one end of a pair whose other end is
    // relayed; nothing of the peer's bytes is missing. Whoever takes it closes it. Without a taker
    // such a connection is refused. Before listen(); called on the connection's shard.
    void on_http2(std::function<void(int socket)> take);

    // "HOST:PORT", "[v6]:PORT" or ":PORT"; port 0 picks one. Returns the real port. May be called
    // for several addresses. Fails when the address can't be bound; the text says which and why.
    outcome<std::uint16_t> listen(const std::string& address, tls_context tls = {});
    // Stops accepting, lets replies in progress end for at most `drain`, then closes every
    // connection and waits until none is left. Blocks; call from outside the shards.
    void stop(duration drain);

    std::size_t connections() const;

    struct impl; // shared with the connections

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::http
