// Handlers that have the exchange to themselves, over real sockets: bodies that stay unread,
// replies in pieces, files and their ranges, clients that leave.
#include "http/body_writer.hpp"
#include "http/file_reply.hpp"
#include "http/server.hpp"
#include "support/raw_http.hpp"
#include "support/run_on.hpp"
#include "support/scratch.hpp"
#include "support/trickle_rig.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <fcntl.h>
#include <fstream>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using http::verb;

class exchange_rig {
  public:
    explicit exchange_rig(http::server_options options = {})
        : shards_(2), server_(shards_, options, logger("test")) {
        set_log_level(log_level::off);
    }

    ~exchange_rig() { server_.stop(milliseconds(0)); }

    http::server* operator->() { return &server_; }

    exchange_rig& listen() {
        port_ = *server_.listen("127.0.0.1:0");
        return *this;
    }

    raw_client client() const { return raw_client(port_); }

    raw_reply ask(std::string_view request) const { return test::ask(port_, request); }

  private:
    shards shards_;
    http::server server_;
    std::uint16_t port_ = 0;
};

http::response text(std::string body) {
    http::response made;
    made.body = std::move(body);
    made.content_type = "text/plain";
    return made;
}

awaitable<void> count_body(const http::request& head, http::exchange& peer) {
    co_await peer.invite_body();
    std::size_t total = 0;
    const http::body_sink count = [&](std::span<const std::uint8_t> piece) {
        total += piece.size();
    };
    while (!peer.reader().body_done()) {
        auto failed = co_await peer.reader().read_body(count);
        if (failed)
            co_return;
    }
    auto made = text(
        head.params.at("name") + "|" + head.query_value("q").value_or("none") + "|" +
        std::to_string(total) + "|" + head.body
    );
    co_await peer.reply(std::move(made));
}

awaitable<void> refuse_unread(const http::request&, http::exchange& peer) {
    auto made = http::error_response(http::status::unauthorized, "no");
    co_await peer.reply(std::move(made));
}

TEST(exchange_route, has_parameters_and_reads_the_body_itself) {
    exchange_rig rig;
    rig->exchange_route(verb::post, "/count/{name}", count_body);
    rig.listen();
    auto client = rig.client();
    for (int i = 0; i < 2; ++i) {
        client.send(request_with_body("POST", "/count/a%2Fb?q=1", std::string(3'000'000, 'x')));
        EXPECT_EQ(client.read_reply().body, "a/b|1|3000000|") << "past the server's body limit";
    }
    client.send(
        open_request("POST", "/count/c", "Expect: 100-continue\r\n") + chunk_text("123") +
        "0\r\n\r\n"
    );
    EXPECT_EQ(client.read_reply().body, "c|none|3|");
    EXPECT_EQ(client.interim_replies(), 1);
}

TEST(exchange_route, shares_405_and_preflights_with_the_others) {
    http::server_options options;
    options.cors = true;
    exchange_rig rig(options);
    rig->exchange_route(verb::post, "/count/{name}", count_body);
    rig->route(verb::get, "/count/{name}", [](const http::request&) -> awaitable<http::response> {
        co_return text("whole");
    });
    rig.listen();
    const auto refused = rig.ask(request_text("DELETE", "/count/a"));
    EXPECT_EQ(refused.status, 405);
    EXPECT_EQ(refused["Allow"], "POST, GET, OPTIONS");
    EXPECT_EQ(rig.ask(request_text("GET", "/count/a")).body, "whole");
    EXPECT_EQ(rig.ask(request_text("OPTIONS", "/count/a")).status, 204);
    EXPECT_EQ(
        rig.ask(request_with_body("POST", "/count/a", "1"))["Access-Control-Allow-Origin"], "*"
    );
}

TEST(exchange_route, a_reply_before_the_body_arrives_whole) {
    exchange_rig rig;
    rig->exchange_route(verb::post, "/refuse", refuse_unread);
    rig.listen();
    auto client = rig.client();
    // Far more than the socket's buffers hold: without lingering, a reset would eat the reply.
    client.send(request_text("POST", "/refuse", "Content-Length: 8000000\r\n"));
    std::thread sender([&] {
        try {
            client.send(std::string(8'000'000, 'x'));
        } catch (const raw_http_error&) {
        }
    });
    const auto reply = client.read_reply();
    sender.join();
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_TRUE(client.ends());
}

