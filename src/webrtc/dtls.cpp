#include "webrtc/dtls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>
#include <optional>

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
using session_ptr = std::unique_ptr<SSL, free_with<SSL_free>>;

// Handshake datagrams stay below what any path carries, tunnels included.
constexpr long datagram_bytes = 1'200;

std::string last_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0)
        return "unknown cause";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "OpenSSL error " + std::to_string(code);
}

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

// What a session's BIO reads and writes: one datagram a call, as a socket would.
struct datagrams {
    std::span<const std::uint8_t> incoming; // empty: nothing has come
    std::vector<std::vector<std::uint8_t>> outgoing;
};

datagrams& datagrams_of(BIO* bio) {
    return *static_cast<datagrams*>(BIO_get_data(bio));
}

int bio_read(BIO* bio, char* into, int room) {
    BIO_clear_retry_flags(bio);
    auto& incoming = datagrams_of(bio).incoming;
    if (incoming.empty() || room <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const auto length = std::min(incoming.size(), static_cast<std::size_t>(room));
    std::copy_n(incoming.begin(), length, into);
    incoming = {};
    return static_cast<int>(length);
}

int bio_write(BIO* bio, const char* from, int length) {
    BIO_clear_retry_flags(bio);
    if (length > 0)
        datagrams_of(bio).outgoing.emplace_back(from, from + length);
    return length;
}

long bio_control(BIO*, int command, long, void*) {
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return datagram_bytes;
    default:
        return 0;
    }
}

BIO_METHOD* datagram_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "Rivulet's datagrams");
        BIO_meth_set_read(made, bio_read);
        BIO_meth_set_write(made, bio_write);
        BIO_meth_set_ctrl(made, bio_control);
        BIO_meth_set_create(made, [](BIO* bio) {
            BIO_set_init(bio, 1);
            return 1;
        });
        return made;
    }();
    return method;
}

// Microseconds until a flight is repeated: quicker than OpenSSL's second, as the path was just
// proven by a connectivity check.
unsigned next_timeout(SSL*, unsigned last) {
    return last == 0 ? 100'000u : std::min(last * 2, 1'600'000u);
}

} // namespace

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
        return failure(errc::tls_failed, std::string(what) + ": " + last_error());
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
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9')
            return c - '0';
        if (c >= 'a' && c <= 'f')
            return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
            return c - 'A' + 10;
        return -1;
    };
    for (std::size_t i = 0; i < text.size(); i += 3) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0 || (i + 2 < text.size() && text[i + 2] != ':'))
            return bad;
        parsed.digest.push_back(static_cast<std::uint8_t>(high << 4 | low));
    }
    return parsed;
}

struct dtls_session::state {
    std::shared_ptr<const dtls_identity> identity;
    dtls_role role;
    dtls_fingerprint expected;
    datagrams traffic; // outlives the session, whose BIO points here
    session_ptr session;
    dtls_phase phase = dtls_phase::handshaking;
    std::string reason;
    bool begun = false;

    void fail(std::string why) {
        phase = dtls_phase::failed;
        reason = std::move(why);
    }

    void step();
    void finish();
    void read();
};

dtls_session::dtls_session(
    std::shared_ptr<const dtls_identity> identity, dtls_role role, dtls_fingerprint expected
)
    : state_(std::make_unique<state>()) {
    state_->identity = std::move(identity);
    state_->role = role;
    state_->expected = std::move(expected);
    ERR_clear_error();
    state_->session.reset(SSL_new(state_->identity->inside().context.get()));
    BIO* bio = BIO_new(datagram_method());
    if (!state_->session || !bio) {
        BIO_free(bio);
        state_->session.reset();
        state_->fail("no DTLS session could be made: " + last_error());
        return;
    }
    SSL* session = state_->session.get();
    BIO_set_data(bio, &state_->traffic);
    SSL_set_bio(session, bio, bio);
    DTLS_set_link_mtu(session, datagram_bytes);
    DTLS_set_timer_cb(session, next_timeout);
    if (role == dtls_role::client)
        SSL_set_connect_state(session);
    else
        SSL_set_accept_state(session);
}

dtls_session::~dtls_session() = default;

void dtls_session::state::step() {
    ERR_clear_error();
    begun = true;
    const int done = SSL_do_handshake(session.get());
    if (done == 1)
        return finish();
    const int cause = SSL_get_error(session.get(), done);
    if (cause != SSL_ERROR_WANT_READ && cause != SSL_ERROR_WANT_WRITE)
        fail("the DTLS handshake failed: " + last_error());
}

