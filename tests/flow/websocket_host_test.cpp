// WebSockets from the handshake at the HTTP server to libwebsockets and back.
#include "http/server.hpp"
#include "http/websocket_host.hpp"
#include "support/raw_http.hpp"
#include "support/websocket_client.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using http::websocket_output;

bool eventually(const std::function<bool()>& holds, milliseconds limit = 5000ms) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

// What the tests say through, and see of, all sessions of a rig.
struct board {
    std::mutex guard;
    std::deque<websocket_output> waiting; // for the newest session
    std::vector<std::string> heard;
    std::vector<std::function<void()>> wakers;
    int opened = 0, closed = 0;
};

class board_session final : public http::websocket_session {
  public:
    explicit board_session(std::shared_ptr<board> board) : board_(std::move(board)) {}

    void opened(std::function<void()> wake) override {
        const std::lock_guard lock(board_->guard);
        ++board_->opened;
        board_->wakers.push_back(std::move(wake));
    }

    websocket_output next() override {
        const std::lock_guard lock(board_->guard);
        if (board_->waiting.empty())
            return {};
        auto first = std::move(board_->waiting.front());
        board_->waiting.pop_front();
        return first;
    }

    void received(std::string_view message) override {
        const std::lock_guard lock(board_->guard);
        board_->heard.emplace_back(message);
    }

    void closed() override {
        const std::lock_guard lock(board_->guard);
        ++board_->closed;
    }

  private:
    std::shared_ptr<board> board_;
};

websocket_output text_output(std::string text) {
    websocket_output out;
    out.what = websocket_output::kind::text;
    out.text = std::make_shared<const std::string>(std::move(text));
    return out;
}

awaitable<http::websocket_opening>
open_board(std::shared_ptr<board> of, const http::request& asked) {
    http::websocket_opening opening;
    if (asked.query_value("refuse"))
        opening.refusal = http::error_response(http::status::unauthorized, "no key");
    else
        opening.session = std::make_shared<board_session>(of);
    co_return opening;
}

class websocket_rig {
  public:
    explicit websocket_rig(http::websocket_options options = {}, http::tls_context tls = {})
        : host_(options, logger("websocket")), server_(shards_, {}, logger("http")) {
        EXPECT_TRUE(host_.start());
        host_.mount(server_, "/feed/{name}", [of = board_](const http::request& asked) {
            return open_board(of, asked);
        });
        port_ = *server_.listen("127.0.0.1:0", std::move(tls));
    }

    ~websocket_rig() { stop(); }

    void stop() {
        server_.stop(0ms);
        host_.stop();
    }

    // To the session that asks next, waking all.
    void say(websocket_output output) {
        std::vector<std::function<void()>> wakers;
        {
            const std::lock_guard lock(board_->guard);
            board_->waiting.push_back(std::move(output));
            wakers = board_->wakers;
        }
        for (const auto& wake : wakers)
            wake();
    }

    void say(std::string text) { say(text_output(std::move(text))); }

    std::vector<std::string> heard() {
        const std::lock_guard lock(board_->guard);
        return board_->heard;
    }

    int opened() {
        const std::lock_guard lock(board_->guard);
        return board_->opened;
    }

    int closed() {
        const std::lock_guard lock(board_->guard);
        return board_->closed;
    }

    std::shared_ptr<http::websocket_session> new_session() {
        return std::make_shared<board_session>(board_);
    }

    std::uint16_t port() const { return port_; }

    http::websocket_host& host() { return host_; }

    http::server& server() { return server_; }

  private:
    shards shards_{2};
    std::shared_ptr<board> board_ = std::make_shared<board>();
    http::websocket_host host_;
    http::server server_;
    std::uint16_t port_ = 0;
};

std::string handshake_text(std::string_view extra = {}) {
    return request_text(
        "GET",
        "/feed/a",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
            std::string(extra)
    );
}

TEST(websocket_host, carries_messages_both_ways_with_and_without_compression) {
    for (const bool deflate : {true, false}) {
        websocket_rig rig;
        websocket_client client(rig.port(), "/feed/a", {.deflate = deflate});
        ASSERT_EQ(client.status(), 101);
        EXPECT_EQ(
            client.header("Sec-WebSocket-Extensions").starts_with("permessage-deflate"), deflate
        );
        rig.say("hello");
        EXPECT_EQ(client.read(), "hello");
        client.send("good day");
        EXPECT_TRUE(eventually([&] { return rig.heard() == std::vector<std::string>{"good day"}; })
        );
        client.close();
        EXPECT_TRUE(eventually([&] { return rig.closed() == 1; }));
        EXPECT_EQ(rig.host().stats().connections, 0u);
    }
}