TEST(exchange_route, a_handler_that_throws_is_a_500_and_one_that_is_silent_closes) {
    exchange_rig rig;
    rig->exchange_route(
        verb::get,
        "/throws",
        [](const http::request&, http::exchange&) -> awaitable<void> {
            throw std::runtime_error("a bug");
        }
    );
    rig->exchange_route(
        verb::get,
        "/silent",
        [](const http::request&, http::exchange&) -> awaitable<void> { co_return; }
    );
    rig.listen();
    EXPECT_EQ(rig.ask(request_text("GET", "/throws")).status, 500);
    auto client = rig.client();
    client.send(request_text("GET", "/silent"));
    EXPECT_TRUE(client.ends());
}

TEST(exchange_route, the_servers_own_refusals_can_be_worded) {
    http::server_options options;
    options.error_body = [](http::status why, std::string_view message) {
        return http::json_response({{"detail", {{"msg", message}}}}, why);
    };
    exchange_rig rig(options);
    rig->exchange_route(verb::post, "/count/{name}", count_body);
    rig.listen();
    for (const auto& request :
         {request_text("GET", "/count/a"),
          request_text("GET", "/nowhere"),
          std::string("nonsense\r\n\r\n")}) {
        const auto reply = rig.ask(request);
        EXPECT_GE(reply.status, 400);
        EXPECT_TRUE(boost::json::parse(reply.body).at("detail").as_object().contains("msg"));
    }
}

// --- clients that leave --------------------------------------------------------------------------

struct watched {
    std::atomic<int> begun{0}, left{0}, stayed{0};
};

awaitable<void> wait_watching(watched& seen, http::exchange& peer) {
    auto reading = http::body_sink([](std::span<const std::uint8_t>) {});
    while (!peer.reader().body_done()) {
        auto failed = co_await peer.reader().read_body(reading);
        if (failed)
            co_return;
    }
    asio::steady_timer timer(peer.connection().executor(), 200ms);
    bool gone = false;
    peer.reader().watch_peer([&] {
        gone = true;
        timer.cancel();
    });
    ++seen.begun;
    co_await timer.async_wait(as_tuple);
    if (gone) {
        ++seen.left;
        co_return;
    }
    peer.reader().unwatch_peer();
    ++seen.stayed;
    auto made = text("done");
    co_await peer.reply(std::move(made));
}

TEST(exchange_route, a_client_that_leaves_is_noticed_at_once) {
    watched seen;
    exchange_rig rig;
    rig->exchange_route(verb::post, "/wait", [&](const http::request&, http::exchange& peer) {
        return wait_watching(seen, peer);
    });
    rig.listen();
    for (const bool reset : {false, true}) {
        auto client = rig.client();
        client.send(request_with_body("POST", "/wait", "body"));
        const int before = seen.left;
        ASSERT_TRUE(eventually([&] { return seen.begun == before + 1; }));
        const auto begin = steady_clock::now();
        if (reset)
            client.reset();
        else
            client.close();
        ASSERT_TRUE(eventually([&] { return seen.left == before + 1; }));
        EXPECT_LT(steady_clock::now() - begin, 100ms);
    }
    EXPECT_EQ(seen.stayed, 0);
}

TEST(exchange_route, a_watched_client_may_send_its_next_request_ahead) {
    watched seen;
    exchange_rig rig;
    rig->exchange_route(verb::post, "/wait", [&](const http::request&, http::exchange& peer) {
        return wait_watching(seen, peer);
    });
    rig->exchange_route(verb::post, "/count/{name}", count_body);
    rig.listen();
    auto client = rig.client();
    client.send(request_with_body("POST", "/wait", "body"));
    ASSERT_TRUE(eventually([&] { return seen.begun == 1; }));
    client.send(request_with_body("POST", "/count/next", "12345"));
    EXPECT_EQ(client.read_reply().body, "done");
    EXPECT_EQ(client.read_reply().body, "next|none|5|");
    EXPECT_EQ(seen.left, 0);
}

// --- replies in pieces ---------------------------------------------------------------------------

http::response events_head() {
    http::response head;
    head.content_type = "text/event-stream";
    return head;
}

awaitable<void> three_pieces(http::exchange& peer, error_code& ended) {
    http::body_writer body(peer);
    const auto head = events_head();
    body.start(head);
    co_await body.flush();
    co_await body.write("one,");
    co_await body.write("");
    co_await body.write("two,");
    ended = co_await body.end("three");
}

