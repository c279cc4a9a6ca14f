// An HTTP server that answers whatever a test writes, well-formed or not, and goes on sending for
// as long as anybody reads. One answer a connection. Thread: the test's; scripts run on the
// server's own.
#pragma once

#include "base/shards.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace rivulet::test {

// Sent at once, then `again` over and over, with a pause in between.
struct hostile_reply {
    std::string first;
    std::string again;        // empty: nothing more
    duration pause{};         // before each `again`
    bool hang_up = false;     // after `first`; else the connection stays open
    bool take_bodies = false; // chunked ones, each answered with 200 once it has ended
    bool read_all = false;    // takes the request's body as long as it comes

    hostile_reply() {}

    hostile_reply(std::string f, std::string a = {}, duration p = {})
        : first(std::move(f)), again(std::move(a)), pause(p) {}
};

class hostile_http {
  public:
    using script = std::function<hostile_reply(const std::string& head)>;

    explicit hostile_http(script s);
    ~hostile_http();

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

    std::size_t requests() const { return requests_; }

    std::uint64_t bytes_sent() const { return sent_; }

    // Nobody is served from now on, and everybody is cut off.
    void stop();

  private:
    awaitable<void> accept();
    awaitable<void> serve(std::shared_ptr<tcp::socket> socket);
    static awaitable<void> drain(std::shared_ptr<tcp::socket> socket, bool answer);

    const script script_;
    std::atomic<std::size_t> requests_{0};
    std::atomic<std::uint64_t> sent_{0};
    shards threads_{1};
    tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
};

} // namespace rivulet::test
