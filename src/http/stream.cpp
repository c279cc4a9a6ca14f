#include "http/stream.hpp"

#include "base/deadline.hpp"
#include "base/notifier.hpp"
#include "base/resolve.hpp"
#include "http/tls_engine.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <vector>

namespace rivulet::http {
namespace {

// The only liveness check on connections that are silent for minutes (spec trickle 9).
constexpr int keepalive_seconds = 15;

void set_options(tcp::socket& socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const int fd = socket.native_handle();
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_seconds, sizeof(int));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_seconds, sizeof(int));
    socket.non_blocking(true, ignored);
}

} // namespace

struct stream::impl {
    explicit impl(tcp::socket s)
        : socket(std::move(s)), deadline(socket.get_executor()), flushed(socket.get_executor()) {}

    // asio::error::operation_aborted means our own deadline when it has passed.
    error_code seen(error_code ec) const {
        return timed_out && ec ? make_error_code(errc::timed_out) : ec;
    }

    awaitable<error_code> flush_tls();

    tcp::socket socket;
    asio::steady_timer deadline;
    unsigned deadline_generation = 0;
    bool timed_out = false;
    std::optional<tls_engine> tls;
    std::vector<std::uint8_t> incoming; // ciphertext just read
    bool flushing = false;
    notifier flushed;
};

stream::stream(tcp::socket socket) : impl_(std::make_shared<impl>(std::move(socket))) {
    if (impl_->socket.is_open())
        set_options(impl_->socket);
}

stream::~stream() = default;
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&&) noexcept = default;

// Sends the ciphertext that the engine has produced. Reader and writer may both come here; one
// sends, the other waits, so that records keep their order.
awaitable<error_code> stream::impl::flush_tls() {
    while (flushing)
        co_await flushed.wait();
    flushing = true;
    error_code failed;
    std::vector<std::uint8_t> outgoing;
    while (!failed && tls->take_output(outgoing)) {
        auto [ec, n] = co_await asio::async_write(socket, asio::buffer(outgoing), as_tuple);
        failed = ec;
    }
    flushing = false;
    flushed.notify_all();
    co_return failed;
}

namespace {

awaitable<result<tcp::socket>> connect_tcp(std::vector<tcp::endpoint> candidates) {
    auto executor = co_await asio::this_coro::executor;
    tcp::socket socket(executor);
    auto [ec, endpoint] = co_await asio::async_connect(socket, candidates, as_tuple);
    if (ec)
        co_return ec;
    co_return std::move(socket);
}

} // namespace

awaitable<result<stream>> stream::connect(
    std::string host, std::uint16_t port, tls_context tls, duration limit, address_filter allowed
) {
    const auto until = steady_clock::now() + limit;
    auto candidates = co_await resolve(host, port, until);
    if (!candidates)
        co_return candidates.error();
    if (allowed) {
        std::erase_if(*candidates, [&](const tcp::endpoint& each) {
            return !allowed(each.address());
        });
        if (candidates->empty())
            co_return make_error_code(errc::unauthorized);
    }
    auto socket = co_await with_deadline(connect_tcp(*candidates), until - steady_clock::now());
    if (!socket)
        co_return socket.error();
    stream made(std::move(*socket));
    if (!tls)
        co_return std::move(made);
    made.impl_->tls.emplace(tls, tls_engine::role::client);
    made.impl_->tls->expect_host(host);
    made.expires_after(limit);
    auto& engine = *made.impl_->tls;
    error_code failed;
    while (!failed && !engine.handshake_done()) {
        failed = engine.handshake();
        auto sent = co_await made.impl_->flush_tls();
        if (failed == asio::error::try_again) {
            failed = {};
            made.impl_->incoming.resize(16 * 1024);
            auto [ec, n] = co_await made.impl_->socket.async_read_some(
                asio::buffer(made.impl_->incoming), as_tuple
            );
            failed = ec;
            if (!ec)
                engine.give_input({made.impl_->incoming.data(), n});
        }
        if (!failed)
            failed = sent;
    }
    if (!failed)
        failed = engine.check_peer(host + ":" + std::to_string(port));
    if (failed)
        co_return made.impl_->seen(failed);
    made.expires_after(duration::max());
    co_return std::move(made);
}

awaitable<error_code> stream::accept_tls(tls_context context, duration limit) {
    auto self = impl_;
    self->tls.emplace(context, tls_engine::role::server);
    expires_after(limit);
    error_code failed;
    while (!failed && !self->tls->handshake_done()) {
        failed = self->tls->handshake();
        auto sent = co_await self->flush_tls();
        if (failed == asio::error::try_again) {
            self->incoming.resize(16 * 1024);
            auto [ec, n] =
                co_await self->socket.async_read_some(asio::buffer(self->incoming), as_tuple);
            failed = ec;
            if (!ec)
                self->tls->give_input({self->incoming.data(), n});
        }
        if (!failed)
            failed = sent;
    }
    if (failed)
        co_return self->seen(failed);
    expires_after(duration::max());
    co_return error_code{};
}

