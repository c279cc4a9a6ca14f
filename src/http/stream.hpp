// One TCP connection, plain or TLS, with the few operations that HTTP and trickle need: read some,
// gather-write, write what fits without waiting, move to another shard, close with a linger.
// Thread: the shard that owns it. One reader and one writer may be pending at the same time.
// Fails with: Asio's codes, errc::tls_failed, errc::timed_out after a deadline.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "http/tls.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace rivulet::http {

// Decides over an address that a name resolved to, just before it is connected to: a name checked
// earlier may mean another address by now.
using address_filter = std::function<bool(const asio::ip::address&)>;

class stream {
  public:
    explicit stream(tcp::socket socket);
    ~stream();
    stream(stream&&) noexcept;
    stream& operator=(stream&&) noexcept;

    // Connects to host:port within `limit`, to addresses that `allowed` lets
    // through (unauthorized when it lets none); with a context, TLS follows (SNI and checks per its
    // mode).
    static awaitable<result<stream>> connect(
        std::string host,
        std::uint16_t port,
        tls_context tls,
        duration limit,
        address_filter allowed = {}
    );
    // Server side of the TLS handshake; with `http2`, see allow_http2().
    awaitable<error_code> accept_tls(tls_context context, duration limit, bool http2 = false);

    // At least one byte, or an error; asio::error::eof when the peer ended its side.
    awaitable<result<std::size_t>> read_some(asio::mutable_buffer into);
    // All of it. The buffers stay valid until the call returns.
    awaitable<error_code> write(std::span<const asio::const_buffer> buffers);
    awaitable<error_code> write(asio::const_buffer buffer);
    // Writes what the kernel takes now and says how much; 0 when it takes nothing. Plain only:
    // with TLS always 0, callers go on with write().
    result<std::size_t> write_now(std::span<const asio::const_buffer> buffers);
    // Looks without consuming: true when the peer has closed or reset. Never blocks.
    bool peer_gone();

    // Aborts pending operations after `limit` (they fail with errc::timed_out, as do those that
    // begin later); the next call replaces the limit, duration::max() removes it.
    void expires_after(duration limit);
    // Re-homes the connection. No operation may be pending.
    void move_to(asio::any_io_executor executor);
    // Sends FIN, reads and discards for at most `limit` so that the peer gets our last reply
    // instead of a reset, then closes.
    awaitable<void> linger_close(duration limit);
    // Aborts pending operations with asio::error::operation_aborted; the connection stays usable. A
    // write may then have been sent in part; with TLS its last record is completed by the next one.
    void cancel();
    void close();
    // Gives the socket away, without its deadline; nothing works afterwards. Plain only. -1 when it
    // can't be had.
    int release();

    bool is_open() const;
    bool is_tls() const;
    asio::any_io_executor executor();
    std::string remote_address() const; // "127.0.0.1:1234", empty once closed
    tcp::endpoint remote() const;
    tcp::socket& socket();

  private:
    struct impl;
    std::shared_ptr<impl> impl_; // shared with the deadline's handler only
};

} // namespace rivulet::http
