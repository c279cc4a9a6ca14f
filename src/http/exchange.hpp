// One request on a connection, given whole to a streaming handler: header read, body not yet.
// The handler may read the body piece by piece while it writes 1xx and the reply (full duplex).
// Thread: the connection's shard.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "http/message.hpp"
#include "http/request_reader.hpp"
#include "http/stream.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::http {

// What happens to the connection after the reply.
enum class after_reply { keep_alive, close };

class exchange {
  public:
    // `write_limit` holds for whole replies and the 100 Continue; who writes a body in pieces sets
    // deadlines of its own.
    exchange(
        stream& connection,
        request_reader& reader,
        bool cors,
        duration write_limit = std::chrono::seconds(60)
    );

    const beast_http::request_header<>& header() const { return reader_.header(); }

    std::string_view path() const; // as sent, without query

    // A header by name, case-insensitive; empty when absent.
    std::string_view operator[](std::string_view name) const;

    http::stream& connection() { return connection_; }

    request_reader& reader() { return reader_; }

    // Sends the 100 Continue that the request asked for, if it did: before its body is read, so
    // that a request that is refused by its head alone never sends one.
    awaitable<error_code> invite_body();

    // Sends a whole reply; to a HEAD request only its head. With after_reply::close, or when the
    // request's body was not read to its end, the server lingers and closes afterwards; also when
    // the peer does not take the reply.
    awaitable<error_code> reply(response message, after_reply then = after_reply::keep_alive);
    // The same reply as text, for callers that write it themselves and then call finished().
    std::string render(const response& message, after_reply then) const;

    // The head of a reply whose body follows in pieces. HTTP/1.1 peers get chunks (frame them with
    // chunk sizes and end with "0\r\n\r\n"), HTTP/1.0 peers raw bytes until the connection ends.
    std::string streaming_head(const response& head) const;
    // The same for a body whose length is known: no framing, and the connection can be used again.
    std::string sized_head(const response& head, std::uint64_t length) const;
    bool chunked() const;   // the streaming body must be framed
    bool head_only() const; // HEAD request: no body at all
    // Call when the reply was written by hand.
    void finished(after_reply then);

    bool answered() const { return answered_; }

    after_reply then() const { return then_; }

  private:
    void add_common(std::string& head, const response& message) const;
    void add_connection(std::string& head, after_reply then) const;
    awaitable<error_code> send(std::string_view text);

    http::stream& connection_;
    request_reader& reader_;
    bool cors_;
    duration write_limit_;
    bool answered_ = false;
    after_reply then_ = after_reply::keep_alive;
};

} // namespace rivulet::http