TEST(body_writer, writes_chunks_or_until_the_connection_ends) {
    error_code ended;
    exchange_rig rig;
    rig->exchange_route(verb::get, "/pieces", [&](const http::request&, http::exchange& peer) {
        return three_pieces(peer, ended);
    });
    rig.listen();
    auto client = rig.client();
    for (int i = 0; i < 2; ++i) {
        client.send(request_text("GET", "/pieces"));
        const auto reply = client.read_reply();
        EXPECT_EQ(reply["Transfer-Encoding"], "chunked");
        EXPECT_EQ(reply["Content-Type"], "text/event-stream");
        EXPECT_EQ(reply.body, "one,two,three");
    }
    client.send(request_text("HEAD", "/pieces"));
    EXPECT_EQ(client.read_reply(true).status, 200);
    client.send(request_text("GET", "/pieces"));
    client.read_head();
    EXPECT_EQ(client.read_chunk(), "one,") << "each piece at once, none empty";
    EXPECT_EQ(client.read_chunk(), "two,");
    EXPECT_EQ(client.read_chunk(), "three");
    auto old = rig.client();
    old.send("GET /pieces HTTP/1.0\r\n\r\n");
    const auto reply = old.read_head();
    EXPECT_FALSE(reply.has("Transfer-Encoding"));
    EXPECT_EQ(old.read_to_end(), "one,two,three");
    EXPECT_FALSE(ended);
}

awaitable<void> announce(http::exchange& peer, std::uint64_t length, error_code& ended) {
    http::body_writer body(peer);
    const auto head = events_head();
    body.start(head, length);
    co_await body.write("12345");
    ended = co_await body.end("678");
}

TEST(body_writer, holds_to_the_length_that_was_announced) {
    std::atomic<std::uint64_t> length{8};
    error_code ended;
    exchange_rig rig;
    rig->exchange_route(verb::get, "/sized", [&](const http::request&, http::exchange& peer) {
        return announce(peer, length, ended);
    });
    rig.listen();
    auto client = rig.client();
    for (int i = 0; i < 2; ++i) {
        client.send(request_text("GET", "/sized"));
        const auto reply = client.read_reply();
        EXPECT_EQ(reply["Content-Length"], "8");
        EXPECT_EQ(reply.body, "12345678");
        EXPECT_FALSE(reply.has("Connection"));
    }
    for (const std::uint64_t wrong : {7, 9}) {
        length = wrong;
        auto cheated = rig.client();
        cheated.send(request_text("GET", "/sized"));
        EXPECT_EQ(cheated.read_head()["Content-Length"], std::to_string(wrong));
        EXPECT_EQ(cheated.read_to_end(), "12345") << "cut, and the connection closed";
        ASSERT_TRUE(eventually([&] { return ended == errc::invalid_argument; }));
        ended = {};
    }
}

awaitable<void> write_much(http::exchange& peer, std::atomic<int>& ended) {
    http::body_writer body(peer, 100ms);
    const auto head = events_head();
    body.start(head);
    const std::string piece(1'000'000, 'x');
    error_code failed;
    for (int i = 0; i < 100 && !failed; ++i)
        failed = co_await body.write(piece);
    EXPECT_EQ(failed, errc::timed_out);
    EXPECT_EQ(co_await body.end(), errc::timed_out) << "it stays";
    ++ended;
}

TEST(body_writer, a_peer_that_takes_nothing_is_cut) {
    std::atomic<int> ended{0};
    exchange_rig rig;
    rig->exchange_route(verb::get, "/much", [&](const http::request&, http::exchange& peer) {
        return write_much(peer, ended);
    });
    rig.listen();
    auto client = rig.client();
    client.shrink_receive_buffer();
    client.send(request_text("GET", "/much"));
    EXPECT_TRUE(eventually([&] { return ended == 1; }));
}

// --- files ---------------------------------------------------------------------------------------

