// Every WebSocket of the process: libwebsockets in a thread of its own. It gets sockets whose
// upgrade request the HTTP server has read and checked, and nothing else; it never listens and
// never faces plain HTTP. Thread: construct, mount, start and stop from one thread outside the
// shards; a session's calls are named below. Owns: the thread, the sockets handed over.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "http/message.hpp"
#include "http/websocket_upgrade.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::http {

class server;

// What a session has for its peer.
struct websocket_output {
    enum class kind {
        nothing, // until wake()
        text,
        close // with code and reason; nothing follows
    };
    kind what = kind::nothing;
    std::shared_ptr<const std::string> text; // valid UTF-8
    std::uint16_t code = 1000;
    std::string reason; // at most 123 bytes
};

// The code behind one WebSocket. It is asked for messages when the peer can take one, so whoever
// has the messages bounds them, and a slow peer costs one message of memory.
// Thread: all calls on the host's thread, never two at once.
class websocket_session {
  public:
    virtual ~websocket_session() = default;
    // Once, before everything else. `wake` makes the host ask next() again; any thread may call it,
    // also after the end.
    virtual void opened(std::function<void()> wake) = 0;
    virtual websocket_output next() = 0;
    // A whole message of the peer.
    virtual void received(std::string_view message) = 0;
    // Once, last; also for a connection that failed before it was opened.
    virtual void closed() = 0;
};

struct websocket_options {
    std::size_t connections = 2'000;       // further ones get 503
    std::size_t message_bytes = 64 * 1024; // from the peer; a longer one closes the connection
    duration ping_after = std::chrono::seconds(20);    // of silence; whole seconds
    duration hang_up_after = std::chrono::seconds(45); // of silence, the ping's answer included
    bool any_origin = false;                           // pages of other origins may connect, too
};

// Either a refusal for the client, or the session.
struct websocket_opening {
    std::optional<response> refusal;
    std::shared_ptr<websocket_session> session;
};

// Decides over a good handshake. Runs on the connection's shard; the request lives until the
// coroutine ends.
using open_websocket = std::function<awaitable<websocket_opening>(const request&)>;

struct websocket_stats {
    std::size_t connections = 0;
    std::uint64_t accepted = 0, messages_out = 0, bytes_out = 0;
};

class websocket_host {
  public:
    websocket_host(websocket_options options, logger log);
    ~websocket_host(); // stop()
    websocket_host(const websocket_host&) = delete;
    websocket_host& operator=(const websocket_host&) = delete;

    // Starts the thread. Fails when libwebsockets can't begin.
    outcome<void> start();
    // WebSockets of `pattern` (as in server::route) go to `open`; other requests there get 426.
    // Before the server listens; the host may go before the server.
    void mount(server& server, const std::string& pattern, open_websocket open);
    // Takes a connected stream socket on which `offer` was made and not answered yet; the host
    // closes it. Any thread.
    void adopt(int socket, websocket_offer offer, std::shared_ptr<websocket_session> session);
    // The same with a request as it came from somewhere: what is no upgrade closes the socket.
    void adopt_raw(int socket, std::string head, std::shared_ptr<websocket_session> session);
    // Says goodbye (1001) to every peer, waits at most a second and ends the thread. Idempotent.
    void stop();

    websocket_stats stats() const;

    struct core; // shared with the routes and the wakers

  private:
    std::shared_ptr<core> core_;
};

} // namespace rivulet::http
