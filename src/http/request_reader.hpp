// Reads the requests of one connection, head first, then the body in pieces as they arrive.
// Thread: the connection's shard.
// Fails with: errc::protocol_violation (framing), errc::too_large (head), Asio's codes.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/notifier.hpp"
#include "http/stream.hpp"

#include <boost/beast/http/parser.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace rivulet::http {

namespace beast_http = boost::beast::http;

// Gets every piece of body; the span dies with the call.
using body_sink = std::function<void(std::span<const std::uint8_t>)>;

// A Beast body type that hands pieces on instead of storing them.
struct sink_body {
    using value_type = const body_sink*;

    class reader {
      public:
        template <bool IsRequest, class Fields>
        reader(beast_http::header<IsRequest, Fields>&, value_type& sink) : sink_(sink) {}

        void init(const boost::optional<std::uint64_t>&, error_code& ec) { ec = {}; }

        template <class Buffers>
        std::size_t put(const Buffers& buffers, error_code& ec) {
            ec = {};
            std::size_t total = 0;
            auto end = asio::buffer_sequence_end(buffers);
            for (auto it = asio::buffer_sequence_begin(buffers); it != end; ++it) {
                asio::const_buffer piece = *it;
                if (sink_ && piece.size() != 0)
                    (*sink_)({static_cast<const std::uint8_t*>(piece.data()), piece.size()});
                total += piece.size();
            }
            return total;
        }

        void finish(error_code& ec) { ec = {}; }

      private:
        value_type& sink_;
    };
};

class request_reader {
  public:
    request_reader(std::shared_ptr<stream> connection, std::size_t header_limit);

    // Waits for the next request's head. asio::error::eof when the peer left between requests.
    // `header_limit` of time applies from the first byte on.
    awaitable<error_code> read_head(duration idle, duration limit);

    // After read_head() failed: all that was received, if it is how an HTTP/2 connection begins.
    std::optional<std::string_view> http2_preface() const;

    const beast_http::request_header<>& header() const { return parser_->get().base(); }

    bool keep_alive() const { return parser_->keep_alive(); }

    bool body_done() const { return parser_->is_done(); }

    // Declared Content-Length, if any.
    std::optional<std::uint64_t> content_length() const;

    // Hands on the body bytes that are there, or reads once and hands on what came; completes
    // without a call of the sink when only framing arrived. At most `buffered()` bytes are handed
    // on.
    awaitable<error_code> read_body(const body_sink& sink);

    // Reads the rest of the body: after every read `sink` gets its pieces, then `after_read` is
    // called and may end the relay by returning false. Both outlive the call.
    awaitable<error_code>
    relay_body(const body_sink& sink, const std::function<bool()>& after_read);

    // Raw bytes received and not yet parsed: an upper bound for the next pieces.
    std::size_t buffered() const { return end_ - begin_; }

    // Reads ahead in the background, so that peer_left() becomes true once the peer is gone while a
    // reply is being waited for. What arrives belongs to the next request. `on_left` is called
    // once, on the shard, while the watch lasts.
    void watch_peer(std::function<void()> on_left);
    void unwatch_peer();
    // The connection was closed from this side: who watches is told, also when so much has arrived
    // ahead that nothing is read any more.
    void closed();

    // Completes once no background read is pending; cancel or close the connection first, or the
    // peer's next bytes are waited for.
    awaitable<void> settle();

    // Ends a background read without losing what it has received: before the connection moves to
    // another shard.
    awaitable<void> stop_ahead();
    void moved();

  private:
    using parser = beast_http::request_parser<sink_body>;

    struct read_ahead {
        bool pending = false;
        error_code failed;
        std::function<void()> on_left;
    };

    awaitable<error_code> fill();
    awaitable<void> fill_ahead();
    void make_room();
    void received(std::size_t count);
    error_code parse();

    std::shared_ptr<stream> connection_;
    std::size_t header_limit_;
    std::optional<parser> parser_;
    bool in_chunk_header_ = false; // part of one is waiting for the rest
    std::vector<std::uint8_t> buffer_;
    std::size_t begin_ = 0, end_ = 0;
    std::shared_ptr<read_ahead> ahead_ = std::make_shared<read_ahead>();
    std::unique_ptr<notifier> ahead_done_;
};

} // namespace rivulet::http