class file_rig {
  public:
    file_rig() : disk_(1) {
        for (int i = 0; i < 700'000; ++i)
            content_ += static_cast<char>(i * 31 + i / 251);
        const auto path = folder_ / "file";
        std::ofstream(path, std::ios::binary) << content_;
        file_ = std::make_shared<http::shared_file>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        const auto block = bytes::copy_of(content_);
        for (const std::string where : {"memory", "file", "disk"})
            rig_->exchange_route(
                verb::get,
                "/" + where,
                [=, this](const http::request&, http::exchange& peer) {
                    auto made = where == "memory" ? http::file_reply(block)
                                                  : http::file_reply(file_, content_.size());
                    made.disk = where == "disk" ? &disk_ : nullptr;
                    made.content_type = "video/mp4";
                    made.etag = "\"v1\"";
                    made.headers = {{"Cache-Control", "max-age=5"}};
                    return send(peer, std::move(made));
                }
            );
        rig_->exchange_route(verb::get, "/cut", [this](const http::request&, http::exchange& peer) {
            return send(peer, http::file_reply(file_, content_.size() + 10));
        });
        rig_->exchange_route(verb::get, "/empty", [](const http::request&, http::exchange& peer) {
            return send(peer, http::file_reply(bytes()));
        });
        rig_.listen();
    }

    static awaitable<void> send(http::exchange& peer, http::file_reply what) {
        co_await http::send_file(peer, std::move(what));
    }

    raw_reply get(const std::string& path, const std::string& headers = {}) const {
        return rig_.ask(request_text("GET", path, headers));
    }

    const std::string& content() const { return content_; }

    raw_client client() const { return rig_.client(); }

  private:
    scratch folder_;
    std::string content_;
    std::shared_ptr<http::shared_file> file_;
    blocking_threads disk_;
    exchange_rig rig_;
};

TEST(file_reply, sends_all_or_a_range_from_memory_and_disk) {
    file_rig rig;
    for (const std::string path : {"/memory", "/file", "/disk"}) {
        const auto all = rig.get(path);
        EXPECT_EQ(all.status, 200);
        EXPECT_EQ(all["Content-Type"], "video/mp4");
        EXPECT_EQ(all["Accept-Ranges"], "bytes");
        EXPECT_EQ(all["ETag"], "\"v1\"");
        EXPECT_EQ(all["Cache-Control"], "max-age=5");
        EXPECT_TRUE(all.body == rig.content()) << path;
        const auto part = rig.get(path, "Range: bytes=1000-600000\r\n");
        EXPECT_EQ(part.status, 206);
        EXPECT_EQ(part["Content-Range"], "bytes 1000-600000/700000");
        EXPECT_EQ(part["Content-Length"], "599001");
        EXPECT_TRUE(part.body == rig.content().substr(1000, 599'001)) << path;
        EXPECT_EQ(rig.get(path, "Range: bytes=-5\r\n").body, rig.content().substr(699'995));
    }
}

TEST(file_reply, head_says_what_get_would) {
    file_rig rig;
    auto client = rig.client();
    client.send(request_text("HEAD", "/disk", "Range: bytes=0-5\r\n"));
    const auto head = client.read_reply(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head["Content-Length"], "700000");
    client.send(request_text("GET", "/memory", "Range: bytes=0-5\r\n"));
    EXPECT_EQ(client.read_reply().body, rig.content().substr(0, 6));
}

TEST(file_reply, what_the_peer_has_already_is_not_sent) {
    file_rig rig;
    const auto same = rig.get("/disk", "If-None-Match: W/\"v1\"\r\n");
    EXPECT_EQ(same.status, 304);
    EXPECT_EQ(same["ETag"], "\"v1\"");
    EXPECT_EQ(same.body, "");
    EXPECT_EQ(rig.get("/disk", "If-None-Match: \"v0\"\r\n").status, 200);
    EXPECT_EQ(rig.get("/disk", "If-Match: \"v0\"\r\n").status, 412);
    EXPECT_EQ(rig.get("/disk", "If-Match: \"v1\"\r\n").status, 200);
    EXPECT_EQ(rig.get("/disk", "Range: bytes=0-5\r\nIf-Range: \"v1\"\r\n").status, 206);
    EXPECT_EQ(rig.get("/disk", "Range: bytes=0-5\r\nIf-Range: \"v0\"\r\n").status, 200);
}

TEST(file_reply, a_range_past_the_end_is_416) {
    file_rig rig;
    const auto refused = rig.get("/disk", "Range: bytes=700000-\r\n");
    EXPECT_EQ(refused.status, 416);
    EXPECT_EQ(refused["Content-Range"], "bytes */700000");
    EXPECT_EQ(rig.get("/empty").body, "");
    EXPECT_EQ(rig.get("/empty").status, 200);
}

TEST(file_reply, a_file_that_is_shorter_than_said_is_cut_not_filled) {
    file_rig rig;
    auto client = rig.client();
    client.send(request_text("GET", "/cut"));
    EXPECT_EQ(client.read_head()["Content-Length"], "700010");
    EXPECT_LE(client.read_to_end().size(), 700'000u);
}

} // namespace
} // namespace rivulet::test
