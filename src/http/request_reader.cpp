#include "http/request_reader.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <cstring>

namespace rivulet::http {
namespace {

constexpr std::size_t first_buffer = 4 * 1024;
constexpr std::size_t movable_rest = 1024;
// A publisher that fills whole reads gets room for more per system call.
constexpr std::size_t largest_buffer = 256 * 1024;
// What may arrive ahead while a reply is being waited for.
constexpr std::size_t largest_ahead = 64 * 1024;

} // namespace

request_reader::request_reader(std::shared_ptr<stream> connection, std::size_t header_limit)
    : connection_(std::move(connection)), header_limit_(header_limit),
      ahead_done_(std::make_unique<notifier>(connection_->executor())) {}

void request_reader::moved() {
    ahead_done_ = std::make_unique<notifier>(connection_->executor());
}

// A few bytes of framing are usually left over; moving them keeps the room whole, so that a message
// that came in one piece is also read in one piece.
void request_reader::make_room() {
    const auto left = end_ - begin_;
    if (begin_ > 0 && (left <= movable_rest || end_ == buffer_.size())) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, left);
        begin_ = 0;
        end_ = left;
    }
    if (buffer_.empty())
        buffer_.resize(first_buffer);
    else if (end_ == buffer_.size() && buffer_.size() < largest_buffer)
        buffer_.resize(buffer_.size() * 2);
}

awaitable<error_code> request_reader::fill() {
    if (ahead_->failed)
        co_return ahead_->failed;
    if (ahead_->pending) {
        co_await settle();
        co_return ahead_->failed;
    }
    if (begin_ != end_ && end_ - begin_ >= largest_buffer)
        co_return make_error_code(errc::protocol_violation);
    make_room();
    const auto room = buffer_.size() - end_;
    auto got = co_await connection_->read_some(asio::buffer(buffer_.data() + end_, room));
    if (!got)
        co_return got.error();
    received(*got);
    co_return error_code{};
}

void request_reader::received(std::size_t count) {
    end_ += count;
    // Twice as much next time when the peer filled all of it.
    if (end_ == buffer_.size() && buffer_.size() < largest_buffer)
        buffer_.resize(buffer_.size() * 2);
}

// Gives the parser what is there. Beast asks for more with need_more.
error_code request_reader::parse() {
    // Beast asserts that an empty last chunk, once begun, comes again with all of its 5 bytes.
    if (in_chunk_header_ && end_ - begin_ < 5)
        return {};
    error_code ec;
    const auto used = parser_->put(asio::const_buffer(buffer_.data() + begin_, end_ - begin_), ec);
    begin_ += used;
    in_chunk_header_ = false;
    if (ec == beast_http::error::need_more) {
        in_chunk_header_ = parser_->is_header_done() && begin_ != end_;
        ec = {};
    }
    return ec;
}

awaitable<error_code> request_reader::read_head(duration idle, duration limit) {
    parser_.emplace();
    in_chunk_header_ = false;
    parser_->body_limit(boost::none);
    parser_->header_limit(static_cast<std::uint32_t>(header_limit_));
    parser_->eager(false);
    if (begin_ == end_) {
        connection_->expires_after(idle);
        auto failed = co_await fill();
        if (failed) {
            connection_->expires_after(duration::max());
            co_return failed;
        }
    }
    connection_->expires_after(limit);
    error_code failed;
    for (;;) {
        failed = parse();
        if (failed || parser_->is_header_done())
            break;
        failed = co_await fill();
        if (failed)
            break;
    }
    connection_->expires_after(duration::max());
    if (failed == beast_http::error::header_limit)
        co_return make_error_code(errc::too_large);
    if (failed.category() == beast_http::make_error_code(beast_http::error::bad_method).category())
        co_return make_error_code(errc::protocol_violation);
    parser_->eager(true);
    co_return failed;
}

// The parser looks at whole lines and takes nothing of a first line that it can't use, so all of it
// is still in the buffer.
std::optional<std::string_view> request_reader::http2_preface() const {
    static constexpr std::string_view first_line = "PRI * HTTP/2.0\r\n";
    const std::string_view all(reinterpret_cast<const char*>(buffer_.data()), end_);
    if (!all.starts_with(first_line))
        return std::nullopt;
    return all;
}

