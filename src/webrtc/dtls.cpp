#include "webrtc/dtls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <optional>

namespace rivulet::webrtc {
namespace {

struct session_free {
    void operator()(SSL* session) const { SSL_free(session); }
};

struct certificate_free {
    void operator()(X509* certificate) const { X509_free(certificate); }
};

using session_ptr = std::unique_ptr<SSL, session_free>;
using certificate_ptr = std::unique_ptr<X509, certificate_free>;

// Handshake datagrams stay below what any path carries, tunnels included.
constexpr long datagram_bytes = 1'200;

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
    state_->session.reset(SSL_new(state_->identity->context()));
    BIO* bio = BIO_new(datagram_method());
    if (!state_->session || !bio) {
        BIO_free(bio);
        state_->session.reset();
        state_->fail("no DTLS session could be made: " + last_openssl_error());
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
        fail("the DTLS handshake failed: " + last_openssl_error());
}

void dtls_session::state::finish() {
    certificate_ptr shown(SSL_get1_peer_certificate(session.get()));
    if (!shown)
        return fail("the peer showed no DTLS certificate");
    if (!matches(shown.get(), expected)) {
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
            fail("DTLS broke: " + last_openssl_error());
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
        return failure(
            errc::tls_failed, "the SRTP keys could not be derived: " + last_openssl_error()
        );
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
