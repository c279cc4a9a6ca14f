// Who we are to the other end of a DTLS connection, and who it should be: certificates are
// self-signed on both sides and known by the fingerprints of offer and answer (RFC 8122).
// Thread: an identity is made once and shared by all.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;
struct x509_st;

namespace rivulet::webrtc {

// An ECDSA P-256 key and its certificate, made once a process.
class dtls_identity {
  public:
    // Fails with tls_failed.
    static outcome<std::shared_ptr<const dtls_identity>> make();
    ~dtls_identity();
    dtls_identity(const dtls_identity&) = delete;
    dtls_identity& operator=(const dtls_identity&) = delete;

    const std::string& fingerprint() const; // SHA-256, "AB:CD:…"

    ssl_ctx_st* context() const; // OpenSSL's, for sessions

  private:
    struct state;
    explicit dtls_identity(std::unique_ptr<state> state);
    std::unique_ptr<state> state_;
};

// A fingerprint of the offer, in octets.
struct dtls_fingerprint {
    std::string algorithm; // "sha-1", "sha-256", "sha-384", "sha-512"
    std::vector<std::uint8_t> digest;
};

// Fails with invalid_argument.
outcome<dtls_fingerprint> parse_fingerprint(std::string_view algorithm, std::string_view text);

// True when the certificate is the one that was announced.
bool matches(x509_st* certificate, const dtls_fingerprint& expected);
// Takes and clears OpenSSL's latest error.
std::string last_openssl_error();

} // namespace rivulet::webrtc
