// The two ends of a channel as the load generator plays them: over HTTP trickle, or over the raw
// framing of the floor relay.
// Thread: the generator's.
#pragma once

#include "trickle_wire.hpp"

#include <memory>

namespace rivulet::bench {

class publisher {
  public:
    virtual ~publisher() = default;
    virtual bool ready() const = 0; // the channel exists, messages may be sent
    virtual void send() = 0;        // one message, stamped with the present
    virtual void end_segment() = 0;
    virtual void finish() = 0; // give the channel back
    virtual bool finished() const = 0;
    virtual bool blocked() const = 0;
};

class subscriber {
  public:
    virtual ~subscriber() = default;
    virtual bool ready() const = 0;
    virtual std::uint64_t received() const = 0; // messages
};

// Everything an end needs to know of its run.
struct run_context {
    int epoll;
    sockaddr_in peer;
    const message_frame& frame;
    run_counts& counts;
    std::string path; // of the trickle server, with both slashes
    std::string run;  // makes channel names unique
};

std::unique_ptr<publisher> create_http_publisher(const run_context& run, std::uint32_t channel);
std::unique_ptr<subscriber> create_http_subscriber(const run_context& run, std::uint32_t channel);
std::unique_ptr<publisher> create_raw_publisher(const run_context& run, std::uint32_t channel);
std::unique_ptr<subscriber> create_raw_subscriber(const run_context& run, std::uint32_t channel);

// What a raw connection says first, and what the relay answers with: 'P' or 'S', then the channel.
inline constexpr std::size_t raw_hello_bytes = 8;

} // namespace rivulet::bench
