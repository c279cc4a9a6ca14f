// A connection's deadlines, cancelled writes and TLS records, over real sockets.
#include "http/client.hpp"
#include "http/exchange.hpp"
#include "http/stream.hpp"
#include "support/byte_feed.hpp"

#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <optional>

namespace rivulet::http {
namespace {

using namespace std::chrono_literals;

awaitable<void> sleep_for(duration time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(as_tuple);
}

class http_stream : public ::testing::Test {
  public:
    asio::io_context context;
    std::optional<stream> server, client;

    void run(awaitable<void> body) {
        bool ended = false;
        std::exception_ptr failed;
        asio::co_spawn(context, std::move(body), [&](std::exception_ptr e) {
            failed = e;
            ended = true;
            context.stop();
        });
        context.restart();
        context.run_for(20s);
        if (failed)
            std::rethrow_exception(failed);
        ASSERT_TRUE(ended) << "the test did not end in time";
    }

    awaitable<void> accept(tcp::acceptor& acceptor, tls_context tls) {
        auto [ec, socket] = co_await acceptor.async_accept(as_tuple);
        if (ec)
            throw boost::system::system_error(ec);
        stream made(std::move(socket));
        auto failed = co_await made.accept_tls(std::move(tls), 5s);
        if (failed)
            throw boost::system::system_error(failed);
        server.emplace(std::move(made));
    }

    // Both ends of one TLS connection.
    awaitable<void> connect() {
        auto identity = self_signed_tls("127.0.0.1");
        auto trust = client_tls(tls_verify::none);
        if (!identity || !trust)
            throw std::runtime_error("no TLS");
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        const auto port = acceptor.local_endpoint().port();
        asio::co_spawn(context, accept(acceptor, *identity), asio::detached);
        auto made = co_await stream::connect("127.0.0.1", port, *trust, 5s);
        if (!made)
            throw boost::system::system_error(made.error());
        client.emplace(std::move(*made));
        while (!server)
            co_await sleep_for(1ms);
    }

