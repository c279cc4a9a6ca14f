// The HTTP server over TLS: protocol versions, a certificate that is renewed while it serves, and
// peers that do not speak TLS.
#include "base/shards.hpp"
#include "http/server.hpp"
#include "http/tls_reload.hpp"
#include "support/certificate_files.hpp"
#include "support/tls_client.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>
#include <functional>
#include <random>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

bool soon(const std::function<bool()>& holds, milliseconds limit = 5000ms) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

awaitable<http::response> hello(const http::request& asked) {
    http::response reply;
    reply.body = asked.secure ? "hello over TLS" : "hello";
    co_return reply;
}

class https_rig {
  public:
    https_rig()
        : tls_(std::move(
              *http::reloading_tls::open(files_.certificate(), files_.key(), logger("tls"))
          )),
          server_(shards_, {}, logger("http")) {
        tls_->watch(shards_.at(0).get_executor(), 20ms);
        server_.route(http::verb::get, "/hello", hello);
        port_ = *server_.listen("127.0.0.1:0", tls_->context());
        plain_port_ = *server_.listen("127.0.0.1:0");
    }

    ~https_rig() { server_.stop(100ms); }

    certificate_files& files() { return files_; }

    http::server& server() { return server_; }

    std::uint16_t port() const { return port_; }

    std::uint16_t plain_port() const { return plain_port_; }

  private:
    certificate_files files_{"first.example"};
    shards shards_{2};
    std::unique_ptr<http::reloading_tls> tls_;
    http::server server_;
    std::uint16_t port_ = 0, plain_port_ = 0;
};

std::string get(tls_client& client) {
    client.send(request_text("GET", "/hello"));
    return client.read_until("TLS");
}

TEST(https, serves_the_same_routes_as_plain_http_beside_it) {
    https_rig rig;
    tls_client client(rig.port());
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.subject(), "first.example");
    for (int i = 0; i < 3; ++i) // on one connection
        EXPECT_TRUE(get(client).starts_with("HTTP/1.1 200"));
    EXPECT_EQ(ask(rig.plain_port(), request_text("GET", "/hello")).body, "hello");
}

TEST(https, speaks_http_1_1_only) {
    https_rig rig;
    tls_client both(rig.port(), {.alpn = "\x02h2\x08http/1.1"});
    EXPECT_EQ(both.alpn(), "http/1.1");
    tls_client old(rig.port(), {.alpn = ""});
    EXPECT_EQ(old.alpn(), "");
    EXPECT_TRUE(get(old).starts_with("HTTP/1.1 200"));
    tls_client newer(rig.port(), {.alpn = "\x02h2"}); // goes on without ALPN, in HTTP/1.1
    EXPECT_EQ(newer.alpn(), "");
    EXPECT_TRUE(get(newer).starts_with("HTTP/1.1 200"));
}

TEST(https, takes_tls_1_2_and_1_3_and_nothing_older) {
    https_rig rig;
    EXPECT_EQ(tls_client(rig.port()).version(), "TLSv1.3");
    EXPECT_TRUE(tls_client(rig.port(), {.highest = TLS1_2_VERSION}).connected());
    EXPECT_FALSE(
        tls_client(rig.port(), {.lowest = TLS1_VERSION, .highest = TLS1_1_VERSION}).connected()
    );
}

TEST(https, a_renewed_certificate_is_used_without_a_restart) {
    https_rig rig;
    tls_client before(rig.port());
    rig.files().write("second.example");
    EXPECT_TRUE(soon([&] { return tls_client(rig.port()).subject() == "second.example"; }));
    EXPECT_TRUE(tls_client(rig.port(), {.highest = TLS1_2_VERSION}).subject() == "second.example");
    EXPECT_TRUE(get(before).starts_with("HTTP/1.1 200")); // old connections go on
    EXPECT_EQ(before.subject(), "first.example");
    EXPECT_EQ(tls_client(rig.port()).alpn(), "http/1.1");
}

TEST(https, a_broken_renewal_leaves_the_old_certificate_in_use) {
    https_rig rig;
    std::ofstream(rig.files().key()) << "-----BEGIN PRIVATE KEY-----\nhalf a ke";
    std::this_thread::sleep_for(100ms);
    tls_client client(rig.port());
    EXPECT_EQ(client.subject(), "first.example");
    EXPECT_TRUE(get(client).starts_with("HTTP/1.1 200"));
    rig.files().write("third.example");
    EXPECT_TRUE(soon([&] { return tls_client(rig.port()).subject() == "third.example"; }));
}

TEST(https, peers_that_speak_no_tls_are_cut_and_leave_nothing_behind) {
    https_rig rig;
    { tls_client warm(rig.port()); }
    raw_client plain(rig.port());
    plain.send(request_text("GET", "/hello"));
    EXPECT_NO_THROW({
        const auto answer = plain.read_to_end(); // at most an alert
        EXPECT_EQ(answer.find("HTTP"), std::string::npos);
    });
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i) {
        raw_client garbage(rig.port());
        std::string bytes(1 + random() % 400, '\0');
        for (auto& byte : bytes)
            byte = static_cast<char>(random());
        if (i % 3 == 0)
            bytes.replace(0, std::min<std::size_t>(3, bytes.size()), "\x16\x03\x01");
        garbage.send(bytes);
        if (i % 2 == 0)
            garbage.reset();
    }
    plain.close();
    EXPECT_TRUE(soon([&] { return rig.server().connections() == 0; }, 15s));
    tls_client client(rig.port());
    EXPECT_TRUE(get(client).starts_with("HTTP/1.1 200"));
}

} // namespace
} // namespace rivulet::test
