#include "batch/public_url.hpp"

#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

http::request addressed(std::string_view host) {
    http::request out;
    out.header.set(http::field::host, host);
    return out;
}

TEST(public_url, takes_a_host_a_port_or_a_whole_url) {
    EXPECT_EQ(public_base(""), "");
    EXPECT_EQ(public_base("gate.example"), "http://gate.example");
    EXPECT_EQ(public_base("gate.example:8935"), "http://gate.example:8935");
    EXPECT_EQ(public_base("https://gate.example/ai/"), "https://gate.example/ai");
}

TEST(public_url, is_how_the_client_addressed_the_gateway) {
    EXPECT_EQ(base_of(addressed("127.0.0.1:8935")), "http://127.0.0.1:8935");
    EXPECT_EQ(base_of(addressed("[::1]:8935")), "http://[::1]:8935");
    auto secure = addressed("gate.example");
    secure.secure = true;
    EXPECT_EQ(base_of(secure), "https://gate.example");
}

TEST(public_url, believes_a_proxy_that_took_the_tls_off) {
    auto head = addressed("gate.example");
    head.header.set("X-Forwarded-Proto", "https");
    EXPECT_EQ(base_of(head), "https://gate.example");
}

TEST(public_url, repeats_nothing_that_is_no_host) {
    EXPECT_EQ(base_of(http::request()), "");
    EXPECT_EQ(base_of(addressed("a/b")), "");
    EXPECT_EQ(base_of(addressed("a\"><script>")), "");
    EXPECT_EQ(base_of(addressed(std::string(300, 'a'))), "");
}

} // namespace
} // namespace rivulet::batch