    awaitable<std::string> read_until(std::string end) {
        std::string got, piece(64 * 1024, '\0');
        client->expires_after(5s);
        while (!got.ends_with(end)) {
            auto n = co_await client->read_some(asio::buffer(piece));
            if (!n)
                co_return got + " <" + n.error().message() + ">";
            got.append(piece, 0, *n);
        }
        co_return got;
    }
};

std::string counted_text(std::size_t lines) {
    std::string text;
    for (std::size_t i = 0; i < lines; ++i)
        text += std::to_string(i) + "\n";
    return text;
}

TEST_F(http_stream, a_cancelled_tls_write_leaves_whole_records_behind) {
    run([](http_stream& on) -> awaitable<void> {
        co_await on.connect();
        const auto much = counted_text(4'000'000); // more than both sockets take
        std::optional<error_code> written;
        asio::co_spawn(
            on.context,
            on.server->write(asio::buffer(much)),
            [&](std::exception_ptr, error_code ec) { written = ec; }
        );
        co_await sleep_for(50ms);
        EXPECT_FALSE(written) << "nobody reads";
        // A cancel that falls between two pieces of the write stops nothing: ask until it is heard.
        while (!written) {
            on.server->cancel();
            co_await sleep_for(1ms);
        }
        EXPECT_EQ(*written, asio::error::operation_aborted);
        static constexpr std::string_view last = "the last word";
        std::optional<error_code> ended;
        asio::co_spawn(
            on.context,
            on.server->write(asio::buffer(last)),
            [&](std::exception_ptr, error_code ec) { ended = ec; }
        );
        const auto got = co_await on.read_until(std::string(last));
        const auto part = got.substr(0, got.size() - std::min(got.size(), last.size()));
        EXPECT_TRUE(got.ends_with(last))
            << got.substr(got.size() - std::min<std::size_t>(got.size(), 80));
        EXPECT_GT(part.size(), 0u);
        EXPECT_LT(part.size(), much.size());
        EXPECT_TRUE(much.starts_with(part)) << "nothing is missing in the middle";
        while (!ended)
            co_await sleep_for(1ms);
    }(*this));
}

TEST_F(http_stream, the_small_parts_of_a_gather_write_share_one_tls_record) {
    run([](http_stream& on) -> awaitable<void> {
        co_await on.connect();
        const std::array<asio::const_buffer, 4> parts{
            asio::buffer("5\r\n", 3),
            asio::buffer("hello", 5),
            asio::buffer("", 0),
            asio::buffer("\r\n", 2)};
        auto failed = co_await on.server->write(parts);
        EXPECT_FALSE(failed);
        std::array<char, 100> into{};
        auto got = co_await on.client->read_some(asio::buffer(into)); // one record at most
        EXPECT_TRUE(got && *got == 10);
        EXPECT_EQ(std::string(into.data(), 10), "5\r\nhello\r\n");
    }(*this));
}

TEST_F(http_stream, gather_writes_of_any_size_arrive_in_order_over_tls) {
    run([](http_stream& on) -> awaitable<void> {
        co_await on.connect();
        const auto text = counted_text(200'000); // several bursts
        std::vector<asio::const_buffer> parts;
        for (std::size_t at = 0, size = 1; at < text.size(); at += size, size = size * 3 % 70'001)
            parts.push_back(asio::buffer(text.data() + at, std::min(size, text.size() - at)));
        std::optional<error_code> written;
        asio::co_spawn(
            on.context,
            on.server->write(std::span<const asio::const_buffer>(parts)),
            [&](std::exception_ptr, error_code ec) { written = ec; }
        );
        const auto got = co_await on.read_until("199999\n");
        EXPECT_TRUE(got == text) << got.size() << " of " << text.size();
        while (!written)
            co_await sleep_for(1ms);
        EXPECT_FALSE(*written);
    }(*this));
}

TEST_F(http_stream, no_peer_may_ask_for_a_renegotiation) {
    auto asks = client_tls(tls_verify::none);
    auto answers = self_signed_tls("127.0.0.1");
    ASSERT_TRUE(asks && answers);
    EXPECT_TRUE(SSL_CTX_get_options(asks->get()) & SSL_OP_NO_RENEGOTIATION);
    EXPECT_TRUE(SSL_CTX_get_options(answers->get()) & SSL_OP_NO_RENEGOTIATION);
}

TEST_F(http_stream, a_deadline_that_passes_between_two_operations_ends_the_next) {
    test::byte_feed feed(context);
    run([](stream& io) -> awaitable<void> {
        io.expires_after(1ms);
        co_await sleep_for(30ms);
        static constexpr std::string_view text = "late";
        auto written = co_await io.write(asio::buffer(text));
        EXPECT_EQ(written, errc::timed_out);
        std::array<char, 10> into{};
        auto got = co_await io.read_some(asio::buffer(into));
        EXPECT_TRUE(!got && got.error() == errc::timed_out);
        io.expires_after(duration::max());
        written = co_await io.write(asio::buffer(text));
        EXPECT_FALSE(written);
    }(*feed.stream()));
    EXPECT_EQ(feed.take(), "late");
}

TEST_F(http_stream, a_reply_that_nobody_takes_ends_with_its_deadline) {
    test::byte_feed feed(context);
    request_reader reader(feed.stream(), 16 * 1024);
    run([](test::byte_feed& peer, request_reader& reader) -> awaitable<void> {
        peer.give("GET / HTTP/1.1\r\n\r\n");
        auto read = co_await reader.read_head(1s, 1s);
        EXPECT_FALSE(read);
        exchange now(*peer.stream(), reader, false, 50ms);
        response large;
        large.body.assign(8 << 20, 'x');
        auto failed = co_await now.reply(std::move(large));
        EXPECT_EQ(failed, errc::timed_out);
        EXPECT_EQ(now.then(), after_reply::close);
    }(feed, reader));
}

TEST_F(http_stream, a_client_whose_time_is_over_reads_nothing) {
    test::byte_feed feed(context);
    run([](test::byte_feed& peer) -> awaitable<void> {
        auto url = parse_http_url("http://127.0.0.1/");
        client_connection asking(std::move(*peer.stream()), *url, client_options());
        client_request request(verb::get, "/");
        auto failed = co_await asking.send(std::move(request));
        EXPECT_FALSE(failed);
        peer.give("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
        failed = co_await asking.read_head(0s);
        EXPECT_EQ(failed, errc::timed_out);
        EXPECT_FALSE(asking.reply_begun());
        failed = co_await asking.read_head(1s);
        EXPECT_FALSE(failed);
        peer.give("body");
        auto body = co_await asking.read_body(-1s);
        EXPECT_TRUE(!body && body.error() == errc::timed_out);
        auto text = co_await asking.read_text(100, 1s);
        EXPECT_TRUE(text && *text == "body");
    }(feed));
}

} // namespace
} // namespace rivulet::http
