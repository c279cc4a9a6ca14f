// A TLS connection given to code that wants a plain socket: one end of a socket pair for it, the
// other end relayed. Bytes pass unchanged, each direction at the pace of its slower end.
// Thread: the connection's shard.
#pragma once

#include "base/asio.hpp"
#include "http/stream.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <array>
#include <memory>

namespace rivulet::http {

using local_socket = asio::local::stream_protocol::socket;

class socket_pair {
  public:
    socket_pair();
    ~socket_pair();
    socket_pair(const socket_pair&) = delete;
    socket_pair& operator=(const socket_pair&) = delete;

    bool good() const { return ends_[0] >= 0; }

    int give(); // the caller's from now on
    local_socket keep(asio::any_io_executor executor);

  private:
    std::array<int, 2> ends_{-1, -1};
};

// Until either side ends, or the peer takes nothing for a minute. The other side's socket is closed
// with it; the connection is its owner's to close.
awaitable<void> relay_socket(std::shared_ptr<stream> connection, local_socket inside);

} // namespace rivulet::http
