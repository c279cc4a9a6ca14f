#include "support/hostile_http.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>

namespace rivulet::test {

hostile_http::hostile_http(script s)
    : script_(std::move(s)), acceptor_(threads_.at(0), {asio::ip::address_v4::loopback(), 0}) {
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(threads_.at(0), accept(), asio::detached);
}

hostile_http::~hostile_http() {
    stop();
}

void hostile_http::stop() {
    threads_.stop();
    error_code ignored;
    acceptor_.close(ignored);
}

awaitable<void> hostile_http::accept() {
    for (;;) {
        auto [failed, socket] = co_await acceptor_.async_accept(as_tuple);
        if (failed)
            co_return;
        auto kept = std::make_shared<tcp::socket>(std::move(socket));
        asio::co_spawn(threads_.at(0), serve(std::move(kept)), asio::detached);
    }
}

awaitable<void> hostile_http::drain(std::shared_ptr<tcp::socket> socket, bool answer) {
    static const std::string taken = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    std::array<char, 65536> into;
    std::string tail;
    for (;;) {
        auto [failed, size] = co_await socket->async_read_some(asio::buffer(into), as_tuple);
        if (failed)
            co_return;
        tail.append(into.data(), size);
        if (answer && tail.ends_with("\r\n0\r\n\r\n")) {
            auto [lost, sent] = co_await asio::async_write(*socket, asio::buffer(taken), as_tuple);
            if (lost)
                co_return;
        }
        tail.erase(0, tail.size() - std::min<std::size_t>(tail.size(), 7));
    }
}

awaitable<void> hostile_http::serve(std::shared_ptr<tcp::socket> socket) {
    std::string head;
    auto buffer = asio::dynamic_buffer(head, 65536);
    auto [failed, size] = co_await asio::async_read_until(*socket, buffer, "\r\n\r\n", as_tuple);
    if (failed)
        co_return;
    ++requests_;
    const auto reply = script_(head.substr(0, size));
    if (reply.read_all)
        asio::co_spawn(threads_.at(0), drain(socket, false), asio::detached);
    auto [lost, sent] = co_await asio::async_write(*socket, asio::buffer(reply.first), as_tuple);
    sent_ += sent;
    while (!lost && !reply.again.empty()) {
        if (reply.pause > duration::zero()) {
            asio::steady_timer timer(threads_.at(0), reply.pause);
            co_await timer.async_wait(as_tuple);
        }
        auto [over, more] =
            co_await asio::async_write(*socket, asio::buffer(reply.again), as_tuple);
        if (over)
            co_return;
        sent_ += more;
    }
    if (reply.hang_up)
        co_return;
    co_await drain(socket, reply.take_bodies); // until the other side goes
}

} // namespace rivulet::test
