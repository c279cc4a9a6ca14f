#include "http/stream.hpp"

#include "base/deadline.hpp"
#include "base/notifier.hpp"
#include "base/resolve.hpp"
#include "http/tls_engine.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace rivulet::http {
namespace {

// The only liveness check on connections that are silent for minutes (spec trickle 9).
constexpr int keepalive_seconds = 15;

constexpr std::size_t record_bytes = 16 * 1024; // the most that one TLS record carries
// Encrypted at once: enough to fill a socket, little enough to bound the time of one connection.
constexpr std::size_t burst_bytes = 256 * 1024;
constexpr std::size_t kept_ciphertext = 4 * 1024; // room that a connection keeps between bursts

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

    struct flush_turn;

    awaitable<error_code> handshake();
    awaitable<error_code> flush_tls();
    awaitable<error_code> receive_tls();
    error_code take_ciphertext();

    tcp::socket socket;
    asio::steady_timer deadline;
    unsigned deadline_generation = 0;
    bool timed_out = false;
    std::optional<tls_engine> tls;
    // Ciphertext on its way. What a cancelled write leaves behind goes out with the next one: half
    // a record would end the session.
    std::vector<std::uint8_t> outgoing;
    std::size_t sent = 0; // of it
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

// A coroutine that is cancelled leaves by an exception.
struct stream::impl::flush_turn {
    impl& of;

    ~flush_turn() {
        of.flushing = false;
        of.flushed.notify_all();
    }
};

// Sends the ciphertext that the engine has produced. Reader and writer may both come here; one
// sends, the other waits, so that records keep their order.
awaitable<error_code> stream::impl::flush_tls() {
    while (flushing)
        co_await flushed.wait();
    flushing = true;
    const flush_turn ends_with_this_call{*this};
    error_code failed;
    for (;;) {
        if (sent == outgoing.size()) {
            sent = 0;
            const bool more = tls->take_output(outgoing);
            if (!more)
                break;
        }
        if (timed_out) {
            failed = make_error_code(errc::timed_out);
            break;
        }
        const auto rest = asio::buffer(outgoing) + sent;
        auto [ec, n] = co_await socket.async_write_some(rest, as_tuple);
        sent += n;
        failed = ec;
        if (failed)
            break;
    }
    if (outgoing.empty() && outgoing.capacity() > kept_ciphertext)
        outgoing = {};
    co_return failed;
}

// Waits without a buffer: a silent connection holds none.
awaitable<error_code> stream::impl::receive_tls() {
    if (timed_out)
        co_return make_error_code(errc::timed_out);
    tls->release_room();
    auto [ec] = co_await socket.async_wait(tcp::socket::wait_read, as_tuple);
    co_return ec ? ec : take_ciphertext();
}

error_code stream::impl::take_ciphertext() {
    static thread_local std::array<std::uint8_t, 2 * record_bytes> scratch;
    error_code failed;
    const auto n = socket.read_some(asio::buffer(scratch), failed);
    if (failed == asio::error::would_block || failed == asio::error::try_again)
        return {}; // the caller asks the engine in vain and comes again
    if (!failed)
        tls->give_input({scratch.data(), n});
    return failed;
}

awaitable<error_code> stream::impl::handshake() {
    error_code failed;
    while (!failed && !tls->handshake_done()) {
        failed = tls->handshake();
        auto unsent = co_await flush_tls(); // a refusal, too, is told to the peer
        if (failed == asio::error::try_again) {
            failed = unsent;
            if (!failed)
                failed = co_await receive_tls();
        } else if (!failed) {
            failed = unsent;
        }
    }
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
    auto failed = co_await made.impl_->handshake();
    if (!failed)
        failed = made.impl_->tls->check_peer(host + ":" + std::to_string(port));
    if (failed)
        co_return made.impl_->seen(failed);
    made.expires_after(duration::max());
    co_return std::move(made);
}

awaitable<error_code> stream::accept_tls(tls_context context, duration limit, bool http2) {
    auto self = impl_;
    self->tls.emplace(context, tls_engine::role::server);
    if (http2)
        self->tls->allow_http2();
    expires_after(limit);
    auto failed = co_await self->handshake();
    if (failed)
        co_return self->seen(failed);
    expires_after(duration::max());
    co_return error_code{};
}

awaitable<result<std::size_t>> stream::read_some(asio::mutable_buffer into) {
    auto self = impl_;
    if (self->timed_out) // between two operations
        co_return make_error_code(errc::timed_out);
    if (!self->tls) {
        auto [ec, n] = co_await self->socket.async_read_some(into, as_tuple);
        if (ec)
            co_return self->seen(ec);
        co_return n;
    }
    for (;;) {
        auto got = self->tls->read({static_cast<std::uint8_t*>(into.data()), into.size()});
        if (got)
            co_return *got; // at once: a cancelled flush must not lose it
        // What the engine has to say by itself; a writer that is sending takes it along.
        if (self->tls->has_output() && !self->flushing) {
            auto failed = co_await self->flush_tls();
            if (failed)
                co_return self->seen(failed);
        }
        if (got.error() != asio::error::try_again)
            co_return got.error();
        auto failed = co_await self->receive_tls();
        if (failed)
            co_return self->seen(failed);
    }
}

namespace {

// Where a gather write has got to.
struct gather_place {
    std::size_t buffer = 0;
    std::size_t offset = 0;
};

// Encrypts the next burst; small buffers share a record.
error_code
encrypt(tls_engine& tls, std::span<const asio::const_buffer> buffers, gather_place& place) {
    static thread_local std::array<std::uint8_t, record_bytes> record;
    std::size_t used = 0;
    error_code failed;
    for (std::size_t taken = 0; place.buffer < buffers.size() && taken < burst_bytes && !failed;) {
        const auto left = buffers[place.buffer] + place.offset;
        if (left.size() == 0) {
            ++place.buffer;
            place.offset = 0;
            continue;
        }
        const auto n = std::min(left.size(), record_bytes - used);
        const auto* from = static_cast<const std::uint8_t*>(left.data());
        if (n == record_bytes) {
            failed = tls.write({from, n});
        } else {
            std::memcpy(record.data() + used, from, n);
            used += n;
        }
        if (used == record_bytes)
            failed = tls.write({record.data(), std::exchange(used, 0)});
        place.offset += n;
        taken += n;
    }
    if (used > 0 && !failed)
        failed = tls.write({record.data(), used});
    return failed;
}

} // namespace

awaitable<error_code> stream::write(std::span<const asio::const_buffer> buffers) {
    auto self = impl_;
    if (self->timed_out) // between two operations
        co_return make_error_code(errc::timed_out);
    if (!self->tls) {
        auto [ec, n] = co_await asio::async_write(self->socket, buffers, as_tuple);
        co_return self->seen(ec);
    }
    for (gather_place place; place.buffer < buffers.size();) {
        auto failed = encrypt(*self->tls, buffers, place);
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
    impl_->outgoing = std::move(old->outgoing);
    impl_->sent = old->sent;
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

int stream::release() {
    if (impl_->tls || !impl_->socket.is_open())
        return -1;
    error_code failed;
    impl_->deadline.cancel();
    const auto handle = impl_->socket.release(failed);
    return failed ? -1 : handle;
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
