#include "http/socket_relay.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace rivulet::http {
namespace {

constexpr std::size_t piece_bytes = 16 * 1024; // a TLS record
constexpr duration stall_limit = std::chrono::minutes(1);

awaitable<void> to_inside(stream& connection, local_socket& inside) {
    std::array<char, piece_bytes> piece;
    for (;;) {
        auto got = co_await connection.read_some(asio::buffer(piece));
        if (!got)
            co_return;
        auto [ec, n] =
            co_await asio::async_write(inside, asio::buffer(piece.data(), *got), as_tuple);
        if (ec)
            co_return;
    }
}

awaitable<void> to_connection(local_socket& inside, stream& connection) {
    std::array<char, piece_bytes> piece;
    for (;;) {
        auto [ec, n] = co_await inside.async_read_some(asio::buffer(piece), as_tuple);
        if (ec)
            co_return;
        connection.expires_after(stall_limit);
        auto failed = co_await connection.write(asio::const_buffer(piece.data(), n));
        if (failed)
            co_return;
        connection.expires_after(duration::max());
    }
}

} // namespace

socket_pair::socket_pair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends_.data()) != 0)
        ends_ = {-1, -1};
}

socket_pair::~socket_pair() {
    for (const int end : ends_)
        if (end >= 0)
            ::close(end);
}

int socket_pair::give() {
    return std::exchange(ends_[0], -1);
}

local_socket socket_pair::keep(asio::any_io_executor executor) {
    return {executor, asio::local::stream_protocol(), std::exchange(ends_[1], -1)};
}

awaitable<void> relay_socket(std::shared_ptr<stream> connection, local_socket inside) {
    using namespace asio::experimental::awaitable_operators;
    co_await (to_inside(*connection, inside) || to_connection(inside, *connection));
    error_code ignored;
    inside.close(ignored);
}

} // namespace rivulet::http
