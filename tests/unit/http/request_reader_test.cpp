#include "http/request_reader.hpp"
#include "support/byte_feed.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <gtest/gtest.h>

namespace rivulet::http {
namespace {

using namespace std::chrono_literals;

class http_request_reader : public ::testing::Test {
  protected:
    asio::io_context context;
    test::byte_feed feed{context};
    request_reader reader{feed.stream(), 16 * 1024};
    std::string body;
    const body_sink sink = [this](std::span<const std::uint8_t> piece) {
        body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };

    const std::function<bool()> go_on = [] { return true; };

    // Starts an operation; its result, once it is there.
    template <class T>
    std::shared_ptr<std::optional<T>> start(awaitable<T> work) {
        auto done = std::make_shared<std::optional<T>>();
        asio::co_spawn(context, keep(std::move(work), done), asio::detached);
        run();
        return done;
    }

    template <class T>
    static awaitable<void> keep(awaitable<T> work, std::shared_ptr<std::optional<T>> done) {
        auto got = co_await std::move(work);
        done->emplace(std::move(got));
    }

    void run() {
        context.restart();
        context.poll();
    }

    std::string read_head(std::string_view text) {
        auto done = start(reader.read_head(1min, 1min));
        feed.give(text);
        run();
        if (!*done)
            return "waits";
        return **done ? (*done)->message() : "ok";
    }

    awaitable<error_code> read_all(request_reader& from) {
        error_code failed;
        while (!failed && !from.body_done())
            failed = co_await from.read_body(sink);
        co_return failed;
    }

    // Reads what is there of the body; "" when all went well so far.
    std::string read_body() {
        for (;;) {
            auto done = start(reader.read_body(sink));
            if (!*done) {
                feed.stream()->cancel(); // nothing more is there
                run();
                return "waits";
            }
            if (**done)
                return (*done)->message();
            if (reader.body_done())
                return "done";
        }
    }

