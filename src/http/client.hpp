// The HTTP/1.1 client: one call for a whole exchange, and a connection for bodies that flow for
// minutes in both directions at once.
// Thread: the shard whose coroutine opens it.
// Fails with: connect_failed, tls_failed, timed_out, too_large, protocol_violation, Asio's codes;
// the text names the peer and the cause.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "base/error.hpp"
#include "http/client_parser.hpp"
#include "http/client_url.hpp"
#include "http/message.hpp"
#include "http/stream.hpp"
#include "http/tls.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::http {

struct client_options {
    // For https; null means the system's certificates, checked in full.
    tls_context tls;
    duration connect_timeout = std::chrono::seconds(5);
    duration write_timeout = std::chrono::seconds(15); // for one write to be taken
    std::string user_agent = "rivulet/" RIVULET_VERSION;
    // Addresses that may be connected to; unauthorized when a host has no other.
    address_filter allowed;

    client_options() {} // not an aggregate: see the coroutine traps in CONTRIBUTING
};

struct client_request {
    verb method = verb::get;
    std::string target;
    header_list headers;
    std::string body;                    // sent with its length; must be empty when chunked
    bool chunked = false;                // the body follows in write_chunk()
    std::optional<std::uint64_t> length; // the body, so long, follows in write_body()

    client_request() {}

    client_request(verb m, std::string t) : method(m), target(std::move(t)) {}
};

class client_connection {
  public:
    // Connects (DNS, TCP, TLS) within the options' limit.
    static awaitable<outcome<std::shared_ptr<client_connection>>>
    open(http_url peer, client_options options);
    ~client_connection();

    // --- request: one writer at a time, independent of the reader
    // ---------------------------------
    awaitable<error_code> send(client_request request);
    // All blocks as one chunk in one gather write, uncopied; `last` also ends the body. No blocks
    // and not last: nothing is written.
    awaitable<error_code> write_chunk(std::vector<bytes> blocks, bool last = false);
    awaitable<error_code> end_body();
    // The next part of a body whose length was named; no more than that.
    awaitable<error_code> write_body(std::vector<bytes> blocks);

    // --- reply
    // ------------------------------------------------------------------------------------ Until
    // the head of the final reply is there, skipping 1xx. May be called again after timed_out:
    // nothing that arrived is lost.
    awaitable<error_code> read_head(duration limit = duration::max());
    // At least one piece, or none when the body has ended (reply_done()).
    awaitable<result<std::vector<bytes>>> read_body(duration limit = duration::max());
    // The whole body as text; too_large beyond `max`.
    awaitable<result<std::string>> read_text(std::size_t max, duration limit);

    const reply_head& head() const { return parser_.head(); }

    bool head_ready() const { return parser_.head_ready(); }

    // Some bytes of the reply are there, though perhaps not the whole head.
    bool reply_begun() const { return parser_.begun(); }

    bool reply_done() const { return parser_.done(); }

    // Both sides finished in order and the peer keeps the connection: another request may follow.
    bool reusable() const;

    // Requests sent so far; a first one that fails without a reply did not hit a stale connection.
    unsigned requests() const { return requests_; }

    void close();

    http::stream& transport() { return stream_; }

    const http_url& peer() const { return peer_; }

    client_connection(http::stream stream, http_url peer, client_options options);

  private:
    awaitable<error_code> write_all(std::vector<asio::const_buffer> buffers);
    awaitable<error_code> read_more(duration limit);

    http::stream stream_;
    http_url peer_;
    client_options options_;
    reply_parser parser_;
    unsigned requests_ = 0;
    bool body_ended_ = true;
    std::uint64_t body_left_ = 0; // of one with a length
    bool broken_ = false;
};

using connection_ptr = std::shared_ptr<client_connection>;

// "can't connect to h:80: connection refused": the code of an attempt in words.
failure describe_failure(error_code code, const http_url& peer, std::string_view during);

// One whole exchange on a connection of its own, over within `limit`. Replies of any status are a
// success here; redirects are not followed. Fails with too_large when the body exceeds `max_body`.
awaitable<outcome<response>> fetch(
    client_options options,
    verb method,
    std::string url,
    header_list headers,
    std::string body,
    duration limit,
    std::size_t max_body
);

} // namespace rivulet::http
