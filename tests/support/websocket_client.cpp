#include "support/websocket_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <functional>

namespace rivulet::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using milliseconds = std::chrono::milliseconds;

struct websocket_client::link {
    virtual ~link() = default;
    virtual void read(beast::flat_buffer& into, std::function<void(error_code)> done) = 0;
    virtual void write(std::string_view text, std::function<void(error_code)> done) = 0;
    virtual void close(std::function<void(error_code)> done) = 0;
    virtual tcp::socket& socket() = 0;
    virtual int close_code() = 0;

    // Runs until `begin`'s operation ends; absent: not within the limit, it goes on.
    std::optional<error_code>
    run(milliseconds limit, const std::function<void(std::function<void(error_code)>)>& begin) {
        auto ended = std::make_shared<std::optional<error_code>>();
        begin([ended](error_code ec) { *ended = ec; });
        return wait(limit, ended);
    }

    std::optional<error_code>
    wait(milliseconds limit, const std::shared_ptr<std::optional<error_code>>& ended) {
        const auto until = std::chrono::steady_clock::now() + limit;
        while (!*ended && std::chrono::steady_clock::now() < until) {
            context.restart();
            context.run_one_until(until);
        }
        return *ended;
    }

    asio::io_context context;
    websocket::response_type reply;
    beast::flat_buffer buffer;
    // A read that was given up waiting for goes on for the next one.
    std::shared_ptr<std::optional<error_code>> reading;
};

namespace {

// The context must be there before the stream.
template <class Stream>
struct stream_link final : websocket_client::link {
    template <class... Args>
    explicit stream_link(Args&... more) : ws(context, more...) {}

    ~stream_link() override {
        error_code ignored;
        socket().close(ignored);
        context.restart();
        context.run_for(milliseconds(200)); // handlers of what was aborted
    }

    void read(beast::flat_buffer& into, std::function<void(error_code)> done) override {
        ws.async_read(into, [done](error_code ec, std::size_t) { done(ec); });
    }

    void write(std::string_view text, std::function<void(error_code)> done) override {
        ws.text(true);
        ws.async_write(asio::buffer(text.data(), text.size()), [done](error_code ec, std::size_t) {
            done(ec);
        });
    }

    void close(std::function<void(error_code)> done) override {
        ws.async_close(websocket::close_code::normal, [done](error_code ec) { done(ec); });
    }

    tcp::socket& socket() override { return beast::get_lowest_layer(ws); }

    int close_code() override { return ws.reason().code; }

    void
    open(const tcp::endpoint& there, const std::string& target, const websocket_wishes& wishes) {
        websocket::permessage_deflate deflate;
        deflate.client_enable = wishes.deflate;
        ws.set_option(deflate);
        ws.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
            for (const auto& [name, value] : wishes.headers)
                request.set(name, value);
        }));
        ws.read_message_max(4u << 20);
        const auto host = "127.0.0.1:" + std::to_string(there.port());
        const auto ended = run(milliseconds(5000), [&](std::function<void(error_code)> done) {
            ws.async_handshake(reply, host, target, done);
        });
        if (!ended)
            throw websocket_error("no answer to the handshake");
        if (*ended && *ended != websocket::error::upgrade_declined)
            throw websocket_error("handshake: " + ended->message());
    }

    websocket::stream<Stream> ws;
};

} // namespace

websocket_client::websocket_client(
    std::uint16_t port, const std::string& target, websocket_wishes wishes
) {
    const tcp::endpoint there(asio::ip::address_v4::loopback(), port);
    if (!wishes.tls) {
        auto made = std::make_unique<stream_link<tcp::socket>>();
        made->socket().connect(there);
        made->open(there, target, wishes);
        link_ = std::move(made);
        return;
    }
    static asio::ssl::context tls(asio::ssl::context::tls_client);
    auto made = std::make_unique<stream_link<asio::ssl::stream<tcp::socket>>>(tls);
    made->socket().connect(there);
    const auto ended = made->run(milliseconds(5000), [&](std::function<void(error_code)> done) {
        made->ws.next_layer().async_handshake(asio::ssl::stream_base::client, done);
    });
    if (!ended || *ended)
        throw websocket_error("TLS: " + (ended ? ended->message() : std::string("too late")));
    made->open(there, target, wishes);
    link_ = std::move(made);
}

websocket_client::~websocket_client() = default;

int websocket_client::status() const {
    return static_cast<int>(link_->reply.result_int());
}

std::string websocket_client::header(std::string_view name) const {
    return std::string(link_->reply[name]);
}

namespace {

std::optional<error_code> read_one(websocket_client::link& link, milliseconds limit) {
    if (link.reading)
        return link.wait(limit, link.reading);
    link.reading = std::make_shared<std::optional<error_code>>();
    link.read(link.buffer, [ended = link.reading](error_code ec) { *ended = ec; });
    return link.wait(limit, link.reading);
}

} // namespace

std::string websocket_client::read(milliseconds limit) {
    const auto ended = read_one(*link_, limit);
    if (!ended)
        throw websocket_error("no message in time");
    link_->reading.reset();
    if (*ended)
        throw websocket_error("no message: " + ended->message());
    auto message = beast::buffers_to_string(link_->buffer.data());
    link_->buffer.consume(link_->buffer.size());
    return message;
}

bool websocket_client::silent_for(milliseconds time) {
    return !read_one(*link_, time);
}

void websocket_client::send(std::string_view message) {
    const auto ended = link_->run(milliseconds(5000), [&](std::function<void(error_code)> done) {
        link_->write(message, done);
    });
    if (!ended || *ended)
        throw websocket_error(
            "cannot send: " + (ended ? ended->message() : std::string("too late"))
        );
}

int websocket_client::read_to_close(milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
        const auto ended = read_one(*link_, left);
        if (!ended)
            throw websocket_error("it stays open");
        link_->reading.reset();
        link_->buffer.consume(link_->buffer.size());
        if (*ended)
            return *ended == websocket::error::closed ? link_->close_code() : 0;
    }
}

void websocket_client::close() {
    link_->run(milliseconds(5000), [&](std::function<void(error_code)> done) {
        link_->close(done);
    });
}

void websocket_client::drop() {
    error_code ignored;
    link_->socket().close(ignored);
}

} // namespace rivulet::test
