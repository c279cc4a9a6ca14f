#include "http/websocket_upgrade.hpp"

#include <gtest/gtest.h>

namespace rivulet::http {
namespace {

using beast_http::field;

beast_http::request_header<> handshake() {
    beast_http::request_header<> header;
    header.method(verb::get);
    header.version(11);
    header.target("/events");
    header.set(field::host, "127.0.0.1:8935");
    header.set(field::upgrade, "websocket");
    header.set(field::connection, "keep-alive, Upgrade");
    header.set(field::sec_websocket_version, "13");
    header.set(field::sec_websocket_key, "dGhlIHNhbXBsZSBub25jZQ==");
    return header;
}

TEST(websocket_upgrade, knows_an_upgrade_from_other_requests) {
    auto header = handshake();
    EXPECT_TRUE(wants_websocket(header));
    header.set(field::upgrade, "h2c, WebSocket");
    EXPECT_TRUE(wants_websocket(header));
    header.set(field::upgrade, "h2c");
    EXPECT_FALSE(wants_websocket(header));
    header.erase(field::upgrade);
    EXPECT_FALSE(wants_websocket(header));
}

TEST(websocket_upgrade, takes_a_browsers_handshake) {
    auto header = handshake();
    header.set(field::sec_websocket_extensions, "permessage-deflate; client_max_window_bits");
    const auto offer = check_upgrade(header);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->key, "dGhlIHNhbXBsZSBub25jZQ==");
    EXPECT_EQ(offer->deflate, "permessage-deflate; client_max_window_bits");
}

TEST(websocket_upgrade, tells_another_version_from_a_bad_request) {
    auto header = handshake();
    header.set(field::sec_websocket_version, "8");
    EXPECT_EQ(check_upgrade(header).error().code, errc::unsupported);
    header.erase(field::sec_websocket_version);
    EXPECT_EQ(check_upgrade(header).error().code, errc::unsupported);
}

TEST(websocket_upgrade, refuses_what_is_no_handshake) {
    const auto refused = [](auto change) {
        auto header = handshake();
        change(header);
        const auto offer = check_upgrade(header);
        return !offer && offer.error().code == errc::invalid_argument;
    };
    EXPECT_TRUE(refused([](auto& h) { h.method(verb::post); }));
    EXPECT_TRUE(refused([](auto& h) { h.version(10); }));
    EXPECT_TRUE(refused([](auto& h) { h.set(field::connection, "keep-alive"); }));
    EXPECT_TRUE(refused([](auto& h) { h.erase(field::sec_websocket_key); }));
    EXPECT_TRUE(refused([](auto& h) { h.set(field::sec_websocket_key, "dGhlIHNhbXBsZQ=="); }));
    EXPECT_TRUE(refused([](auto& h) { h.set(field::sec_websocket_key, "dGhlIHNhbXBs!SBub25jZQ=="); }
    ));
}

TEST(websocket_upgrade, says_the_deflate_offer_in_its_own_words) {
    EXPECT_EQ(deflate_offer("permessage-deflate"), "permessage-deflate");
    EXPECT_EQ(
        deflate_offer("x-webkit-deflate-frame, Permessage-Deflate; Server_No_Context_Takeover"),
        "permessage-deflate; server_no_context_takeover"
    );
    EXPECT_EQ(
        deflate_offer("permessage-deflate; server_max_window_bits=10; client_max_window_bits=15"),
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=15"
    );
}

TEST(websocket_upgrade, goes_on_to_the_next_offer_when_one_asks_too_much) {
    EXPECT_EQ(
        deflate_offer("permessage-deflate; server_max_window_bits=8, permessage-deflate"),
        "permessage-deflate"
    );
    EXPECT_EQ(deflate_offer("permessage-deflate; server_max_window_bits=16"), "");
    EXPECT_EQ(deflate_offer("permessage-deflate; server_max_window_bits"), "");
    EXPECT_EQ(deflate_offer("permessage-deflate; a_new_one"), "");
    EXPECT_EQ(deflate_offer("permessage-bzip2"), "");
    EXPECT_EQ(deflate_offer(""), "");
    EXPECT_EQ(deflate_offer(std::string(600, 'a')), "");
}

TEST(websocket_upgrade, hands_on_nothing_that_the_peer_wrote_freely) {
    auto header = handshake();
    header.target("/events?key=secret");
    header.set("X-Forwarded-For", "anything");
    header.set(field::sec_websocket_protocol, "chat");
    const auto offer = check_upgrade(header);
    ASSERT_TRUE(offer);
    EXPECT_EQ(
        upgrade_request(*offer),
        "GET / HTTP/1.1\r\nHost: rivulet\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
}

TEST(websocket_upgrade, compares_a_pages_origin_with_the_host) {
    EXPECT_TRUE(same_origin("http://127.0.0.1:8935", "127.0.0.1:8935"));
    EXPECT_TRUE(same_origin("http://Example.org", "example.ORG:80"));
    EXPECT_TRUE(same_origin("https://example.org", "example.org"));
    EXPECT_TRUE(same_origin("https://[::1]:8935", "[::1]:8935"));
    EXPECT_TRUE(same_origin("http://[::1]", "[::1]"));
    EXPECT_FALSE(same_origin("http://evil.example", "127.0.0.1:8935"));
    EXPECT_FALSE(same_origin("http://127.0.0.1:3000", "127.0.0.1:8935"));
    EXPECT_FALSE(same_origin("https://example.org", "example.org:80"));
    EXPECT_FALSE(same_origin("null", "null"));
    EXPECT_FALSE(same_origin("http://", ""));
}

} // namespace
} // namespace rivulet::http