void dtls_session::state::finish() {
    certificate_ptr shown(SSL_get1_peer_certificate(session.get()));
    if (!shown)
        return fail("the peer showed no DTLS certificate");
    const auto digest = digest_of(shown.get(), algorithm_of(expected.algorithm));
    if (digest.size() != expected.digest.size() ||
        CRYPTO_memcmp(digest.data(), expected.digest.data(), digest.size()) != 0) {
        SSL_shutdown(session.get()); // the peer believes that all went well
        return fail("the peer's DTLS certificate is not the one its SDP announced");
    }
    phase = dtls_phase::connected;
    read(); // what came in the same datagram
}

void dtls_session::state::read() {
    // Data channels are not negotiated, so what is read is not looked at; reading also answers
    // repeated flights of the handshake and sees the end.
    std::uint8_t ignored[2048];
    for (;;) {
        ERR_clear_error();
        const int got = SSL_read(session.get(), ignored, sizeof ignored);
        if (got > 0)
            continue;
        const int cause = SSL_get_error(session.get(), got);
        if (cause == SSL_ERROR_ZERO_RETURN)
            phase = dtls_phase::closed;
        else if (cause != SSL_ERROR_WANT_READ && cause != SSL_ERROR_WANT_WRITE)
            fail("DTLS broke: " + last_error());
        return;
    }
}

void dtls_session::start() {
    if (state_->phase == dtls_phase::handshaking && !state_->begun &&
        state_->role == dtls_role::client)
        state_->step();
}

void dtls_session::receive(std::span<const std::uint8_t> datagram) {
    if (datagram.empty())
        return;
    state_->traffic.incoming = datagram;
    if (state_->phase == dtls_phase::handshaking)
        state_->step();
    else if (state_->phase == dtls_phase::connected)
        state_->read();
    state_->traffic.incoming = {};
}

void dtls_session::tick() {
    if (state_->phase != dtls_phase::handshaking || !state_->begun)
        return;
    timeval left{};
    if (DTLSv1_get_timeout(state_->session.get(), &left) != 1 || left.tv_sec > 0 ||
        left.tv_usec > 0)
        return;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(state_->session.get()) < 0)
        state_->fail("the DTLS handshake got no answer");
}

void dtls_session::close() {
    if (state_->phase != dtls_phase::connected)
        return;
    ERR_clear_error();
    SSL_shutdown(state_->session.get());
    state_->phase = dtls_phase::closed;
}

dtls_phase dtls_session::phase() const {
    return state_->phase;
}

const std::string& dtls_session::reason() const {
    return state_->reason;
}

outcome<srtp_keys> dtls_session::keys() const {
    const SRTP_PROTECTION_PROFILE* agreed =
        state_->session ? SSL_get_selected_srtp_profile(state_->session.get()) : nullptr;
    if (!agreed)
        return failure(errc::tls_failed, "the peer offers no SRTP profile that is known here");
    srtp_keys keys;
    keys.profile = agreed->id == SRTP_AEAD_AES_128_GCM ? srtp_profile::aead_aes_128_gcm
                                                       : srtp_profile::aes128_cm_sha1_80;
    const auto key = srtp_key_bytes(keys.profile), salt = srtp_salt_bytes(keys.profile);
    static constexpr std::string_view label = "EXTRACTOR-dtls_srtp";
    // Client key, server key, client salt, server salt (RFC 5764, 4.2).
    std::array<std::uint8_t, 60> material{};
    ERR_clear_error();
    if (SSL_export_keying_material(
            state_->session.get(),
            material.data(),
            2 * (key + salt),
            label.data(),
            label.size(),
            nullptr,
            0,
            0
        ) != 1)
        return failure(errc::tls_failed, "the SRTP keys could not be derived: " + last_error());
    const auto pick = [&](bool server, std::array<std::uint8_t, 30>& into) {
        std::copy_n(material.data() + (server ? key : 0), key, into.data());
        std::copy_n(material.data() + 2 * key + (server ? salt : 0), salt, into.data() + key);
    };
    pick(state_->role == dtls_role::server, keys.outbound);
    pick(state_->role == dtls_role::client, keys.inbound);
    OPENSSL_cleanse(material.data(), material.size());
    return keys;
}

std::vector<std::vector<std::uint8_t>> dtls_session::output() {
    return std::exchange(state_->traffic.outgoing, {});
}

} // namespace rivulet::webrtc
