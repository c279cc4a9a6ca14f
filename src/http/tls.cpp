#include "http/tls.hpp"

#include "base/hex.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <map>
#include <mutex>

namespace rivulet::http {
namespace {

std::string openssl_text() {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    ERR_clear_error();
    return text.data();
}

tls_context adopt(SSL_CTX* context) {
    return {context, [](SSL_CTX* c) { SSL_CTX_free(c); }};
}

int verify_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

int http2_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// HTTP/1.1 is what we speak; HTTP/2 only where somebody takes its connections. A client that offers
// only something else goes on without ALPN.
int select_alpn(SSL* session, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size, void*) {
    static constexpr unsigned char http11[] = "\x08http/1.1";
    auto* chosen = const_cast<unsigned char**>(out);
    if (SSL_select_next_proto(chosen, out_size, http11, sizeof http11 - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        static constexpr unsigned char h2[] = "\x02h2";
        if (!SSL_get_ex_data(session, http2_index()) ||
            SSL_select_next_proto(chosen, out_size, h2, sizeof h2 - 1, in, in_size) !=
                OPENSSL_NPN_NEGOTIATED)
            return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}

// OpenSSL would ask for the passphrase on the terminal, and a renewal is read on a shard.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

tls_context new_server_context() {
    auto context = adopt(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    return context;
}

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using certificate_ptr = std::unique_ptr<X509, decltype(&X509_free)>;

certificate_ptr make_self_signed(EVP_PKEY* key, const std::string& host) {
    certificate_ptr certificate(X509_new(), &X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 10L * 365 * 24 * 3600);
    X509_set_pubkey(certificate.get(), key);
    auto* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(host.c_str()), -1, -1, 0
    );
    X509_set_issuer_name(certificate.get(), name);
    const bool address = host.find_first_not_of("0123456789.") == std::string::npos ||
                         host.find(':') != std::string::npos;
    const auto names = (address ? "IP:" : "DNS:") + host;
    if (auto* extension =
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str())) {
        X509_add_ext(certificate.get(), extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_sign(certificate.get(), key, EVP_sha256());
    return certificate;
}

} // namespace

void allow_http2(SSL* session) {
    static int yes = 1;
    SSL_set_ex_data(session, http2_index(), &yes);
}

tls_verify verification_of(SSL* session) {
    auto value = reinterpret_cast<std::intptr_t>(
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), verify_index())
    );
    return static_cast<tls_verify>(value);
}

outcome<tls_context>
server_tls(const std::filesystem::path& certificate, const std::filesystem::path& key) {
    auto context = new_server_context();
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
        return failure(
            errc::tls_failed,
            "cannot use certificate " + certificate.string() + ": " + openssl_text()
        );
    if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
        return failure(errc::tls_failed, "cannot use key " + key.string() + ": " + openssl_text());
    return context;
}

outcome<tls_context> self_signed_tls(const std::string& host) {
    key_ptr key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    if (!key)
        return failure(errc::tls_failed, "cannot make a key: " + openssl_text());
    auto certificate = make_self_signed(key.get(), host);
    auto context = new_server_context();
    if (SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1)
        return failure(
            errc::tls_failed, "cannot use the self-signed certificate: " + openssl_text()
        );
    return context;
}

outcome<tls_context> client_tls(tls_verify verify, const std::filesystem::path& ca_file) {
    auto context = adopt(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_ex_data(
        context.get(), verify_index(), reinterpret_cast<void*>(static_cast<std::intptr_t>(verify))
    );
    SSL_CTX_set_verify(
        context.get(), verify == tls_verify::full ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr
    );
    SSL_CTX_set_default_verify_paths(context.get());
    if (!ca_file.empty() &&
        SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1)
        return failure(
            errc::tls_failed, "cannot read CA file " + ca_file.string() + ": " + openssl_text()
        );
    ERR_clear_error();
    return context;
}

std::string certificate_fingerprint(SSL* session) {
    certificate_ptr certificate(SSL_get1_peer_certificate(session), &X509_free);
    if (!certificate)
        return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size);
    return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

namespace {

struct pin_table {
    static constexpr std::size_t most = 16384;

    std::mutex guard;
    std::map<std::string, std::string> pins;
};

pin_table& pinned() {
    static pin_table table;
    return table;
}

} // namespace

bool check_pin(const std::string& authority, const std::string& fingerprint) {
    auto& table = pinned();
    const std::lock_guard lock(table.guard);
    const auto [pin, fresh] = table.pins.try_emplace(authority, fingerprint);
    if (fresh && table.pins.size() > pin_table::most)
        table.pins.erase(pin == table.pins.begin() ? std::next(pin) : table.pins.begin());
    return fresh || pin->second == fingerprint;
}

std::string forget_pin(const std::string& authority) {
    auto& table = pinned();
    const std::lock_guard lock(table.guard);
    const auto node = table.pins.extract(authority);
    return node ? node.mapped() : std::string();
}

} // namespace rivulet::http
