// The HTTP server's plain routes over real sockets: matching, limits, keep-alive, odd clients.
#include "http/server.hpp"
#include "support/raw_http.hpp"
#include "support/trickle_rig.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using http::verb;

class http_rig {
  public:
    explicit http_rig(http::server_options options = {}, std::size_t shard_count = 2)
        : shards_(shard_count), server_(shards_, options, logger("test")) {
        set_log_level(log_level::off);
        server_.route(verb::get, "/hello", [](const http::request&) { return text("hello"); });
        server_.route(verb::get, "/items/{name}", [](const http::request& asked) {
            return text(asked.params.at("name") + "|" + asked.query_value("q").value_or("none"));
        });
        server_.route(verb::post, "/echo", 1000, [](const http::request& asked) {
            return text(asked.body);
        });
        server_.route(verb::put, "/echo", [](const http::request&) { return text("put"); });
        server_.route(verb::get, "/throws", [](const http::request&) -> awaitable<http::response> {
            throw std::runtime_error("a bug");
        });
        server_.route(verb::get, "/slow", [](const http::request&) { return slow(); });
        server_.stream_route(
            "/home/",
            [this](std::string_view rest) { return shards_.index_of(rest); },
            [this](http::exchange& now) { return say_shard(now); }
        );
        server_.stream_route(
            "/broken/",
            [](std::string_view) { return std::size_t{0}; },
            [](http::exchange&) -> awaitable<void> { throw std::runtime_error("a bug"); }
        );
        port_ = *server_.listen("127.0.0.1:0");
    }

    ~http_rig() { server_.stop(milliseconds(0)); }

    raw_client client() const { return raw_client(port_); }

    raw_reply ask(std::string_view request) const { return test::ask(port_, request); }

    http::server& server() { return server_; }

    shards& all() { return shards_; }

    std::uint16_t port() const { return port_; }

  private:
    static awaitable<http::response> text(std::string body) {
        http::response made;
        made.body = std::move(body);
        made.content_type = "text/plain";
        co_return made;
    }

    static awaitable<http::response> slow() {
        asio::steady_timer timer(co_await asio::this_coro::executor, milliseconds(150));
        co_await timer.async_wait(as_tuple);
        co_return co_await text("slow");
    }

    awaitable<void> say_shard(http::exchange& now) {
        http::response made;
        made.body = std::to_string(shards_.current());
        co_await now.reply(std::move(made));
    }

    shards shards_;
    http::server server_;
    std::uint16_t port_ = 0;
};

std::string error_text(const raw_reply& reply) {
    const auto parsed = boost::json::parse(reply.body);
    return std::string(parsed.at("error").at("message").as_string());
}

TEST(http_server, answers_routes_with_their_parameters_and_query) {
    http_rig rig;
    EXPECT_EQ(rig.ask(request_text("GET", "/hello")).body, "hello");
    EXPECT_EQ(rig.ask(request_text("GET", "/items/a%2Fb?q=x%20y")).body, "a/b|x y");
    EXPECT_EQ(rig.ask(request_text("GET", "http://host/items/abs?q=1")).body, "abs|1");
    EXPECT_EQ(rig.ask(request_with_body("POST", "/echo", "body")).body, "body");
}

TEST(http_server, a_missing_path_is_404_and_says_which) {
    http_rig rig;
    const auto reply = rig.ask(request_text("GET", "/nowhere?secret=1"));
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply["Content-Type"], "application/json");
    EXPECT_EQ(error_text(reply), "no such path: /nowhere");
    EXPECT_EQ(rig.ask(request_text("GET", "/hello/")).status, 404);
}

TEST(http_server, another_method_is_405_with_what_is_allowed) {
    http_rig rig;
    auto client = rig.client();
    client.send(request_text("DELETE", "/echo"));
    const auto reply = client.read_reply();
    EXPECT_EQ(reply.status, 405);
    EXPECT_EQ(reply["Allow"], "POST, PUT, OPTIONS");
    client.send(request_with_body("PATCH", "/hello", "with a short body"));
    EXPECT_EQ(client.read_reply().status, 405);
    client.send(request_text("GET", "/hello"));
    EXPECT_EQ(client.read_reply().body, "hello") << "the body was drained";
    client.send(request_text("OPTIONS", "/hello"));
    const auto options = client.read_reply();
    EXPECT_EQ(options.status, 204);
    EXPECT_EQ(options["Allow"], "GET, OPTIONS");
}

