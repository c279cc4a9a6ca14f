#include "http/server.hpp"

#include "http/connection.hpp"
#include "http/target.hpp"

#include <boost/asio/detached.hpp>
#include <boost/beast/http/status.hpp>

#include <condition_variable>
#include <mutex>
#include <set>
#include <sys/socket.h>

namespace rivulet::http {

namespace {

struct address_parts {
    std::string host;
    std::string port;
};

std::optional<address_parts> parse_address(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || colon + 1 == text.size())
        return std::nullopt;
    address_parts parts{text.substr(0, colon), text.substr(colon + 1)};
    if (parts.host.starts_with('[') && parts.host.ends_with(']'))
        parts.host = parts.host.substr(1, parts.host.size() - 2);
    if (parts.host.empty())
        parts.host = "0.0.0.0";
    if (parts.host == "localhost")
        parts.host = "127.0.0.1";
    if (parts.port.find_first_not_of("0123456789") != std::string::npos || parts.port.size() > 5 ||
        std::stoul(parts.port) > 65535)
        return std::nullopt;
    return parts;
}

} // namespace

server::server(shards& shards, server_options options, logger log)
    : impl_(std::make_shared<impl>(shards, options, std::move(log))) {}

server::~server() {
    stop(duration::zero());
}

void server::route(verb method, std::string pattern, handler handle) {
    route(method, std::move(pattern), impl_->options.limits.body_bytes, std::move(handle));
}

void server::route(verb method, std::string pattern, std::size_t body_limit, handler handle) {
    impl_->routes.push_back({method, std::move(pattern), body_limit, std::move(handle), {}});
}

void server::exchange_route(verb method, std::string pattern, exchange_handler handle) {
    impl_->routes.push_back({method, std::move(pattern), 0, {}, std::move(handle)});
}

void server::stream_route(std::string prefix, home_of home, stream_handler handle) {
    impl_->stream_routes.push_back({std::move(prefix), std::move(home), std::move(handle)});
}

void server::upgrade_route(std::string pattern, upgrade_handler decide) {
    impl_->upgrade_routes.push_back({std::move(pattern), std::move(decide)});
}

void server::on_http2(std::function<void(int socket)> take) {
    impl_->take_http2 = std::move(take);
}

outcome<std::uint16_t> server::listen(const std::string& address, tls_context tls) {
    const auto parts = parse_address(address);
    error_code ec;
    const auto host = parts ? asio::ip::make_address(parts->host, ec) : asio::ip::address{};
    if (!parts || ec)
        return failure(
            errc::invalid_argument,
            "cannot listen on '" + address +
                "': expected HOST:PORT with a numeric host, for example " + "127.0.0.1:8935"
        );
    const tcp::endpoint endpoint(host, static_cast<std::uint16_t>(std::stoul(parts->port)));
    auto acceptor = std::make_shared<tcp::acceptor>(impl_->shards_.at(0));
    acceptor->open(endpoint.protocol(), ec);
    if (!ec)
        acceptor->set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec)
        acceptor->bind(endpoint, ec);
    if (!ec)
        acceptor->listen(4096, ec);
    if (ec)
        return failure(ec, "cannot listen on " + address + ": " + ec.message());
    const auto port = acceptor->local_endpoint().port();
    impl_->acceptors.push_back(acceptor);
    asio::co_spawn(
        impl_->shards_.at(0), impl::accept_loop(impl_, acceptor, std::move(tls)), asio::detached
    );
    return port;
}

void server::stop(duration drain) {
    impl_->stop(drain);
}

std::size_t server::connections() const {
    return impl_->count.load(std::memory_order_relaxed);
}

awaitable<void> server::impl::accept_loop(
    std::shared_ptr<impl> self, std::shared_ptr<tcp::acceptor> acceptor, tls_context tls
) {
    std::size_t turn = 0;
    for (;;) {
        // A connection stays on its shard until a request's home is another one.
        auto& context = self->shards_.at(turn++ % self->shards_.size());
        auto [ec, socket] = co_await acceptor->async_accept(context, as_tuple);
        if (ec == asio::error::operation_aborted || self->stopping)
            co_return;
        if (ec) {
            // Out of descriptors: wait, others will close.
            self->log.warn("cannot accept a connection: {}", ec.message());
            asio::steady_timer pause(acceptor->get_executor(), std::chrono::milliseconds(100));
            co_await pause.async_wait(as_tuple);
            continue;
        }
        auto made = std::make_shared<connection>(self, std::move(socket));
        asio::co_spawn(context, connection::run(std::move(made), tls), asio::detached);
    }
}

const route_entry* server::impl::find_route(
    verb method, std::string_view path, request& into, std::string& allowed
) const {
    for (const auto& entry : routes) {
        auto params = match_pattern(entry.pattern, path);
        if (!params)
            continue;
        const bool fits =
            entry.method == method || (method == verb::head && entry.method == verb::get);
        if (fits) {
            into.params = std::move(*params);
            return &entry;
        }
        const auto name = beast_http::to_string(entry.method);
        if (allowed.find(name) == std::string::npos)
            allowed += (allowed.empty() ? "" : ", ") + std::string(name);
    }
    return nullptr;
}

const stream_route_entry* server::impl::find_stream_route(std::string_view path) const {
    for (const auto& entry : stream_routes)
        if (path.starts_with(entry.prefix))
            return &entry;
    return nullptr;
}

const upgrade_route_entry*
server::impl::find_upgrade_route(std::string_view path, request& into) const {
    for (const auto& entry : upgrade_routes)
        if (auto params = match_pattern(entry.pattern, path)) {
            into.params = std::move(*params);
            return &entry;
        }
    return nullptr;
}

void server::impl::add(connection* c) {
    const std::lock_guard lock(guard);
    open.insert(c);
    count.store(open.size(), std::memory_order_relaxed);
}

void server::impl::remove(connection* c) {
    const std::lock_guard lock(guard);
    open.erase(c);
    count.store(open.size(), std::memory_order_relaxed);
    if (open.empty())
        all_closed.notify_all();
}

void server::impl::close_connections(bool idle_only) {
    // The last reference to a connection must not die under the guard: its destructor takes it.
    std::vector<std::shared_ptr<connection>> alive;
    {
        const std::lock_guard lock(guard);
        for (auto* c : open)
            if (auto held = c->weak_from_this().lock())
                alive.push_back(std::move(held));
    }
    for (const auto& each : alive)
        each->close_soon(idle_only);
}

void server::impl::stop(duration drain) {
    if (stopping.exchange(true))
        return;
    for (auto& acceptor : acceptors)
        asio::post(acceptor->get_executor(), [acceptor] { acceptor->close(); });
    close_connections(true);
    const auto none_left = [this] { return open.empty(); };
    std::unique_lock lock(guard);
    if (!all_closed.wait_for(lock, drain, none_left)) {
        lock.unlock();
        close_connections(false);
        lock.lock();
        // Closing only needs the shards to run; they do until their owner stops them.
        all_closed.wait_for(lock, std::chrono::seconds(10), none_left);
    }
}

} // namespace rivulet::http
