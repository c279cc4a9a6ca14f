// The TLS state of one connection, without a socket: ciphertext in, ciphertext out. OpenSSL over
// memory BIOs, so that a connection is not tied to the io_context it started on.
// Thread: the connection's shard.
#pragma once

#include "base/error.hpp"
#include "http/tls.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rivulet::http {

class tls_engine {
  public:
    enum class role { client, server };
    tls_engine(const tls_context& context, role side);

    // Server: see allow_http2().
    void allow_http2();
    // Client: name for SNI and for the certificate check.
    void expect_host(const std::string& host);
    // One step; asio::error::try_again when the peer's bytes are needed.
    error_code handshake();
    bool handshake_done() const;
    // Client, after the handshake: the pin, where the context asks for one.
    error_code check_peer(const std::string& authority);

    // Plaintext; asio::error::try_again when more ciphertext is needed, eof at the end.
    result<std::size_t> read(std::span<std::uint8_t> into);
    error_code write(std::span<const std::uint8_t> from);
    void shutdown();

    void give_input(std::span<const std::uint8_t> ciphertext);
    bool has_output() const;
    // Moves all pending ciphertext into `out`; false when there is none.
    bool take_output(std::vector<std::uint8_t>& out);
    // Gives back what the empty input buffer has grown to; worth it before a wait.
    void release_room();

  private:
    error_code failure_of(int returned);

    struct session_free {
        void operator()(SSL* session) const;
    };

    std::unique_ptr<SSL, session_free> session_;
};

} // namespace rivulet::http