    static std::string message_of(errc code) { return make_error_code(code).message(); }
};

TEST_F(http_request_reader, reads_a_head_and_leaves_the_body) {
    EXPECT_EQ(read_head("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nda"), "ok");
    EXPECT_EQ(reader.header().target(), "/a?b");
    EXPECT_EQ(reader.content_length(), 4u);
    EXPECT_FALSE(reader.body_done());
    EXPECT_EQ(reader.buffered(), 2u);
    EXPECT_EQ(read_body(), "waits");
    feed.give("ta");
    EXPECT_EQ(read_body(), "done");
    EXPECT_EQ(body, "data");
}

TEST_F(http_request_reader, a_head_may_come_byte_by_byte) {
    auto done = start(reader.read_head(1min, 1min));
    for (const char c : std::string_view("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) {
        EXPECT_FALSE(*done);
        feed.give({&c, 1});
        run();
    }
    ASSERT_TRUE(*done);
    EXPECT_FALSE(**done);
    EXPECT_TRUE(reader.body_done());
    EXPECT_TRUE(reader.keep_alive());
}

TEST_F(http_request_reader, chunks_may_be_cut_at_every_byte) {
    EXPECT_EQ(read_head("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "ok");
    auto reading = start(reader.relay_body(sink, go_on));
    for (const char c :
         std::string_view("5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n")) {
        EXPECT_FALSE(*reading);
        feed.give({&c, 1});
        run();
    }
    ASSERT_TRUE(*reading);
    EXPECT_FALSE(**reading);
    EXPECT_EQ(body, "hello0123456789");
    EXPECT_TRUE(reader.body_done());
}

// Both ways to read a body, and every place where the framing can be cut.
TEST_F(http_request_reader, takes_chunked_framing_in_pieces_of_any_size) {
    for (const std::string framing :
         {"0\r\n\r\n", "1\r\nx\r\n0\r\n\r\n", "000\r\n\r\n", "0;e=f\r\nTrailer: t\r\n\r\n"}) {
        for (std::size_t step = 1; step <= 5; ++step) {
            for (const bool whole : {true, false}) {
                test::byte_feed own(context);
                request_reader fresh(own.stream(), 16 * 1024);
                own.give("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
                auto head = start(fresh.read_head(1min, 1min));
                ASSERT_TRUE(*head && !**head);
                auto done = start(whole ? fresh.relay_body(sink, go_on) : read_all(fresh));
                for (std::size_t at = 0; at < framing.size(); at += step) {
                    ASSERT_FALSE(*done) << framing;
                    own.give(std::string_view(framing).substr(at, step));
                    run();
                }
                ASSERT_TRUE(*done) << framing << step << whole;
                EXPECT_FALSE(**done);
                EXPECT_TRUE(fresh.body_done());
            }
        }
    }
}

TEST_F(http_request_reader, pipelined_requests_are_read_one_after_the_other) {
    const std::string both =
        "POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
        "POST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\ntwo"
        "GET /3 HTTP/1.1\r\n\r\n";
    EXPECT_EQ(read_head(both), "ok");
    EXPECT_EQ(read_body(), "done");
    EXPECT_EQ(read_head(""), "ok");
    EXPECT_EQ(reader.header().target(), "/2");
    EXPECT_EQ(read_body(), "done");
    EXPECT_EQ(read_head(""), "ok");
    EXPECT_EQ(reader.header().target(), "/3");
    EXPECT_EQ(body, "onetwo");
    EXPECT_EQ(reader.buffered(), 0u);
}

TEST_F(http_request_reader, pieces_never_exceed_what_was_buffered) {
    EXPECT_EQ(read_head("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "ok");
    std::size_t most = 0;
    const body_sink checking = [&](std::span<const std::uint8_t> piece) {
        most = std::max(most, piece.size());
        EXPECT_LE(piece.size(), reader.buffered());
        body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };
    feed.give("2\r\nab\r\n3\r\ncde\r\n64\r\n" + std::string(100, 'x') + "\r\n0\r\n\r\n");
    auto done = start(reader.relay_body(checking, go_on));
    ASSERT_TRUE(*done);
    EXPECT_EQ(body, "abcde" + std::string(100, 'x'));
    EXPECT_EQ(most, 100u);
}

TEST_F(http_request_reader, bad_framing_is_a_violation) {
    for (const auto* bad :
         {"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
          "GET / HTTP/9.9\r\n\r\n",
          "GET  / HTTP/1.1\r\n\r\n",
          "\r\n\r\n\r\n",
          "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
          "GET / HTTP/1.1\r\nBad name: x\r\n\r\n",
          "GET / HTTP/1.1\r\nX: a\x01z\r\n\r\n",
          "\x16\x03\x01\x02\r\n\r\n"}) {
        test::byte_feed own(context);
        request_reader fresh(own.stream(), 16 * 1024);
        own.give(bad);
        auto done = start(fresh.read_head(1min, 1min));
        ASSERT_TRUE(*done) << bad;
        EXPECT_EQ(**done, errc::protocol_violation) << bad;
    }
}

TEST_F(http_request_reader, bad_chunks_are_a_violation) {
    for (const auto* bad :
         {"xyz\r\n", "-1\r\n", "5\r\nhelloXX\r\n", "ffffffffffffffffff\r\n", "5 5\r\nhello\r\n"}) {
        test::byte_feed own(context);
        request_reader fresh(own.stream(), 16 * 1024);
        own.give("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(bad));
        auto head = start(fresh.read_head(1min, 1min));
        ASSERT_TRUE(*head && !**head);
        auto done = start(fresh.relay_body(sink, go_on));
        ASSERT_TRUE(*done) << bad;
        EXPECT_EQ(**done, errc::protocol_violation) << bad;
    }
}

TEST_F(http_request_reader, a_head_is_held_to_its_limit) {
    const std::string most(16 * 1024 - 100, 'h');
    EXPECT_EQ(read_head("GET / HTTP/1.1\r\nX: " + most + "\r\n\r\n"), "ok");
    EXPECT_EQ(
        read_head("GET / HTTP/1.1\r\nX: " + most + std::string(100, 'h') + "\r\n\r\n"),
        message_of(errc::too_large)
    );
}

TEST_F(http_request_reader, an_endless_chunk_header_is_refused) {
    EXPECT_EQ(read_head("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "ok");
    auto reading = start(reader.relay_body(sink, go_on));
    std::size_t given = feed.give("5;");
    for (int i = 0; i < 100 && !*reading; ++i) {
        given += feed.give(std::string(16 * 1024, 'e'));
        run();
    }
    ASSERT_TRUE(*reading);
    EXPECT_EQ(**reading, errc::protocol_violation);
    EXPECT_LE(given, 600u * 1024);
}

TEST_F(http_request_reader, tells_a_peer_that_left_from_one_that_left_in_the_middle) {
    auto idle = start(reader.read_head(1min, 1min));
    feed.end();
    run();
    ASSERT_TRUE(*idle);
    EXPECT_EQ(**idle, asio::error::eof);
}

TEST_F(http_request_reader, notices_a_peer_that_leaves_while_a_reply_is_awaited) {
    EXPECT_EQ(read_head("GET / HTTP/1.1\r\n\r\n"), "ok");
    bool left = false;
    reader.watch_peer([&] { left = true; });
    run();
    EXPECT_FALSE(left);
    feed.give("GET /next HTTP/1.1\r\n\r\n");
    run();
    EXPECT_FALSE(left) << "what it sends belongs to the next request";
    feed.end();
    run();
    EXPECT_TRUE(left);
    reader.unwatch_peer();
    EXPECT_EQ(read_head(""), "ok");
    EXPECT_EQ(reader.header().target(), "/next");
}

TEST_F(http_request_reader, a_watch_ends_with_the_connection_also_when_too_much_came_ahead) {
    EXPECT_EQ(read_head("GET / HTTP/1.1\r\n\r\n"), "ok");
    int left = 0;
    reader.watch_peer([&] { ++left; });
    feed.give(std::string(200'000, 'x'));
    for (int i = 0; i < 200; ++i)
        run();
    EXPECT_EQ(left, 0);
    reader.closed();
    reader.closed();
    run();
    EXPECT_EQ(left, 1);
}

TEST_F(http_request_reader, relays_a_body_that_was_pipelined_whole_without_waiting_for_more) {
    EXPECT_EQ(read_head("GET / HTTP/1.1\r\n\r\n"), "ok");
    reader.watch_peer([] { FAIL() << "nobody left"; });
    feed.give("POST /next HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n0\r\n\r\n");
    run();
    reader.unwatch_peer();
    EXPECT_EQ(read_head(""), "ok");
    auto reading = start(reader.relay_body(sink, go_on));
    ASSERT_TRUE(*reading);
    EXPECT_FALSE(**reading);
    EXPECT_EQ(body, "data");
}

TEST_F(http_request_reader, relays_a_body_whose_end_the_read_ahead_receives) {
    EXPECT_EQ(read_head("GET / HTTP/1.1\r\n\r\n"), "ok");
    reader.watch_peer([] { FAIL() << "nobody left"; });
    feed.give("POST /next HTTP/1.1\r\nContent-Length: 8\r\n\r\nhalf");
    run();
    reader.unwatch_peer();
    EXPECT_EQ(read_head(""), "ok");
    auto reading = start(reader.relay_body(sink, go_on));
    EXPECT_FALSE(*reading);
    EXPECT_EQ(body, "half") << "what is there is passed on at once";
    feed.give("rest");
    run();
    ASSERT_TRUE(*reading);
    EXPECT_FALSE(**reading);
    EXPECT_EQ(body, "halfrest");
}

TEST_F(http_request_reader, the_read_ahead_can_be_stopped_without_loss) {
    EXPECT_EQ(read_head("GET / HTTP/1.1\r\n\r\n"), "ok");
    reader.watch_peer([] { FAIL() << "nobody left"; });
    feed.give("GET /second HT");
    run();
    auto stopped = start([this]() -> awaitable<bool> {
        co_await reader.stop_ahead();
        co_return true;
    }());
    run();
    ASSERT_TRUE(*stopped);
    EXPECT_EQ(read_head("TP/1.1\r\n\r\n"), "ok");
    EXPECT_EQ(reader.header().target(), "/second");
}

TEST_F(http_request_reader, an_idle_peer_and_a_slow_head_run_into_their_limits) {
    auto idle = start(reader.read_head(20ms, 1min));
    context.restart();
    context.run_for(200ms);
    ASSERT_TRUE(*idle);
    EXPECT_EQ(**idle, errc::timed_out);
    EXPECT_EQ(reader.buffered(), 0u);
    auto slow = start(reader.read_head(1min, 20ms));
    feed.give("GET / HT");
    context.restart();
    context.run_for(200ms);
    ASSERT_TRUE(*slow);
    EXPECT_EQ(**slow, errc::timed_out);
    EXPECT_GT(reader.buffered(), 0u);
}

} // namespace
} // namespace rivulet::http
