// A reply whose body is written in pieces over an exchange: with its length when that is known,
// else in chunks, or to an HTTP/1.0 peer until the connection ends.
// Thread: the connection's shard; one call at a time.
// Fails with: timed_out (the peer takes nothing), invalid_argument (more or less than was
// announced), Asio's codes. A failure stays, and the connection is closed after the exchange.
#pragma once

#include "http/exchange.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rivulet::http {

class body_writer {
  public:
    // `silence`: how long the peer may take no further byte.
    explicit body_writer(exchange& peer, duration silence = std::chrono::seconds(60));

    // The head alone counts of `head`. It goes out with the first piece, or with flush(). From here
    // on the exchange is answered: without end() the peer sees a body that was cut.
    void start(const response& head, std::optional<std::uint64_t> length = std::nullopt);
    awaitable<error_code> flush();
    // Goes out at once; it lives until the call returns. To a HEAD request only the head goes out.
    awaitable<error_code> write(std::string_view piece);
    awaitable<error_code> end(std::string_view last = {});

    bool started() const { return started_; }

  private:
    awaitable<error_code> send(std::span<const asio::const_buffer> buffers);
    awaitable<error_code> write_some(std::string_view piece, bool last);

    exchange& peer_;
    const duration silence_;
    std::string head_; // until it is sent
    std::optional<std::uint64_t> left_;
    bool started_ = false, ended_ = false;
    error_code failed_;
};

} // namespace rivulet::http
