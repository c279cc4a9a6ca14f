#include "http/tls_engine.hpp"
#include "http/tls_reload.hpp"
#include "support/certificate_files.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>

namespace rivulet::http {
namespace {

using test::certificate_files;

// A handshake in memory; the common name that the server showed, or nothing.
std::string presented_by(const tls_context& server_context) {
    auto client_context = client_tls(tls_verify::none);
    std::string shown;
    // The client's word on the certificate is the only way to see it without a socket.
    SSL_CTX_set_cert_verify_callback(
        client_context->get(),
        [](X509_STORE_CTX* store, void* out) {
            std::array<char, 64> name{};
            X509_NAME_get_text_by_NID(
                X509_get_subject_name(X509_STORE_CTX_get0_cert(store)),
                NID_commonName,
                name.data(),
                name.size()
            );
            *static_cast<std::string*>(out) = name.data();
            return 1;
        },
        &shown
    );
    SSL_CTX_set_verify(client_context->get(), SSL_VERIFY_PEER, nullptr);
    tls_engine client(*client_context, tls_engine::role::client);
    tls_engine server(server_context, tls_engine::role::server);
    std::vector<std::uint8_t> bytes;
    for (int i = 0; i < 10 && !(client.handshake_done() && server.handshake_done()); ++i) {
        client.handshake();
        if (client.take_output(bytes))
            server.give_input(bytes);
        server.handshake();
        if (server.take_output(bytes))
            client.give_input(bytes);
    }
    return client.handshake_done() && server.handshake_done() ? shown : "";
}

TEST(tls_reload, presents_what_the_files_hold_now) {
    certificate_files files("one.example");
    auto tls = reloading_tls::open(files.certificate(), files.key(), logger());
    ASSERT_TRUE(tls);
    const auto listener = (*tls)->context(); // stays the same
    EXPECT_EQ(presented_by(listener), "one.example");
    EXPECT_EQ((*tls)->check(), reloading_tls::found::unchanged);
    files.write("two.example");
    EXPECT_EQ(presented_by(listener), "one.example"); // nobody has looked yet
    EXPECT_EQ((*tls)->check(), reloading_tls::found::reloaded);
    EXPECT_EQ(presented_by(listener), "two.example");
    files.write("three.example");
    EXPECT_EQ((*tls)->check(), reloading_tls::found::reloaded);
    EXPECT_EQ(presented_by(listener), "three.example");
}

TEST(tls_reload, keeps_the_old_certificate_when_the_new_files_are_bad) {
    certificate_files files("one.example");
    auto tls = reloading_tls::open(files.certificate(), files.key(), logger());
    ASSERT_TRUE(tls);
    std::ofstream(files.certificate()) << "not a certificate";
    EXPECT_EQ((*tls)->check(), reloading_tls::found::unusable);
    EXPECT_EQ((*tls)->check(), reloading_tls::found::unchanged); // said once
    EXPECT_EQ(presented_by((*tls)->context()), "one.example");
    std::filesystem::remove(files.certificate());
    EXPECT_EQ((*tls)->check(), reloading_tls::found::unusable);
    EXPECT_EQ(presented_by((*tls)->context()), "one.example");
    files.write("two.example");
    EXPECT_EQ((*tls)->check(), reloading_tls::found::reloaded);
    EXPECT_EQ(presented_by((*tls)->context()), "two.example");
}

TEST(tls_reload, waits_for_the_key_that_belongs_to_a_new_certificate) {
    certificate_files files("one.example");
    auto tls = reloading_tls::open(files.certificate(), files.key(), logger());
    ASSERT_TRUE(tls);
    certificate_files renewed("two.example");
    std::filesystem::rename(renewed.certificate(), files.certificate());
    EXPECT_EQ((*tls)->check(), reloading_tls::found::unusable);
    EXPECT_EQ(presented_by((*tls)->context()), "one.example");
    std::filesystem::rename(renewed.key(), files.key());
    EXPECT_EQ((*tls)->check(), reloading_tls::found::reloaded);
    EXPECT_EQ(presented_by((*tls)->context()), "two.example");
}

TEST(tls_reload, lets_the_listeners_context_outlive_it) {
    certificate_files files("one.example");
    tls_context listener;
    {
        auto tls = reloading_tls::open(files.certificate(), files.key(), logger());
        ASSERT_TRUE(tls);
        listener = (*tls)->context();
        files.write("two.example");
        (*tls)->check();
    }
    EXPECT_EQ(presented_by(listener), "two.example");
}

TEST(tls_reload, names_the_file_that_can_not_be_used) {
    certificate_files files("one.example");
    std::ofstream(files.key()) << "nothing";
    const auto tls = reloading_tls::open(files.certificate(), files.key(), logger());
    ASSERT_FALSE(tls);
    EXPECT_EQ(tls.error().code, errc::tls_failed);
    EXPECT_NE(tls.error().detail.find(files.key().string()), std::string::npos);
}

} // namespace
} // namespace rivulet::http
