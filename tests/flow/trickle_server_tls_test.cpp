// Trickle over TLS: statement 44 of the trickle spec.
#include "support/trickle_rig.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

// A TLS session of OpenSSL's own over the raw client's socket.
class tls_client {
  public:
    explicit tls_client(std::uint16_t port, std::string protocols = "\x08http/1.1")
        : raw_(port), context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
          session_(SSL_new(context_.get()), &SSL_free) {
        SSL_set_alpn_protos(
            session_.get(),
            reinterpret_cast<const unsigned char*>(protocols.data()),
            static_cast<unsigned>(protocols.size())
        );
        SSL_set_fd(session_.get(), raw_.descriptor());
        const timeval limit{5, 0};
        setsockopt(raw_.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        connected_ = SSL_connect(session_.get()) == 1;
    }

    ~tls_client() { SSL_shutdown(session_.get()); }

    bool connected() const { return connected_; }

    std::string alpn() const {
        const unsigned char* text = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(session_.get(), &text, &size);
        return {reinterpret_cast<const char*>(text), size};
    }

    void send(std::string_view text) {
        while (!text.empty()) {
            const auto n = SSL_write(session_.get(), text.data(), static_cast<int>(text.size()));
            ASSERT_GT(n, 0);
            text.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    // Reads until what came ends with `end`.
    std::string read_until(std::string_view end) {
        std::string got;
        char piece[16 * 1024];
        while (!got.ends_with(end)) {
            const auto n = SSL_read(session_.get(), piece, sizeof piece);
            if (n <= 0)
                return got + " <ended>";
            got.append(piece, static_cast<std::size_t>(n));
        }
        return got;
    }

  private:
    raw_client raw_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> session_;
    bool connected_ = false;
};

trickle::standalone_options with_tls() {
    auto options = trickle_rig::defaults();
    auto context = http::self_signed_tls("127.0.0.1");
    EXPECT_TRUE(context);
    options.tls = *context;
    return options;
}

TEST(trickle_conformance, s44_serves_tls_with_a_self_signed_certificate_and_http_1_1_in_alpn) {
    trickle_rig rig(with_tls());
    tls_client client(rig.port());
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.alpn(), "http/1.1");
    client.send(request_with_body("POST", "/cam/0", "secret"));
    EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
    client.send(request_text("GET", "/cam/0"));
    EXPECT_TRUE(client.read_until("0\r\n\r\n").find("secret") != std::string::npos);
}

TEST(trickle_conformance, s44_picks_http_1_1_when_more_is_offered) {
    trickle_rig rig(with_tls());
    tls_client both(rig.port(), "\x02h2\x08http/1.1");
    ASSERT_TRUE(both.connected());
    EXPECT_EQ(both.alpn(), "http/1.1");
}

TEST(trickle_server_tls, relays_live_both_ways_and_across_shards) {
    trickle_rig rig(with_tls());
    tls_client post(rig.port()), get(rig.port());
    for (int i = 0; i < 6; ++i) { // names on both shards: the connections move
        const auto path = "/cam" + std::to_string(i) + "/0";
        post.send(open_request("POST", path) + chunk_text("first"));
        ASSERT_TRUE(eventually([&] { return rig.next_of("cam" + std::to_string(i)) == 1; }));
        get.send(request_text("GET", path));
        EXPECT_TRUE(get.read_until("first\r\n").starts_with("HTTP/1.1 200"));
        const std::string large(300'000, 'L');
        post.send(chunk_text(large) + chunk_text("last") + "0\r\n\r\n");
        const auto rest = get.read_until("\r\n0\r\n\r\n");
        EXPECT_GT(rest.size(), large.size());
        EXPECT_TRUE(rest.find("<ended>") == std::string::npos);
        EXPECT_TRUE(post.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
    }
}

TEST(trickle_server_tls, keeps_an_idle_post_alive) {
    auto options = with_tls();
    options.trickle.keepalive = 80ms;
    trickle_rig rig(options);
    tls_client post(rig.port());
    post.send(open_request("POST", "/cam/0"));
    EXPECT_EQ(post.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(post.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    post.send(chunk_text("x") + "0\r\n\r\n");
    auto reply = post.read_until("\r\n\r\n");
    if (reply.starts_with("HTTP/1.1 100") && reply.size() == 25)
        reply = post.read_until("\r\n\r\n");
    EXPECT_NE(reply.find("HTTP/1.1 200"), std::string::npos);
}

TEST(trickle_server_tls, ends_a_waiting_reader_and_an_early_answered_writer) {
    trickle_rig rig(with_tls());
    tls_client post(rig.port()), get(rig.port());
    post.send(open_request("POST", "/cam/0"));
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 0; }));
    get.send(request_text("GET", "/cam/0"));
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 2; }));
    {
        tls_client gone(rig.port());
        gone.send(request_text("GET", "/cam/0"));
        ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 3; }));
    }
    EXPECT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 2; }));
    tls_client other(rig.port());
    other.send(request_text("DELETE", "/cam"));
    EXPECT_TRUE(other.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
    EXPECT_NE(get.read_until("\r\n\r\n").find("Lp-Trickle-Closed: terminated"), std::string::npos);
    EXPECT_NE(post.read_until("\r\n\r\n").find("Lp-Trickle-Closed: terminated"), std::string::npos);
}

TEST(trickle_server_tls, plain_text_on_the_tls_port_is_turned_away) {
    trickle_rig rig(with_tls());
    auto plain = rig.client();
    plain.send(request_text("GET", "/cam/0"));
    try {
        EXPECT_EQ(plain.read_to_end().find("HTTP/1.1 200"), std::string::npos);
    } catch (const raw_http_error&) { // a reset
    }
    tls_client good(rig.port());
    EXPECT_TRUE(good.connected());
}

} // namespace
} // namespace rivulet::test
