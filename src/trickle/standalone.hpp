// A trickle server on its own: `rivulet trickle`, and the orchestrator end of tests.
// Thread: construct, start, stop and destroy from one thread outside the shards.
#pragma once

#include "http/server.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/server.hpp"

#include <string>

namespace rivulet::trickle {

struct standalone_options {
    std::string address = "127.0.0.1:0";
    http::tls_context tls; // null: plain HTTP
    http::server_options http;
    table_options table;
    server_options trickle;
};

class standalone {
  public:
    standalone(shards& shards, standalone_options options, logger log);
    ~standalone();

    // Listens; the real port. The failure names the address and the cause.
    outcome<std::uint16_t> start();
    // Ends every channel, so that readers get the end of stream, then closes the connections.
    void stop(duration drain);

    channel_table& table() { return table_; }

    const server_counters& counters() const { return trickle_.counters(); }

  private:
    shards& shards_;
    standalone_options options_;
    channel_table table_;
    server trickle_;
    http::server front_;
};

} // namespace rivulet::trickle
