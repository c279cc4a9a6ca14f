// Stands between WebRTC clients and a port of the gateway and loses, delays or doubles datagrams:
// the kernel's netem in small. Every client gets a port of its own towards the gateway.
// Thread: the executor's.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <boost/asio/ip/udp.hpp>

#include <cstdint>
#include <memory>

namespace rivulet::test {

struct udp_relay_options {
    double lose_up = 0, lose_down = 0; // share of datagrams: to the gateway, to the client
    double double_up = 0, double_down = 0;
    duration delay{0}, jitter{0}; // each way; jitter on top, so the order changes
    std::uint32_t seed = 1;
    // Connectivity checks and DTLS get through unharmed, so that only media is measured.
    bool media_only = true;

    udp_relay_options() {} // not an aggregate: see the coroutine traps in CONTRIBUTING
};

struct udp_relay_stats {
    std::uint64_t up = 0, down = 0, lost_up = 0, lost_down = 0;
};

class udp_relay {
  public:
    // Listens on 127.0.0.1; `port` 0: the system chooses.
    udp_relay(
        asio::any_io_executor executor,
        asio::ip::udp::endpoint gateway,
        udp_relay_options options = {},
        std::uint16_t port = 0
    );
    ~udp_relay();
    udp_relay(const udp_relay&) = delete;
    udp_relay& operator=(const udp_relay&) = delete;

    asio::ip::udp::endpoint endpoint() const;
    udp_relay_stats stats() const;
    // From now on.
    void change(udp_relay_options options);
    void close();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::test