TEST(http_server, preflights_are_answered_when_cors_is_on) {
    http::server_options options;
    options.cors = true;
    http_rig rig(options);
    const auto reply = rig.ask(request_text("OPTIONS", "/echo", "Origin: http://page\r\n"));
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply["Access-Control-Allow-Origin"], "*");
    EXPECT_EQ(reply["Access-Control-Allow-Methods"], "POST, PUT, OPTIONS");
    const auto special = rig.ask(request_text(
        "OPTIONS", "/echo", "Origin: http://page\r\nAccess-Control-Request-Headers: prefer\r\n"
    ));
    EXPECT_EQ(special["Access-Control-Allow-Headers"], "prefer");
    EXPECT_EQ(rig.ask(request_text("GET", "/hello"))["Access-Control-Allow-Origin"], "*");
    EXPECT_EQ(rig.ask(request_text("GET", "/nowhere"))["Access-Control-Allow-Origin"], "*");
    http_rig without;
    EXPECT_FALSE(without.ask(request_text("GET", "/hello")).has("Access-Control-Allow-Origin"));
}

TEST(http_server, head_is_get_without_the_body) {
    http_rig rig;
    auto client = rig.client();
    client.send(request_text("HEAD", "/hello"));
    const auto reply = client.read_reply(true);
    EXPECT_EQ(reply["Content-Length"], "5");
    EXPECT_TRUE(client.silent_for(30ms));
    client.send(request_text("GET", "/hello"));
    EXPECT_EQ(client.read_reply().body, "hello");
}

TEST(http_server, a_body_is_held_to_its_limit_exactly) {
    http_rig rig;
    const std::string most(1000, 'b');
    EXPECT_EQ(rig.ask(request_with_body("POST", "/echo", most)).body, most);
    auto declared = rig.client();
    declared.send(request_text("POST", "/echo", "Content-Length: 1001\r\n"));
    const auto reply = declared.read_reply();
    EXPECT_EQ(reply.status, 413) << "before a byte of it came";
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_EQ(error_text(reply), "the body is larger than 1000 bytes");
    auto chunked = rig.client();
    chunked.send(open_request("POST", "/echo")).send_chunk(most);
    EXPECT_TRUE(chunked.silent_for(40ms));
    chunked.send_chunk("x");
    EXPECT_EQ(chunked.read_reply().status, 413);
    auto within = rig.client();
    within.send(open_request("POST", "/echo")).send_chunk(most).end_chunks();
    EXPECT_EQ(within.read_reply().body, most);
}

