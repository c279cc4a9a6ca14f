#include "http/connection.hpp"

#include "base/log_safe.hpp"
#include "http/socket_relay.hpp"
#include "http/target.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>

namespace rivulet::http {
namespace {

constexpr auto tls_handshake_limit = std::chrono::seconds(10);
// How long a reply that was sent early may wait for the peer to notice it.
constexpr auto linger_limit = std::chrono::seconds(2);
// The same for a connection that is one too many.
constexpr auto crowded_linger = std::chrono::milliseconds(200);

std::size_t index_of(shards& shards, const asio::any_io_executor& executor) {
    for (std::size_t i = 0; i < shards.size(); ++i)
        if (asio::any_io_executor(shards.at(i).get_executor()) == executor)
            return i;
    return 0;
}

} // namespace

connection::connection(std::shared_ptr<server::impl> owner, tcp::socket socket)
    : owner_(std::move(owner)), io_(std::make_shared<stream>(std::move(socket))),
      reader_(io_, owner_->options.limits.header_bytes),
      shard_(index_of(owner_->shards_, io_->executor())) {
    owner_->add(this);
}

connection::~connection() {
    owner_->remove(this);
}

void connection::close_soon(bool idle_only) {
    asio::post(owner_->shards_.at(shard_), [self = shared_from_this(), idle_only] {
        if (self->owner_->shards_.current() != self->shard_)
            return self->close_soon(idle_only); // it moved meanwhile
        if (idle_only && self->answering_)
            return;
        self->io_->close();
        self->reader_.closed();
    });
}

awaitable<void> connection::run(std::shared_ptr<connection> self, tls_context tls) {
    if (self->owner_->count > self->owner_->options.limits.connections) {
        static constexpr std::string_view full =
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: "
            "application/json\r\n"
            "Connection: close\r\nContent-Length: 48\r\n\r\n"
            "{\"error\":{\"message\":\"too many connections\"}}    ";
        if (!tls) {
            self->io_->expires_after(crowded_linger);
            co_await self->io_->write(asio::buffer(full));
            co_await self->io_->linger_close(crowded_linger);
        }
        co_return;
    }
    if (tls) {
        auto failed = co_await self->io_->accept_tls(
            tls, tls_handshake_limit, self->owner_->take_http2 != nullptr
        );
        if (failed)
            co_return;
    }
    co_await serve(std::move(self), false);
}

awaitable<void> connection::serve(std::shared_ptr<connection> self, bool head_was_read) {
    const auto& limits = self->owner_->options.limits;
    for (;;) {
        if (!head_was_read) {
            self->answering_ = false;
            auto failed = co_await self->reader_.read_head(limits.idle, limits.header);
            if (failed) {
                const auto preface = self->reader_.http2_preface();
                if (preface && self->owner_->take_http2)
                    co_await self->give_http2(std::string(*preface));
                else
                    co_await self->refuse_bad_head(failed);
                break;
            }
            self->answering_ = true;
        }
        head_was_read = false;
        const auto then = co_await self->answer(self);
        if (then == next::moved)
            co_return;
        if (then == next::close || self->owner_->stopping)
            break;
    }
    self->io_->close();
    co_await self->reader_.settle();
}

response connection::refuse(http::status why, std::string_view message) const {
    const auto& write = owner_->options.error_body;
    return write ? write(why, message) : error_response(why, message);
}

awaitable<error_code> connection::refuse_bad_head(error_code why) {
    response refusal;
    if (why == errc::too_large)
        refusal = refuse(
            beast_http::status::request_header_fields_too_large, "the request's head is too large"
        );
    else if (why == errc::protocol_violation)
        refusal = refuse(http::status::bad_request, "malformed HTTP request");
    else if (why == errc::timed_out && reader_.buffered() > 0)
        refusal = refuse(http::status::request_timeout, "the request's head took too long");
    else
        co_return why; // the peer left, or never spoke
    exchange now(*io_, reader_, owner_->options.cors, owner_->options.limits.write);
    co_await now.reply(std::move(refusal), after_reply::close);
    co_await io_->linger_close(linger_limit);
    co_return why;
}

// Through a pair even without TLS: the first bytes were read already and can't be put back.
awaitable<void> connection::give_http2(std::string received) {
    struct place {
        std::atomic<std::size_t>& count;

        ~place() { --count; }
    };

    const auto before = owner_->http2_count++;
    const place taken{owner_->http2_count};
    if (before >= owner_->options.limits.http2_connections)
        co_return;
    socket_pair ends;
    if (!ends.good()) {
        owner_->log.warn("no descriptors are left for an HTTP/2 connection");
        co_return;
    }
    answering_ = false; // nothing to wait for when the server stops
    auto inside = ends.keep(io_->executor());
    owner_->take_http2(ends.give());
    auto [ec, n] = co_await asio::async_write(inside, asio::buffer(received), as_tuple);
    if (!ec)
        co_await relay_socket(io_, std::move(inside));
    co_await io_->linger_close(linger_limit);
}

awaitable<connection::next> connection::answer(std::shared_ptr<connection> self) {
    exchange now(*io_, reader_, owner_->options.cors, owner_->options.limits.write);
    const auto path = now.path();
    const auto* streaming = owner_->find_stream_route(path);
    if (streaming) {
        const auto home = streaming->home(path.substr(streaming->prefix.size()));
        if (home != shard_ && home < owner_->shards_.size()) {
            auto executor = owner_->shards_.at(home).get_executor();
            // A request that was pipelined behind a GET finds the read-ahead still running.
            co_await reader_.stop_ahead();
            io_->move_to(executor);
            reader_.moved();
            shard_ = home;
            asio::co_spawn(executor, serve(std::move(self), true), asio::detached);
            co_return next::moved;
        }
    }
    bool crashed = false;
    try {
        if (streaming)
            co_await answer_stream(*streaming, now);
        else
            co_await answer_whole(now);
    } catch (const std::exception& e) {
        owner_->log.error(
            "{} {}: {}", std::string(now.header().method_string()), log_safe(path), e.what()
        );
        crashed = true;
    }
    // What a handler has left behind must not act on the next request.
    reader_.unwatch_peer();
    io_->expires_after(duration::max());
    if (!now.answered()) {
        if (!crashed)
            co_return next::close;
        co_await now.reply(
            refuse(http::status::internal_server_error, "internal error"), after_reply::close
        );
    }
    if (now.then() == after_reply::close) {
        io_->cancel();
        co_await reader_.settle();
        co_await io_->linger_close(linger_limit);
        co_return next::close;
    }
    co_return next::again;
}

awaitable<void> connection::answer_stream(const stream_route_entry& route, exchange& now) {
    co_await route.handle(now);
}

awaitable<void> connection::answer_whole(exchange& now) {
    request asked;
    const auto target = split(now.header().target());
    asked.path = target.path;
    std::string allowed;
    const auto method = now.header().method();
    const auto* upgrade = owner_->find_upgrade_route(target.path, asked);
    if (upgrade && wants_websocket(now.header())) {
        asked.query = parse_query(target.query);
        co_await answer_upgrade(*upgrade, asked, now);
        co_return;
    }
    const auto* found = owner_->find_route(method, target.path, asked, allowed);
    if (found) {
        asked.query = parse_query(target.query);
        co_await answer_route(*found, asked, now);
        co_return;
    }
    response refusal;
    if (upgrade) {
        refusal = refuse(http::status::upgrade_required, "a WebSocket is wanted here");
        refusal.headers.emplace_back("Upgrade", "websocket");
    } else if (allowed.empty()) {
        refusal = refuse(
            http::status::not_found, "no such path: " + std::string(target.path.substr(0, 200))
        );
    } else if (method == verb::options) {
        refusal.status = http::status::no_content;
        refusal.headers = {{"Allow", allowed + ", OPTIONS"}};
        if (owner_->options.cors) {
            refusal.headers.emplace_back("Access-Control-Allow-Methods", allowed + ", OPTIONS");
            // Whatever the page means to send: the answer is for any origin, without credentials.
            const auto wanted = now["Access-Control-Request-Headers"];
            refusal.headers.emplace_back(
                "Access-Control-Allow-Headers",
                wanted.empty() ? "Content-Type, Authorization" : std::string(wanted)
            );
        }
    } else {
        refusal = refuse(
            http::status::method_not_allowed,
            std::string(now.header().method_string()) + " is not allowed here; use " + allowed
        );
        refusal.headers.emplace_back("Allow", allowed + ", OPTIONS");
    }
    // A short body is drained so that the connection can be used again; a long one closes it.
    const bool is_short = reader_.content_length().value_or(1 << 20) <= 64 * 1024;
    if (!reader_.body_done() && is_short && now["Expect"].empty()) {
        auto drained = co_await read_whole_body(now, 64 * 1024);
        static_cast<void>(drained);
    }
    co_await now.reply(std::move(refusal));
}

awaitable<result<std::string>> connection::read_whole_body(exchange& now, std::size_t limit) {
    std::string body;
    bool overflow = false;
    const body_sink keep = [&](std::span<const std::uint8_t> piece) {
        if (body.size() + piece.size() > limit)
            overflow = true;
        else
            body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };
    if (reader_.content_length().value_or(0) > limit)
        co_return make_error_code(errc::too_large);
    auto invited = co_await now.invite_body();
    if (invited)
        co_return invited;
    io_->expires_after(owner_->options.limits.body);
    while (!reader_.body_done() && !overflow) {
        auto failed = co_await reader_.read_body(keep);
        if (failed)
            co_return failed;
    }
    io_->expires_after(duration::max());
    if (overflow)
        co_return make_error_code(errc::too_large);
    co_return std::move(body);
}

awaitable<void>
connection::answer_upgrade(const upgrade_route_entry& route, request& asked, exchange& now) {
    auto offer = check_upgrade(now.header());
    // Frames may follow only once we have agreed, and a body has no place at all.
    if (offer && (!reader_.body_done() || reader_.buffered() > 0))
        offer = failure(errc::invalid_argument, "data came before the WebSocket was open");
    if (!offer) {
        const bool version = offer.error().code == errc::unsupported;
        auto refusal = refuse(
            version ? http::status::upgrade_required : http::status::bad_request,
            offer.error().detail
        );
        if (version)
            refusal.headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}};
        co_await now.reply(std::move(refusal), after_reply::close);
        co_return;
    }
    asked.header = now.header();
    asked.remote = io_->remote();
    asked.secure = io_->is_tls();
    auto answer = co_await route.decide(asked);
    if (answer.refusal) {
        co_await now.reply(std::move(*answer.refusal), after_reply::close);
        co_return;
    }
    co_await give_away(answer, std::move(*offer));
}