TEST(websocket_host, sends_messages_of_every_size_in_order) {
    websocket_rig rig;
    websocket_client client(rig.port(), "/feed/a");
    std::vector<std::string> sent;
    for (const std::size_t size :
         {0, 1, 125, 126, 127, 1023, 1024, 1025, 4096, 16383, 65535, 65536, 300'000}) {
        std::string text;
        for (std::size_t i = 0; text.size() < size; ++i)
            text += std::to_string(i * 2654435761u); // not too easy to compress
        text.resize(size);
        sent.push_back(text);
        rig.say(text);
    }
    for (const auto& text : sent) {
        const auto got = client.read();
        EXPECT_EQ(got.size(), text.size());
        EXPECT_TRUE(got == text);
    }
}

TEST(websocket_host, keeps_its_place_among_many_small_messages) {
    websocket_rig rig;
    websocket_client client(rig.port(), "/feed/a");
    for (int i = 0; i < 2'000; ++i)
        rig.say("{\"seq\":" + std::to_string(i) + "}");
    for (int i = 0; i < 2'000; ++i)
        ASSERT_EQ(client.read(), "{\"seq\":" + std::to_string(i) + "}");
}

TEST(websocket_host, serves_tls_on_the_same_port_as_https) {
    const auto tls = http::self_signed_tls("127.0.0.1");
    ASSERT_TRUE(tls);
    websocket_rig rig({}, *tls);
    websocket_client client(rig.port(), "/feed/a", {.tls = true});
    ASSERT_EQ(client.status(), 101);
    EXPECT_TRUE(client.header("Sec-WebSocket-Extensions").starts_with("permessage-deflate"));
    std::string large;
    for (int i = 0; large.size() < 200'000; ++i)
        large += std::to_string(i * 2654435761u);
    rig.say(large);
    EXPECT_TRUE(client.read() == large);
    client.send("from the browser");
    EXPECT_TRUE(eventually([&] { return rig.heard().size() == 1; }));
    EXPECT_EQ(rig.server().connections(), 1u); // it counts while it is relayed
    client.close();
    EXPECT_TRUE(eventually([&] { return rig.closed() == 1; }));
    EXPECT_TRUE(eventually([&] { return rig.server().connections() == 0; }));
}

TEST(websocket_host, notices_a_tls_client_that_drops_and_a_server_that_closes) {
    const auto tls = http::self_signed_tls("127.0.0.1");
    websocket_rig rig({}, *tls);
    {
        websocket_client client(rig.port(), "/feed/a", {.tls = true});
        client.drop();
        EXPECT_TRUE(eventually([&] { return rig.closed() == 1; }));
    }
    websocket_client client(rig.port(), "/feed/a", {.tls = true});
    websocket_output end;
    end.what = websocket_output::kind::close;
    end.code = 4001;
    end.reason = "over";
    rig.say(std::move(end));
    EXPECT_EQ(client.read_to_close(), 4001);
    EXPECT_TRUE(eventually([&] { return rig.server().connections() == 0; }));
}

TEST(websocket_host, closes_with_the_code_that_the_session_gives) {
    websocket_rig rig;
    websocket_client client(rig.port(), "/feed/a");
    websocket_output end;
    end.what = websocket_output::kind::close;
    end.code = 1013;
    end.reason = "come again";
    rig.say(std::move(end));
    EXPECT_EQ(client.read_to_close(), 1013);
}

TEST(websocket_host, hands_the_refusal_of_a_route_on_as_http) {
    websocket_rig rig;
    websocket_client client(rig.port(), "/feed/a?refuse=1");
    EXPECT_EQ(client.status(), 401);
    EXPECT_EQ(rig.host().stats().connections, 0u);
    EXPECT_EQ(rig.opened(), 0);
}

TEST(websocket_host, answers_other_requests_on_its_paths_as_http) {
    websocket_rig rig;
    const auto plain = ask(rig.port(), request_text("GET", "/feed/a"));
    EXPECT_EQ(plain.status, 426);
    EXPECT_EQ(plain["Upgrade"], "websocket");
    const auto old =
        ask(rig.port(),
            request_text(
                "GET",
                "/feed/a",
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
            ));
    EXPECT_EQ(old.status, 426);
    EXPECT_EQ(old["Sec-WebSocket-Version"], "13");
    const auto keyless =
        ask(rig.port(),
            request_text(
                "GET",
                "/feed/a",
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            ));
    EXPECT_EQ(keyless.status, 400);
    EXPECT_EQ(
        ask(rig.port(), request_text("GET", "/elsewhere", "Upgrade: websocket\r\n")).status, 404
    );
}

TEST(websocket_host, refuses_pages_of_another_origin_unless_told_otherwise) {
    websocket_rig rig;
    const auto own = "http://127.0.0.1:" + std::to_string(rig.port());
    EXPECT_EQ(
        websocket_client(rig.port(), "/feed/a", {.headers = {{"Origin", own}}}).status(), 101
    );
    EXPECT_EQ(
        websocket_client(
            rig.port(), "/feed/a", {.headers = {{"Origin", "http://evil.example"}}}
        ).status(),
        403
    );
    http::websocket_options open;
    open.any_origin = true;
    websocket_rig everybody(open);
    EXPECT_EQ(
        websocket_client(
            everybody.port(), "/feed/a", {.headers = {{"Origin", "http://evil.example"}}}
        ).status(),
        101
    );
}

TEST(websocket_host, keeps_to_its_number_of_connections) {
    http::websocket_options two;
    two.connections = 2;
    websocket_rig rig(two);
    websocket_client first(rig.port(), "/feed/a");
    {
        websocket_client second(rig.port(), "/feed/a");
        ASSERT_EQ(second.status(), 101);
        EXPECT_EQ(websocket_client(rig.port(), "/feed/a").status(), 503);
    }
    EXPECT_TRUE(eventually([&] { return rig.host().stats().connections == 1; }));
    EXPECT_EQ(websocket_client(rig.port(), "/feed/a").status(), 101);
}

TEST(websocket_host, closes_on_a_message_that_is_too_large) {
    websocket_rig rig;
    websocket_client client(rig.port(), "/feed/a");
    client.send(std::string(64 * 1024, 'x'));
    EXPECT_TRUE(eventually([&] { return rig.heard().size() == 1; }));
    client.send(std::string(64 * 1024 + 1, 'x'));
    EXPECT_EQ(client.read_to_close(), 1009);
    EXPECT_EQ(rig.heard().size(), 1u);
    EXPECT_TRUE(eventually([&] { return rig.closed() == 1; }));
}

TEST(websocket_host, asks_a_silent_peer_and_hangs_up_on_a_dead_one) {
    http::websocket_options quick;
    quick.ping_after = 1s;
    quick.hang_up_after = 2s;
    websocket_rig rig(quick);
    raw_client dead(rig.port());
    dead.send(handshake_text());
    ASSERT_EQ(dead.read_head().status, 101);
    websocket_client alive(rig.port(), "/feed/a"); // answers pings while it reads
    EXPECT_TRUE(alive.silent_for(4000ms));
    EXPECT_EQ(rig.closed(), 1);
    rig.say("still there");
    EXPECT_EQ(alive.read(), "still there");
    const auto ping = dead.read_exactly(1);
    EXPECT_EQ(static_cast<unsigned char>(ping[0]), 0x89);
}

TEST(websocket_host, says_goodbye_when_it_stops) {
    websocket_rig rig;
    websocket_client client(rig.port(), "/feed/a");
    std::thread stopper([&] { rig.stop(); });
    EXPECT_EQ(client.read_to_close(), 1001);
    stopper.join();
    EXPECT_EQ(rig.closed(), 1);
}

TEST(websocket_host, a_peer_that_reads_nothing_costs_one_message_and_blocks_nobody) {
    websocket_rig rig;
    raw_client stuck(rig.port());
    stuck.shrink_receive_buffer();
    stuck.send(handshake_text());
    ASSERT_EQ(stuck.read_head().status, 101);
    ASSERT_TRUE(eventually([&] { return rig.opened() == 1; }));
    const std::string large(1 << 20, 'x');
    for (int i = 0; i < 20; ++i)
        rig.say(large);
    std::this_thread::sleep_for(200ms);
    EXPECT_LT(rig.host().stats().messages_out, 10u);
    websocket_client other(rig.port(), "/feed/a");
    EXPECT_EQ(other.read().size(), large.size());
}

// --- what must not reach libwebsockets ----------------------------------------------------------

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

constexpr std::string_view two_posts =
    "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

// Pipelined POSTs make version 4.1 spin for ever when it takes them for HTTP.
TEST(websocket_host, pipelined_posts_on_its_path_are_answered_by_the_http_server) {
    websocket_rig rig;
    websocket_client other(rig.port(), "/feed/a");
    raw_client posts(rig.port());
    std::string text(two_posts);
    for (auto at = text.find("/a "); at != std::string::npos; at = text.find("/b "))
        text.replace(at, 2, "/feed/a");
    posts.send(text);
    EXPECT_EQ(posts.read_reply().status, 426);
    EXPECT_EQ(posts.read_reply().status, 426);
    rig.say("alive");
    EXPECT_EQ(other.read(), "alive");
}

TEST(websocket_host, data_behind_a_handshake_is_refused) {
    websocket_rig rig;
    raw_client posts(rig.port());
    posts.send(handshake_text() + std::string(two_posts));
    EXPECT_EQ(posts.read_reply().status, 400);
    EXPECT_TRUE(posts.ends());
    EXPECT_EQ(rig.opened(), 0);
    raw_client with_body(rig.port());
    with_body.send(handshake_text("Content-Length: 5\r\n"));
    EXPECT_EQ(with_body.read_reply().status, 400);
}

TEST(websocket_host, closes_a_socket_that_turns_out_to_carry_plain_http) {
    websocket_rig rig;
    websocket_client other(rig.port(), "/feed/a");
    const std::vector<std::string> heads = {
        std::string(two_posts),
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: "
        "AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        "PURGE / HTTP/1.1\r\nHost: x\r\n\r\n",
        std::string("\0\1\2\3\xff\xfe garbage\r\n\r\n", 18),
    };
    for (const auto& head : heads) {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        const auto before = rig.closed();
        rig.host().adopt_raw(ends[0], head, rig.new_session());
        EXPECT_TRUE(eventually([&] { return rig.closed() == before + 1; })) << head;
        ::close(ends[1]);
    }
    // Posts that come after the handshake are frames, and bad ones.
    raw_client late(rig.port());
    late.send(handshake_text());
    ASSERT_EQ(late.read_head().status, 101);
    const auto before = rig.closed();
    late.send(two_posts);
    // The answer to its close frame is awaited for five seconds.
    EXPECT_TRUE(eventually([&] { return rig.closed() == before + 1; }, 10s));
    const auto busy = cpu_seconds();
    std::this_thread::sleep_for(300ms);
    EXPECT_LT(cpu_seconds() - busy, 0.15);
    rig.say("alive");
    EXPECT_EQ(other.read(), "alive");
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        ++count;
    return count;
}

TEST(websocket_host, three_hundred_connections_leave_nothing_behind) {
    const auto tls = http::self_signed_tls("127.0.0.1");
    websocket_rig plain;
    websocket_rig secure({}, *tls);
    for (int i = 0; i < 4; ++i) { // every shard opens descriptors of its own at first
        websocket_client warm(plain.port(), "/feed/a");
        websocket_client warm_too(secure.port(), "/feed/a", {.tls = true});
    }
    ASSERT_TRUE(eventually([&] { return secure.server().connections() == 0; }));
    const auto before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
        websocket_client one(plain.port(), "/feed/a");
        if (i % 2 == 0)
            one.close();
        raw_client aborted(plain.port());
        aborted.send(handshake_text());
        if (i % 2 == 0)
            aborted.read_head();
        aborted.reset();
        websocket_client other(secure.port(), "/feed/a", {.tls = true});
        if (i % 2 == 0)
            other.drop();
    }
    EXPECT_TRUE(eventually([&] { return plain.host().stats().connections == 0; }));
    EXPECT_TRUE(eventually([&] { return secure.host().stats().connections == 0; }));
    EXPECT_TRUE(eventually([&] { return open_descriptors() <= before; }));
    EXPECT_GE(plain.closed(), 200);
}

} // namespace
} // namespace rivulet::test