awaitable<result<std::size_t>> stream::read_some(asio::mutable_buffer into) {
    auto self = impl_;
    if (!self->tls) {
        auto [ec, n] = co_await self->socket.async_read_some(into, as_tuple);
        if (ec)
            co_return self->seen(ec);
        co_return n;
    }
    for (;;) {
        auto got = self->tls->read({static_cast<std::uint8_t*>(into.data()), into.size()});
        if (self->tls->has_output()) {
            auto failed = co_await self->flush_tls();
            if (failed)
                co_return self->seen(failed);
        }
        if (got)
            co_return *got;
        if (got.error() != asio::error::try_again)
            co_return got.error();
        self->incoming.resize(16 * 1024);
        auto [ec, n] =
            co_await self->socket.async_read_some(asio::buffer(self->incoming), as_tuple);
        if (ec)
            co_return self->seen(ec);
        self->tls->give_input({self->incoming.data(), n});
    }
}

awaitable<error_code> stream::write(std::span<const asio::const_buffer> buffers) {
    auto self = impl_;
    if (!self->tls) {
        auto [ec, n] = co_await asio::async_write(self->socket, buffers, as_tuple);
        co_return self->seen(ec);
    }
    for (const auto& buffer : buffers) {
        auto failed =
            self->tls->write({static_cast<const std::uint8_t*>(buffer.data()), buffer.size()});
        if (!failed)
            failed = co_await self->flush_tls();
        if (failed)
            co_return self->seen(failed);
    }
    co_return error_code{};
}

awaitable<error_code> stream::write(asio::const_buffer buffer) {
    const std::array<asio::const_buffer, 1> one{buffer};
    co_return co_await write(std::span<const asio::const_buffer>(one));
}

result<std::size_t> stream::write_now(std::span<const asio::const_buffer> buffers) {
    if (impl_->tls)
        return std::size_t{0};
    error_code ec;
    const auto n = impl_->socket.write_some(buffers, ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again)
        return std::size_t{0};
    if (ec)
        return ec;
    return n;
}

bool stream::peer_gone() {
    char byte;
    const auto n =
        ::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void stream::expires_after(duration limit) {
    const auto generation = ++impl_->deadline_generation;
    impl_->timed_out = false;
    if (limit == duration::max()) {
        impl_->deadline.cancel();
        return;
    }
    impl_->deadline.expires_after(limit);
    impl_->deadline.async_wait([weak = std::weak_ptr(impl_), generation](error_code ec) {
        auto self = weak.lock();
        if (ec || !self || self->deadline_generation != generation)
            return;
        self->timed_out = true;
        error_code ignored;
        self->socket.cancel(ignored);
    });
}

void stream::move_to(asio::any_io_executor executor) {
    error_code ec;
    const auto protocol = impl_->socket.local_endpoint(ec).protocol();
    const auto handle = impl_->socket.release(ec);
    if (ec)
        return;
    auto old = std::move(impl_);
    tcp::socket moved(executor);
    moved.assign(protocol, handle, ec);
    impl_ = std::make_shared<impl>(std::move(moved));
    impl_->tls = std::move(old->tls);
    impl_->socket.non_blocking(true, ec);
}

awaitable<void> stream::linger_close(duration limit) {
    auto self = impl_;
    if (!self->socket.is_open())
        co_return;
    expires_after(limit);
    if (self->tls) {
        self->tls->shutdown();
        co_await self->flush_tls();
    }
    error_code ignored;
    self->socket.shutdown(tcp::socket::shutdown_send, ignored);
    std::array<char, 16 * 1024> discarded;
    for (std::size_t total = 0; total < (64u << 20) && !self->timed_out;) {
        auto [ec, n] = co_await self->socket.async_read_some(asio::buffer(discarded), as_tuple);
        if (ec)
            break;
        total += n;
    }
    self->deadline.cancel();
    self->socket.close(ignored);
}

void stream::cancel() {
    error_code ignored;
    impl_->socket.cancel(ignored);
}

void stream::close() {
    error_code ignored;
    impl_->deadline.cancel();
    impl_->socket.close(ignored);
}

bool stream::is_open() const {
    return impl_->socket.is_open();
}

bool stream::is_tls() const {
    return impl_->tls.has_value();
}

asio::any_io_executor stream::executor() {
    return impl_->socket.get_executor();
}

tcp::endpoint stream::remote() const {
    error_code ignored;
    return impl_->socket.remote_endpoint(ignored);
}

std::string stream::remote_address() const {
    const auto endpoint = remote();
    if (endpoint.port() == 0)
        return {};
    const auto address = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
           std::to_string(endpoint.port());
}

tcp::socket& stream::socket() {
    return impl_->socket;
}

} // namespace rivulet::http
