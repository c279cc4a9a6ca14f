#include "http/client_parser.hpp"

#include <boost/asio/error.hpp>
#include <gtest/gtest.h>

#include <cstring>

namespace rivulet::http {
namespace {

// Gives the parser `text` in pieces of at most `step` bytes.
error_code feed(reply_parser& parser, std::string_view text, std::size_t step = 1 << 20) {
    while (!text.empty()) {
        auto room = parser.room();
        const auto n = std::min({step, room.size(), text.size()});
        std::memcpy(room.data(), text.data(), n);
        text.remove_prefix(n);
        if (auto failed = parser.commit(n))
            return failed;
    }
    return {};
}

std::string body_of(reply_parser& parser) {
    std::string text;
    for (const auto& piece : parser.take_body())
        text += piece.text();
    return text;
}

TEST(reply_parser, reads_a_reply_with_a_length_byte_by_byte) {
    reply_parser parser;
    ASSERT_FALSE(feed(
        parser, "HTTP/1.1 470 whatever\r\nLp-Trickle-Latest: 5\r\nContent-Length: 3\r\n\r\nabc", 1
    ));
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.head().status, 470u);
    EXPECT_EQ(parser.head()["lp-trickle-LATEST"], "5");
    EXPECT_FALSE(parser.head().has("Lp-Trickle-Closed"));
    EXPECT_EQ(body_of(parser), "abc");
    EXPECT_TRUE(parser.keep_alive());
}

TEST(reply_parser, hands_on_chunks_as_they_arrive) {
    reply_parser parser;
    ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"));
    EXPECT_TRUE(parser.head_ready());
    EXPECT_EQ(body_of(parser), "hel");
    ASSERT_FALSE(feed(parser, "lo\r\n1;x=y\r\n!\r\n"));
    EXPECT_EQ(body_of(parser), "lo!");
    EXPECT_FALSE(parser.done());
    ASSERT_FALSE(feed(parser, "0\r\n\r\n"));
    EXPECT_TRUE(parser.done());
    EXPECT_FALSE(parser.leftover());
}

TEST(reply_parser, takes_chunked_framing_byte_by_byte) {
    for (const char* framing :
         {"0\r\n\r\n", "1\r\nx\r\n0\r\n\r\n", "000\r\n\r\n", "0;e=f\r\nTrailer: t\r\n\r\n"}) {
        for (std::size_t step : {1u, 2u, 3u, 4u}) {
            reply_parser parser;
            ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
            ASSERT_FALSE(feed(parser, framing, step)) << framing;
            EXPECT_TRUE(parser.done()) << framing;
        }
    }
}

TEST(reply_parser, gives_slices_that_outlive_later_reads) {
    reply_parser parser;
    ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    std::vector<bytes> held;
    std::string expected;
    for (int i = 0; i < 3000; ++i) {
        const std::string text = "chunk number " + std::to_string(i) + ";";
        char size[8];
        std::snprintf(size, sizeof size, "%zx", text.size());
        expected += text;
        ASSERT_FALSE(feed(parser, std::string(size) + "\r\n" + text + "\r\n", 7));
        for (auto& piece : parser.take_body())
            held.push_back(std::move(piece));
    }
    std::string got;
    for (const auto& piece : held)
        got += piece.text();
    EXPECT_EQ(got, expected);
}

TEST(trickle_conformance, s55_any_number_of_interim_replies_is_skipped_by_the_parser) {
    reply_parser parser;
    std::string flood;
    for (int i = 0; i < 1000; ++i)
        flood += i % 2 ? "HTTP/1.1 100 Continue\r\n\r\n" : "HTTP/1.1 103 Early\r\nX: y\r\n\r\n";
    ASSERT_FALSE(feed(parser, flood, 1000));
    EXPECT_FALSE(parser.head_ready());
    EXPECT_FALSE(parser.begun());
    ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.head().status, 200u);
    EXPECT_FALSE(parser.head().has("X"));
}

TEST(reply_parser, starts_over_for_the_next_reply_of_a_connection) {
    reply_parser parser;
    for (int i = 0; i < 3; ++i) {
        parser.expect_reply(false);
        EXPECT_FALSE(parser.begun());
        ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
        EXPECT_EQ(body_of(parser), "x");
        EXPECT_TRUE(parser.done());
    }
}

TEST(reply_parser, expects_no_body_after_head) {
    reply_parser parser;
    parser.expect_reply(true);
    ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"));
    EXPECT_TRUE(parser.done());
}

TEST(reply_parser, ends_a_body_without_length_when_the_peer_closes) {
    reply_parser parser;
    ASSERT_FALSE(feed(parser, "HTTP/1.0 200 OK\r\n\r\nall of it"));
    EXPECT_FALSE(parser.done());
    EXPECT_FALSE(parser.commit_eof());
    EXPECT_TRUE(parser.done());
    EXPECT_FALSE(parser.keep_alive());
    EXPECT_EQ(body_of(parser), "all of it");
}

TEST(reply_parser, reports_a_body_that_breaks_off) {
    reply_parser parser;
    ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"));
    EXPECT_EQ(parser.commit_eof(), asio::error::eof);
    reply_parser empty;
    EXPECT_EQ(empty.commit_eof(), asio::error::eof);
}

TEST(reply_parser, refuses_bad_framing_and_endless_heads) {
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const auto& text :
         {std::string("hello\r\n\r\n"),
          std::string("HTTP/3.7 200 OK\r\n\r\n"),
          chunked + "zz\r\n",
          chunked + "5\r\nhelloXX\r\n0\r\n\r\n",
          std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")}) {
        reply_parser parser;
        EXPECT_EQ(feed(parser, text), errc::protocol_violation) << text;
        EXPECT_EQ(parser.commit(0), errc::protocol_violation) << "the failure must stay";
    }
    reply_parser endless;
    EXPECT_EQ(
        feed(endless, "HTTP/1.1 200 OK\r\nX: " + std::string(64 * 1024, 'x')), errc::too_large
    );
    reply_parser extension;
    EXPECT_TRUE(feed(extension, chunked + "1;" + std::string(256 * 1024, 'e')));
}

TEST(reply_parser, notices_bytes_after_the_reply) {
    reply_parser parser;
    ASSERT_FALSE(feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200"));
    EXPECT_TRUE(parser.done());
    EXPECT_TRUE(parser.leftover());
}

} // namespace
} // namespace rivulet::http
