#include "http/tls_engine.hpp"

#include "base/asio.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <openssl/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace rivulet::http {

tls_verify verification_of(SSL* session); // tls.cpp

void tls_engine::session_free::operator()(SSL* session) const {
    SSL_free(session);
}

tls_engine::tls_engine(const tls_context& context, role side) : session_(SSL_new(context.get())) {
    SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (side == role::client)
        SSL_set_connect_state(session_.get());
    else
        SSL_set_accept_state(session_.get());
}

void tls_engine::allow_http2() {
    http::allow_http2(session_.get());
}

void tls_engine::expect_host(const std::string& host) {
    error_code not_an_address;
    asio::ip::make_address(host, not_an_address);
    if (not_an_address) {
        SSL_set_tlsext_host_name(session_.get(), host.c_str());
        SSL_set1_host(session_.get(), host.c_str());
    } else {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_.get()), host.c_str());
    }
}

error_code tls_engine::failure_of(int returned) {
    switch (SSL_get_error(session_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return asio::error::try_again;
    case SSL_ERROR_ZERO_RETURN:
        return asio::error::eof;
    default:
        return make_error_code(errc::tls_failed);
    }
}

error_code tls_engine::handshake() {
    ERR_clear_error();
    const int returned = SSL_do_handshake(session_.get());
    return returned == 1 ? error_code{} : failure_of(returned);
}

bool tls_engine::handshake_done() const {
    return SSL_is_init_finished(session_.get()) == 1;
}

error_code tls_engine::check_peer(const std::string& authority) {
    if (verification_of(session_.get()) != tls_verify::pin_first)
        return {};
    const auto fingerprint = certificate_fingerprint(session_.get());
    if (fingerprint.empty() || !check_pin(authority, fingerprint))
        return make_error_code(errc::tls_failed);
    return {};
}

result<std::size_t> tls_engine::read(std::span<std::uint8_t> into) {
    ERR_clear_error();
    const int size = static_cast<int>(std::min<std::size_t>(into.size(), 1u << 30));
    const int returned = SSL_read(session_.get(), into.data(), size);
    if (returned > 0)
        return static_cast<std::size_t>(returned);
    return failure_of(returned);
}

error_code tls_engine::write(std::span<const std::uint8_t> from) {
    while (!from.empty()) {
        ERR_clear_error();
        const auto size = std::min<std::size_t>(from.size(), 1u << 30);
        const int returned = SSL_write(session_.get(), from.data(), static_cast<int>(size));
        if (returned <= 0)
            return failure_of(returned);
        from = from.subspan(static_cast<std::size_t>(returned));
    }
    return {};
}

void tls_engine::shutdown() {
    if (handshake_done()) {
        ERR_clear_error();
        SSL_shutdown(session_.get());
    }
}

namespace {

constexpr std::size_t kept_room = 4 * 1024;

// An empty memory BIO that has grown keeps its memory otherwise.
bool oversized(BIO* bio) {
    if (BIO_ctrl_pending(bio) > 0)
        return false;
    BUF_MEM* memory = nullptr;
    BIO_get_mem_ptr(bio, &memory);
    return memory && memory->max > kept_room;
}

} // namespace

void tls_engine::release_room() {
    if (oversized(SSL_get_rbio(session_.get())))
        SSL_set0_rbio(session_.get(), BIO_new(BIO_s_mem()));
}

void tls_engine::give_input(std::span<const std::uint8_t> ciphertext) {
    BIO_write(SSL_get_rbio(session_.get()), ciphertext.data(), static_cast<int>(ciphertext.size()));
}

bool tls_engine::has_output() const {
    return BIO_ctrl_pending(SSL_get_wbio(session_.get())) > 0;
}

bool tls_engine::take_output(std::vector<std::uint8_t>& out) {
    const auto pending = BIO_ctrl_pending(SSL_get_wbio(session_.get()));
    out.resize(pending);
    if (pending == 0)
        return false;
    BIO_read(SSL_get_wbio(session_.get()), out.data(), static_cast<int>(pending));
    if (handshake_done() && oversized(SSL_get_wbio(session_.get())))
        SSL_set0_wbio(session_.get(), BIO_new(BIO_s_mem()));
    return true;
}

} // namespace rivulet::http
