#include "support/scripted_peer.hpp"

#include "base/deadline.hpp"

#include <boost/asio/write.hpp>

#include <array>
#include <stdexcept>

namespace rivulet::test {
namespace {

constexpr duration patience = std::chrono::seconds(10);

awaitable<result<std::size_t>> read_some(tcp::socket& socket, asio::mutable_buffer into) {
    auto [ec, n] = co_await socket.async_read_some(into, as_tuple);
    if (ec)
        co_return ec;
    co_return n;
}

awaitable<result<tcp::socket>> accept_one(tcp::acceptor& acceptor) {
    auto [ec, socket] = co_await acceptor.async_accept(as_tuple);
    if (ec)
        co_return ec;
    co_return std::move(socket);
}

} // namespace

awaitable<std::size_t> peer_connection::fill(duration limit) {
    std::array<char, 16 * 1024> block;
    auto read = read_some(socket_, asio::buffer(block));
    auto got = co_await with_deadline(std::move(read), limit);
    if (!got) {
        ended_ = got.error() != errc::timed_out;
        co_return std::size_t{0};
    }
    buffer_.append(block.data(), *got);
    co_return *got;
}

awaitable<std::string> peer_connection::read_until(std::string mark) {
    for (;;) {
        if (const auto at = buffer_.find(mark); at != std::string::npos) {
            auto text = buffer_.substr(0, at + mark.size());
            buffer_.erase(0, at + mark.size());
            co_return text;
        }
        auto got = co_await fill(patience);
        if (got == 0)
            throw std::runtime_error("waited in vain for '" + mark + "', had '" + buffer_ + "'");
    }
}

awaitable<void> peer_connection::send(std::string text) {
    auto [ec, n] = co_await asio::async_write(socket_, asio::buffer(text), as_tuple);
    if (ec)
        throw std::runtime_error("cannot send: " + ec.message());
}

awaitable<bool> peer_connection::closed_within(duration limit) {
    const auto until = steady_clock::now() + limit;
    while (!ended_ && steady_clock::now() < until)
        co_await fill(until - steady_clock::now());
    co_return ended_;
}

awaitable<bool> peer_connection::silent_for(duration time) {
    auto got = co_await fill(time);
    co_return got == 0 && !ended_;
}

void peer_connection::close() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
}

void peer_connection::reset() {
    error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
}

scripted_peer::scripted_peer(asio::any_io_executor executor)
    : acceptor_(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

awaitable<peer_ptr> scripted_peer::accept_within(duration limit) {
    auto waiting = accept_one(acceptor_);
    auto socket = co_await with_deadline(std::move(waiting), limit);
    if (!socket)
        co_return nullptr;
    co_return std::make_shared<peer_connection>(std::move(*socket));
}

awaitable<peer_ptr> scripted_peer::accept() {
    auto accepted = co_await accept_within(patience);
    if (!accepted)
        throw std::runtime_error("nobody connected");
    co_return accepted;
}

} // namespace rivulet::test
