// A TCP peer that says exactly what a test wants, well-formed or not.
// Thread: the executor it is given. Fails by exception: a test wants to end then.
#pragma once

#include "base/asio.hpp"

#include <memory>
#include <string>

namespace rivulet::test {

class peer_connection {
  public:
    explicit peer_connection(tcp::socket socket) : socket_(std::move(socket)) {}

    // Everything up to and including `mark`; what follows stays for the next call.
    awaitable<std::string> read_until(std::string mark);

    // A request's head with its blank line.
    awaitable<std::string> read_head() { return read_until("\r\n\r\n"); }

    awaitable<void> send(std::string text);
    // True when the other side closed (or reset) within `limit`; what it still sends is kept.
    awaitable<bool> closed_within(duration limit);
    // True when nothing at all arrives for `time`.
    awaitable<bool> silent_for(duration time);
    void close();
    // Ends the connection with a TCP reset.
    void reset();

    std::uint16_t remote_port() const { return socket_.remote_endpoint().port(); }

    // Received and not taken by read_until().
    const std::string& pending() const { return buffer_; }

  private:
    awaitable<std::size_t> fill(duration limit); // 0: closed or too late

    tcp::socket socket_;
    std::string buffer_;
    bool ended_ = false;
};

using peer_ptr = std::shared_ptr<peer_connection>;

class scripted_peer {
  public:
    explicit scripted_peer(asio::any_io_executor executor);

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(port()) + path;
    }

    awaitable<peer_ptr> accept();
    // The next connection within `limit`, or null.
    awaitable<peer_ptr> accept_within(duration limit);

    void stop() { acceptor_.close(); }

  private:
    tcp::acceptor acceptor_;
};

} // namespace rivulet::test
