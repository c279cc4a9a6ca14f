#include "webrtc/dtls_identity.hpp"

#include "base/hex.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cctype>

namespace rivulet::webrtc {
namespace {

template <auto Free>
struct free_with {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};

using key_ptr = std::unique_ptr<EVP_PKEY, free_with<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, free_with<X509_free>>;
using context_ptr = std::unique_ptr<SSL_CTX, free_with<SSL_CTX_free>>;

std::string hex_of(std::span<const std::uint8_t> digest) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string text;
    for (auto octet : digest) {
        if (!text.empty())
            text += ':';
        text += digits[octet >> 4];
        text += digits[octet & 15];
    }
    return text;
}

const EVP_MD* algorithm_of(std::string_view name) {
    if (name == "sha-256")
        return EVP_sha256();
    if (name == "sha-1")
        return EVP_sha1();
    if (name == "sha-384")
        return EVP_sha384();
    if (name == "sha-512")
        return EVP_sha512();
    return nullptr;
}

std::vector<std::uint8_t> digest_of(X509* certificate, const EVP_MD* algorithm) {
    std::vector<std::uint8_t> digest(EVP_MAX_MD_SIZE);
    unsigned length = 0;
    if (X509_digest(certificate, algorithm, digest.data(), &length) != 1)
        length = 0;
    digest.resize(length);
    return digest;
}

certificate_ptr make_certificate(EVP_PKEY* key) {
    certificate_ptr made(X509_new());
    std::uint8_t serial[8];
    if (!made || RAND_bytes(serial, sizeof serial) != 1)
        return {};
    serial[0] &= 0x7f;
    std::unique_ptr<BIGNUM, free_with<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
    if (!number || !BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())))
        return {};
    X509_set_version(made.get(), X509_VERSION_3);
    // Peers compare the fingerprint and nothing else; a clock that is a little off must not matter.
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -24 * 3600L);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 10 * 365 * 24 * 3600L);
    X509_NAME* name = X509_get_subject_name(made.get());
    const auto* common = reinterpret_cast<const unsigned char*>("Rivulet");
    if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0) != 1 ||
        X509_set_issuer_name(made.get(), name) != 1 || X509_set_pubkey(made.get(), key) != 1 ||
        X509_sign(made.get(), key, EVP_sha256()) == 0)
        return {};
    return made;
}

} // namespace

std::string last_openssl_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0)
        return "unknown cause";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "OpenSSL error " + std::to_string(code);
}

struct dtls_identity::state {
    key_ptr key;
    certificate_ptr certificate;
    context_ptr context;
    std::string fingerprint;
};

dtls_identity::dtls_identity(std::unique_ptr<state> state) : state_(std::move(state)) {}

dtls_identity::~dtls_identity() = default;

const std::string& dtls_identity::fingerprint() const {
    return state_->fingerprint;
}

outcome<std::shared_ptr<const dtls_identity>> dtls_identity::make() {
    ERR_clear_error();
    const auto failed = [](std::string_view what) {
        return failure(errc::tls_failed, std::string(what) + ": " + last_openssl_error());
    };
    auto made = std::make_unique<state>();
    made->key.reset(EVP_EC_gen("P-256"));
    if (!made->key)
        return failed("no DTLS key could be made");
    made->certificate = make_certificate(made->key.get());
    if (!made->certificate)
        return failed("no DTLS certificate could be made");
    made->fingerprint = hex_of(digest_of(made->certificate.get(), EVP_sha256()));
    made->context.reset(SSL_CTX_new(DTLS_method()));
    SSL_CTX* context = made->context.get();
    // GCM first: one pass instead of two, with the processor's help.
    if (!context || SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_use_certificate(context, made->certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context, made->key.get()) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES") != 1 ||
        // The one call of OpenSSL that returns 0 when it went well.
        SSL_CTX_set_tlsext_use_srtp(context, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0)
        return failed("DTLS could not be set up");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1); // a datagram comes whole or not at all
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    // Both certificates are self-signed; the fingerprint is compared after the handshake.
    SSL_CTX_set_verify(
        context,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [](int, X509_STORE_CTX*) { return 1; }
    );
    return std::shared_ptr<const dtls_identity>(new dtls_identity(std::move(made)));
}

outcome<dtls_fingerprint> parse_fingerprint(std::string_view algorithm, std::string_view text) {
    dtls_fingerprint parsed;
    for (char c : algorithm)
        parsed.algorithm += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const EVP_MD* known = algorithm_of(parsed.algorithm);
    if (!known)
        return failure(
            errc::invalid_argument, "the fingerprint's algorithm is none of sha-256, -384, -512, -1"
        );
    const auto size = static_cast<std::size_t>(EVP_MD_get_size(known));
    const failure bad(
        errc::invalid_argument,
        "the fingerprint is not " + std::to_string(size) + " octets in hexadecimal with colons"
    );
    if (text.size() != size * 3 - 1)
        return bad;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0 || (i + 2 < text.size() && text[i + 2] != ':'))
            return bad;
        parsed.digest.push_back(static_cast<std::uint8_t>(high << 4 | low));
    }
    return parsed;
}

ssl_ctx_st* dtls_identity::context() const {
    return state_->context.get();
}

bool matches(x509_st* certificate, const dtls_fingerprint& expected) {
    const EVP_MD* algorithm = algorithm_of(expected.algorithm);
    if (!algorithm)
        return false;
    const auto digest = digest_of(certificate, algorithm);
    return !digest.empty() && digest.size() == expected.digest.size() &&
           CRYPTO_memcmp(digest.data(), expected.digest.data(), digest.size()) == 0;
}

} // namespace rivulet::webrtc