std::optional<std::uint64_t> request_reader::content_length() const {
    const auto length = parser_->content_length();
    if (!length)
        return std::nullopt;
    return *length;
}

awaitable<error_code> request_reader::read_body(const body_sink& sink) {
    if (parser_->is_done())
        co_return error_code{};
    if (begin_ == end_) {
        auto failed = co_await fill();
        if (failed)
            co_return failed;
    }
    parser_->get().body() = &sink;
    const auto before = end_ - begin_;
    auto failed = parse();
    parser_->get().body() = nullptr;
    if (failed)
        co_return make_error_code(errc::protocol_violation);
    // Half a chunk header is left over: wait for the rest of it.
    if (!parser_->is_done() && end_ - begin_ == before) {
        auto stuck = co_await fill();
        if (stuck)
            co_return stuck;
    }
    co_return error_code{};
}

// The hot path of a publisher: one coroutine frame for the whole body, one resumption per read.
awaitable<error_code>
request_reader::relay_body(const body_sink& sink, const std::function<bool()>& after_read) {
    error_code failed;
    parser_->get().body() = &sink;
    while (!failed) {
        if (begin_ != end_) {
            failed = parse();
            if (failed)
                failed = make_error_code(errc::protocol_violation);
            if (!after_read() || failed || parser_->is_done())
                break;
        }
        if (end_ - begin_ >= largest_buffer) {
            failed = make_error_code(errc::protocol_violation);
            break;
        }
        // What a pipelining peer sent ahead is complete, perhaps: only who needs more waits for it.
        if (ahead_->pending || ahead_->failed) {
            failed = co_await fill();
            continue;
        }
        make_room();
        const auto free = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
        if (connection_->is_tls()) {
            auto got = co_await connection_->read_some(free);
            if (got)
                received(*got);
            else
                failed = got.error();
        } else {
            auto [ec, n] = co_await connection_->socket().async_read_some(free, as_tuple);
            received(n);
            failed = ec;
        }
    }
    parser_->get().body() = nullptr;
    co_return failed;
}

void request_reader::watch_peer(std::function<void()> on_left) {
    ahead_->on_left = std::move(on_left);
    if (ahead_->failed) {
        if (auto call = std::exchange(ahead_->on_left, nullptr))
            call();
        return;
    }
    if (ahead_->pending || end_ - begin_ >= largest_ahead)
        return;
    ahead_->pending = true;
    asio::co_spawn(connection_->executor(), fill_ahead(), asio::detached);
}

// Detached on purpose: `this` outlives it because read_head() waits for it and a connection is kept
// until its reader is idle. It ends when the peer sends, leaves, or the connection is closed.
awaitable<void> request_reader::fill_ahead() {
    auto ahead = ahead_;
    auto connection = connection_;
    make_room();
    auto got =
        co_await connection->read_some(asio::buffer(buffer_.data() + end_, buffer_.size() - end_));
    ahead->pending = false;
    if (got)
        end_ += *got;
    else
        ahead->failed = got.error();
    ahead_done_->notify_all();
    if (auto call = got ? nullptr : std::exchange(ahead->on_left, nullptr))
        call();
    else if (got && ahead->on_left)
        watch_peer(std::exchange(ahead->on_left, nullptr));
}

awaitable<void> request_reader::settle() {
    while (ahead_->pending)
        co_await ahead_done_->wait();
}

awaitable<void> request_reader::stop_ahead() {
    if (!ahead_->pending)
        co_return;
    ahead_->on_left = nullptr;
    connection_->cancel();
    co_await settle();
    if (ahead_->failed == asio::error::operation_aborted)
        ahead_->failed = {};
}

void request_reader::unwatch_peer() {
    ahead_->on_left = nullptr;
}

void request_reader::closed() {
    if (ahead_->pending) // its end tells
        return;
    if (!ahead_->failed)
        ahead_->failed = make_error_code(errc::closed);
    if (auto call = std::exchange(ahead_->on_left, nullptr))
        call();
}

} // namespace rivulet::http
