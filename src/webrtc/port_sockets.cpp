// A port's sockets: how they are bound, and the connections of ICE-TCP.
#include "webrtc/local_addresses.hpp"
#include "webrtc/port.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

namespace rivulet::webrtc {
namespace {

constexpr int socket_buffer = 4 << 20;
constexpr std::size_t max_strangers = 128;
constexpr auto stranger_limit = std::chrono::seconds(10);

void widen(int socket) {
    // Beyond the system's limit where the process may; up to it otherwise.
    const auto set = [&](int forced, int asked) {
        if (setsockopt(socket, SOL_SOCKET, forced, &socket_buffer, sizeof socket_buffer) != 0)
            setsockopt(socket, SOL_SOCKET, asked, &socket_buffer, sizeof socket_buffer);
    };
    set(SO_RCVBUFFORCE, SO_RCVBUF);
    set(SO_SNDBUFFORCE, SO_SNDBUF);
}

} // namespace

error_code port::bind(std::uint16_t number) {
    auto ec = bind_udp(number);
    if (!ec && options_.tcp)
        ec = bind_tcp();
    if (ec) {
        error_code ignored;
        socket_.close(ignored);
        acceptor_.close(ignored);
        return ec;
    }
    candidates_ =
        host_candidates(reachable_addresses(options_.host), options_.nat_ip, number_, options_.tcp);
    return {};
}

error_code port::bind_udp(std::uint16_t number) {
    const udp::endpoint at(options_.host, number);
    error_code ec;
    socket_.open(at.protocol(), ec);
    if (ec)
        return ec;
    const int on = 1, off = 0;
    const int raw = socket_.native_handle();
    if (options_.host.is_v6())
        setsockopt(raw, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (options_.host.is_unspecified()) {
        if (options_.host.is_v6())
            setsockopt(raw, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        else
            setsockopt(raw, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
    widen(raw);
    socket_.bind(at, ec);
    if (ec)
        return ec;
    socket_.non_blocking(true, ec);
    if (ec)
        return ec;
    number_ = socket_.local_endpoint(ec).port();
    return ec;
}

error_code port::bind_tcp() {
    const tcp::endpoint same(options_.host, number_);
    error_code ec;
    acceptor_.open(same.protocol(), ec);
    if (ec)
        return ec;
    acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
    if (ec)
        return ec;
    const int off = 0;
    if (options_.host.is_v6())
        setsockopt(acceptor_.native_handle(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    acceptor_.bind(same, ec);
    if (ec)
        return ec;
    acceptor_.listen(128, ec);
    return ec;
}

awaitable<void> port::accept() {
    const auto self = shared_from_this();
    asio::steady_timer pause(context_);
    while (!stopped_) {
        auto [ec, socket] = co_await acceptor_.async_accept(as_tuple);
        if (stopped_)
            break;
        if (ec) {
            // Out of descriptors, as a rule: wait for better times.
            pause.expires_after(std::chrono::milliseconds(200));
            co_await pause.async_wait(as_tuple);
            continue;
        }
        error_code ignored;
        const auto remote = socket.remote_endpoint(ignored);
        if (ignored || strangers_ >= max_strangers)
            continue;
        socket.set_option(tcp::no_delay(true), ignored);
        path where;
        where.remote = {plain(remote.address()), remote.port(), true};
        auto link = std::make_shared<ice_tcp_link>(std::move(socket), where);
        tcp_links_[where.remote] = link;
        ++strangers_;
        tasks_.spawn("ICE-TCP connection", serve_tcp(std::move(link)));
    }
}

awaitable<void> port::serve_tcp(std::shared_ptr<ice_tcp_link> link) {
    const auto self = shared_from_this();
    bool stranger = true;
    ice_tcp_link::receiver take = [&](const path& from, std::span<std::uint8_t> datagram) {
        ++counters_->datagrams_in;
        const bool known = receive(from, datagram);
        if (stranger && link->adopted()) {
            stranger = false;
            --strangers_;
        }
        return known && !stopped_;
    };
    co_await link->run(std::move(take), stranger_limit);
    if (stranger)
        --strangers_;
    const auto id = link->where().remote;
    if (const auto found = tcp_links_.find(id); found != tcp_links_.end() && found->second == link)
        tcp_links_.erase(found);
    path_lost(id);
}

} // namespace rivulet::webrtc