// Afterwards the connection has nothing to answer on, which ends it.
awaitable<void> connection::give_away(const upgrade_answer& answer, websocket_offer offer) {
    if (!io_->is_tls()) {
        const int socket = io_->release();
        if (socket >= 0)
            answer.take(socket, std::move(offer));
        co_return;
    }
    socket_pair ends;
    if (!ends.good()) {
        owner_->log.warn("no descriptors are left for a WebSocket");
        co_return;
    }
    answer.take(ends.give(), std::move(offer));
    answering_ = false; // nothing to wait for when the server stops
    co_await relay_socket(io_, ends.keep(io_->executor()));
    co_await io_->linger_close(linger_limit);
}

awaitable<void> connection::answer_route(const route_entry& route, request& asked, exchange& now) {
    if (route.take) {
        co_await answer_exchange(route, asked, now);
        co_return;
    }
    auto body = co_await read_whole_body(now, route.body_limit);
    response made;
    if (body) {
        asked.body = std::move(*body);
        asked.header = now.header();
        asked.remote = io_->remote();
        asked.secure = io_->is_tls();
        made = co_await route.handle(asked);
    } else if (body.error() == errc::too_large) {
        made = refuse(
            http::status::payload_too_large,
            "the body is larger than " + std::to_string(route.body_limit) + " bytes"
        );
    } else if (body.error() == errc::timed_out) {
        made = refuse(http::status::request_timeout, "the body took too long");
    } else if (body.error() == errc::protocol_violation) {
        made = refuse(http::status::bad_request, "malformed body framing");
    } else {
        co_return; // the peer left
    }
    co_await now.reply(std::move(made));
}

awaitable<void>
connection::answer_exchange(const route_entry& route, request& asked, exchange& now) {
    asked.header = now.header();
    asked.remote = io_->remote();
    asked.secure = io_->is_tls();
    co_await route.take(asked, now);
}

} // namespace rivulet::http
