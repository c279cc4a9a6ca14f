#include "http/exchange.hpp"
#include "support/byte_feed.hpp"

#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

namespace rivulet::http {
namespace {

using namespace std::chrono_literals;

// One request that has been read, and what answers to it look like.
struct asked {
    explicit asked(const std::string& request, bool cors = false)
        : now(*feed.stream(), reader, cors) {
        feed.give(request);
        asio::co_spawn(
            context,
            reader.read_head(1min, 1min),
            [](std::exception_ptr, error_code ec) { EXPECT_FALSE(ec); }
        );
        context.poll();
    }

    asio::io_context context;
    test::byte_feed feed{context};
    request_reader reader{feed.stream(), 16 * 1024};
    exchange now;
};

response ok(std::string body) {
    response made;
    made.body = std::move(body);
    made.content_type = "text/plain";
    made.headers = {{"X-One", "1"}};
    return made;
}

TEST(http_exchange, writes_status_headers_length_and_body) {
    asked get("GET /a?b=c HTTP/1.1\r\nX-Key: v\r\n\r\n");
    EXPECT_EQ(get.now.path(), "/a");
    EXPECT_EQ(get.now["x-key"], "v");
    EXPECT_EQ(get.now["absent"], "");
    EXPECT_EQ(
        get.now.render(ok("body"), after_reply::keep_alive),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-One: 1\r\nContent-Length: 4\r\n\r\nbody"
    );
}

TEST(http_exchange, says_close_when_it_closes) {
    asked get("GET / HTTP/1.1\r\n\r\n");
    EXPECT_NE(
        get.now.render(ok(""), after_reply::close).find("Connection: close\r\n"), std::string::npos
    );
    asked closing("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_NE(
        closing.now.render(ok(""), after_reply::keep_alive).find("Connection: close\r\n"),
        std::string::npos
    );
    asked unread("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
    EXPECT_NE(
        unread.now.render(ok(""), after_reply::keep_alive).find("Connection: close\r\n"),
        std::string::npos
    );
    unread.now.finished(after_reply::keep_alive);
    EXPECT_EQ(unread.now.then(), after_reply::close) << "the next request can't be found";
    EXPECT_NE(unread.now.streaming_head(ok("")).find("Connection: close\r\n"), std::string::npos);
}

TEST(http_exchange, speaks_1_0_to_old_clients) {
    asked old("GET / HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(old.now.render(ok(""), after_reply::keep_alive).starts_with("HTTP/1.0 200 OK\r\n"));
    EXPECT_FALSE(old.now.chunked());
    EXPECT_EQ(old.now.streaming_head(ok("")).find("chunked"), std::string::npos);
    asked kept("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_NE(
        kept.now.render(ok(""), after_reply::keep_alive).find("Connection: keep-alive\r\n"),
        std::string::npos
    );
    EXPECT_NE(kept.now.streaming_head(ok("")).find("Connection: close\r\n"), std::string::npos)
        << "an unframed body ends with the connection";
}

TEST(http_exchange, head_requests_get_the_length_and_no_body) {
    asked head("HEAD / HTTP/1.1\r\n\r\n");
    const auto text = head.now.render(ok("body"), after_reply::keep_alive);
    EXPECT_NE(text.find("Content-Length: 4\r\n"), std::string::npos);
    EXPECT_TRUE(text.ends_with("\r\n\r\n"));
}

TEST(http_exchange, no_length_where_there_can_be_no_body) {
    asked get("GET / HTTP/1.1\r\n\r\n");
    response none;
    none.status = status::no_content;
    EXPECT_EQ(get.now.render(none, after_reply::keep_alive), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(http_exchange, unknown_statuses_have_a_reason_too) {
    asked get("GET / HTTP/1.1\r\n\r\n");
    response odd;
    odd.status = static_cast<status>(470);
    const auto text = get.now.render(odd, after_reply::keep_alive);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 470 ")) << text;
    EXPECT_EQ(text.find('<'), std::string::npos);
}

TEST(http_exchange, a_value_with_a_line_break_forges_no_header) {
    asked get("GET / HTTP/1.1\r\n\r\n");
    auto evil = ok("");
    evil.headers = {{"X-Name", "a\r\nSet-Cookie: b"}};
    EXPECT_EQ(
        get.now.render(evil, after_reply::keep_alive).find("\r\nSet-Cookie"), std::string::npos
    );
}

TEST(http_exchange, cors_is_on_every_reply_when_asked_for) {
    asked get("GET / HTTP/1.1\r\n\r\n", true);
    EXPECT_NE(
        get.now.render(ok(""), after_reply::keep_alive).find("Access-Control-Allow-Origin: *\r\n"),
        std::string::npos
    );
    EXPECT_NE(
        get.now.streaming_head(ok("")).find("Access-Control-Allow-Origin: *\r\n"), std::string::npos
    );
}

} // namespace
} // namespace rivulet::http