TEST(http_server, a_large_body_that_is_refused_does_not_lose_the_reply) {
    http_rig rig;
    for (int round = 0; round < 5; ++round) {
        auto client = rig.client();
        client.send(request_text("POST", "/echo", "Content-Length: 104857600\r\n"));
        try {
            for (int i = 0; i < 200; ++i)
                client.send(std::string(50'000, 'x'));
        } catch (const raw_http_error&) {
        }
        ASSERT_EQ(client.read_reply().status, 413);
    }
}

TEST(http_server, a_head_is_held_to_its_limit) {
    http::server_options options;
    options.limits.header_bytes = 4096;
    http_rig rig(options);
    const auto with_header = [](std::size_t size) {
        return request_text("GET", "/hello", "X-Long: " + std::string(size, 'h') + "\r\n");
    };
    EXPECT_EQ(rig.ask(with_header(3900)).status, 200);
    const auto reply = rig.ask(with_header(5000));
    EXPECT_EQ(reply.status, 431);
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_EQ(rig.ask(with_header(500'000)).status, 431);
    EXPECT_EQ(rig.ask("GET /" + std::string(100'000, 'p')).status, 431) << "an endless target";
}

TEST(http_server, malformed_requests_are_400_and_the_connection_ends) {
    http_rig rig;
    for (const auto* bad :
         {"NOT HTTP\r\n\r\n",
          "GET /hello HTTP/1.1\r\nbad header\r\n\r\n",
          "POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n",
          "POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
          "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        auto client = rig.client();
        client.send(bad);
        ASSERT_EQ(client.read_reply().status, 400) << bad;
        ASSERT_TRUE(client.ends()) << bad;
    }
}

TEST(http_server, keeps_connections_until_asked_not_to) {
    http_rig rig;
    auto client = rig.client();
    for (int i = 0; i < 10; ++i) {
        client.send(request_text("GET", "/hello"));
        ASSERT_FALSE(client.read_reply().has("Connection"));
    }
    client.send(request_text("GET", "/hello", "Connection: close\r\n"));
    EXPECT_EQ(client.read_reply()["Connection"], "close");
    EXPECT_TRUE(client.ends());
}

TEST(http_server, http_1_0_clients_are_closed_unless_they_ask) {
    http_rig rig;
    auto old = rig.client();
    old.send("GET /hello HTTP/1.0\r\n\r\n");
    const auto reply = old.read_reply();
    EXPECT_EQ(reply.version, "HTTP/1.0");
    EXPECT_EQ(reply.body, "hello");
    EXPECT_TRUE(old.ends());
    auto kept = rig.client();
    for (int i = 0; i < 3; ++i) {
        kept.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_EQ(kept.read_reply()["Connection"], "keep-alive");
    }
}

TEST(http_server, pipelined_requests_are_answered_in_order) {
    http_rig rig;
    auto client = rig.client();
    client.send(
        request_text("GET", "/items/1") + request_with_body("POST", "/echo", "2") +
        open_request("POST", "/echo") + chunk_text("3") + "0\r\n\r\n" +
        request_text("GET", "/nowhere") + request_text("GET", "/items/5")
    );
    EXPECT_EQ(client.read_reply().body, "1|none");
    EXPECT_EQ(client.read_reply().body, "2");
    EXPECT_EQ(client.read_reply().body, "3");
    EXPECT_EQ(client.read_reply().status, 404);
    EXPECT_EQ(client.read_reply().body, "5|none");
}

TEST(http_server, expect_continue_is_answered_before_the_body_is_sent) {
    http_rig rig;
    auto client = rig.client();
    client.send(request_text("POST", "/echo", "Content-Length: 4\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(client.read_head().status, 100);
    client.send("body");
    EXPECT_EQ(client.read_reply().body, "body");
}

TEST(http_server, a_body_that_will_be_refused_is_not_invited) {
    http_rig rig;
    for (const auto* path : {"/nowhere", "/hello", "/echo"}) {
        auto client = rig.client();
        client.send(request_text("POST", path, "Content-Length: 5000\r\nExpect: 100-continue\r\n"));
        EXPECT_GE(client.read_head().status, 404) << path;
    }
}

TEST(http_server, a_handler_that_throws_is_a_500_and_no_more) {
    http_rig rig;
    for (const auto* path : {"/throws", "/broken/x"}) {
        const auto reply = rig.ask(request_text("GET", path));
        EXPECT_EQ(reply.status, 500) << path;
        EXPECT_EQ(error_text(reply), "internal error");
    }
    EXPECT_EQ(rig.ask(request_text("GET", "/hello")).status, 200);
}

// The names of some channels are all that it takes to use them.
TEST(http_server, secrets_in_the_path_of_a_handler_that_throws_are_not_logged) {
    http_rig rig;
    const std::string secret = "0123456789abcdef0123456789abcdef";
    set_log_level(log_level::error);
    testing::internal::CaptureStderr();
    const auto reply = rig.ask(request_text("GET", "/broken/cam-" + secret + "-in/7"));
    const auto lines = testing::internal::GetCapturedStderr();
    set_log_level(log_level::off);
    EXPECT_EQ(reply.status, 500);
    EXPECT_NE(lines.find("GET /broken/cam-01234567…-in/7: a bug"), std::string::npos) << lines;
    EXPECT_EQ(lines.find(secret.substr(0, 16)), std::string::npos) << lines;
}

TEST(http_server, slow_heads_and_bodies_are_408) {
    http::server_options options;
    options.limits.header = 80ms;
    options.limits.body = 80ms;
    http_rig rig(options);
    auto head = rig.client();
    head.send("GET /hello HT");
    EXPECT_EQ(head.read_reply().status, 408);
    EXPECT_TRUE(head.ends());
    auto body = rig.client();
    body.send(request_text("POST", "/echo", "Content-Length: 4\r\n") + "bo");
    EXPECT_EQ(body.read_reply().status, 408);
    EXPECT_TRUE(body.ends());
}

TEST(http_server, an_idle_connection_ends_without_a_word) {
    http::server_options options;
    options.limits.idle = 80ms;
    http_rig rig(options);
    auto fresh = rig.client();
    EXPECT_TRUE(fresh.ends());
    auto used = rig.client();
    used.send(request_text("GET", "/hello"));
    EXPECT_EQ(used.read_reply().status, 200);
    EXPECT_TRUE(used.ends());
}

TEST(http_server, connections_past_the_limit_get_503) {
    http::server_options options;
    options.limits.connections = 3;
    http_rig rig(options);
    std::vector<raw_client> held;
    for (int i = 0; i < 3; ++i) {
        held.push_back(rig.client());
        held.back().send(request_text("GET", "/hello"));
        ASSERT_EQ(held.back().read_reply().status, 200);
    }
    const auto refused = rig.ask(request_text("GET", "/hello"));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused["Retry-After"], "1");
    EXPECT_EQ(error_text(refused), "too many connections");
    held.pop_back();
    ASSERT_TRUE(eventually([&] { return rig.server().connections() <= 2; }));
    EXPECT_EQ(rig.ask(request_text("GET", "/hello")).status, 200);
}

// --- shards
// ---------------------------------------------------------------------------------------

TEST(http_server, a_connection_moves_to_the_home_of_what_it_asks_for) {
    http_rig rig({}, 3);
    auto client = rig.client();
    std::set<std::size_t> seen;
    for (int i = 0; i < 100; ++i) {
        const auto name = "name" + std::to_string(i);
        client.send(request_text("GET", "/home/" + name));
        const auto expected = rig.all().index_of(name);
        ASSERT_EQ(client.read_reply().body, std::to_string(expected));
        seen.insert(expected);
        if (i % 7 == 0) {
            client.send(request_text("GET", "/hello"));
            ASSERT_EQ(client.read_reply().body, "hello");
        }
    }
    EXPECT_EQ(seen.size(), 3u);
}

TEST(http_server, pipelined_requests_follow_their_connection_from_shard_to_shard) {
    http_rig rig({}, 3);
    auto client = rig.client();
    std::string all;
    for (int i = 0; i < 60; ++i)
        all += request_text("GET", "/home/name" + std::to_string(i));
    client.send(all);
    for (int i = 0; i < 60; ++i)
        ASSERT_EQ(
            client.read_reply().body, std::to_string(rig.all().index_of("name" + std::to_string(i)))
        );
}

TEST(http_server, many_connections_move_at_once) {
    http_rig rig({}, 2);
    std::vector<std::thread> peers;
    std::atomic<int> right{0};
    for (int t = 0; t < 4; ++t)
        peers.emplace_back([&, t] {
            auto client = rig.client();
            for (int i = 0; i < 100; ++i) {
                const auto name = std::to_string(t) + "-" + std::to_string(i);
                client.send(request_text("GET", "/home/" + name));
                right += client.read_reply().body == std::to_string(rig.all().index_of(name));
            }
        });
    for (auto& peer : peers)
        peer.join();
    EXPECT_EQ(right, 400);
}

// --- listening and stopping
// -----------------------------------------------------------------------

TEST(http_server, an_address_that_cannot_be_bound_is_named) {
    http_rig rig;
    auto taken = rig.server().listen("127.0.0.1:" + std::to_string(rig.port()));
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().detail.find(std::to_string(rig.port())), std::string::npos);
    for (const auto* bad :
         {"",
          "host",
          "127.0.0.1",
          "127.0.0.1:",
          "127.0.0.1:99999",
          "nohost:80",
          "127.0.0.1:-1",
          "127.0.0.1:8x"}) {
        auto listened = rig.server().listen(bad);
        ASSERT_FALSE(listened) << bad;
        EXPECT_EQ(listened.error().code, errc::invalid_argument) << bad;
    }
    EXPECT_TRUE(rig.server().listen("[::1]:0") || true); // where the machine has IPv6
}

TEST(http_server, stopping_lets_replies_end_and_closes_idle_connections) {
    http_rig rig;
    auto idle = rig.client();
    idle.send(request_text("GET", "/hello"));
    EXPECT_EQ(idle.read_reply().status, 200);
    auto busy = rig.client();
    busy.send(request_text("GET", "/slow"));
    ASSERT_TRUE(eventually([&] { return rig.server().connections() == 2; }));
    std::this_thread::sleep_for(30ms);
    std::thread stopping([&] { rig.server().stop(3s); });
    EXPECT_TRUE(idle.ends());
    EXPECT_EQ(busy.read_reply().body, "slow");
    EXPECT_TRUE(busy.ends());
    stopping.join();
    EXPECT_EQ(rig.server().connections(), 0u);
    EXPECT_THROW(rig.client(), raw_http_error);
}

TEST(http_server, stopping_does_not_wait_for_ever) {
    http_rig rig;
    auto stuck = rig.client();
    stuck.send(request_text("POST", "/echo", "Content-Length: 10\r\n"));
    ASSERT_TRUE(eventually([&] { return rig.server().connections() == 1; }));
    const auto begin = steady_clock::now();
    rig.server().stop(100ms);
    EXPECT_LT(steady_clock::now() - begin, 2s);
    EXPECT_EQ(rig.server().connections(), 0u);
}

TEST(http_server, stops_while_peers_come_and_go) {
    for (int round = 0; round < 10; ++round) {
        http_rig rig;
        std::atomic<bool> on{true};
        std::vector<std::thread> peers;
        for (int t = 0; t < 3; ++t)
            peers.emplace_back([&] {
                while (on) {
                    try {
                        auto client = rig.client();
                        client.send(
                            request_text("GET", "/home/a") + request_text("GET", "/home/b")
                        );
                        client.read_reply();
                        client.read_reply();
                    } catch (const raw_http_error&) {
                    }
                }
            });
        std::this_thread::sleep_for(10ms);
        rig.server().stop(50ms);
        on = false;
        for (auto& peer : peers)
            peer.join();
        ASSERT_EQ(rig.server().connections(), 0u);
    }
}

} // namespace
} // namespace rivulet::test
