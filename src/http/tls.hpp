// TLS contexts for both roles. Certificates are checked by default.
// Thread: create anywhere, share freely (OpenSSL contexts are reference-counted and locked inside).
#pragma once

#include "base/error.hpp"

#include <openssl/types.h>

#include <filesystem>
#include <memory>
#include <string>

namespace rivulet::http {

using tls_context = std::shared_ptr<SSL_CTX>;

enum class tls_verify {
    full,      // chain and host name, against the system's store
    pin_first, // trust the first certificate seen per host and port, refuse another one later
    none,      // accept anything (the Livepeer network's self-signed orchestrators)
};

// A server context from PEM files. Fails with tls_failed and a text that names the file.
outcome<tls_context>
server_tls(const std::filesystem::path& certificate, const std::filesystem::path& key);
// A server context with a fresh self-signed certificate for `host`. ALPN offers http/1.1.
outcome<tls_context> self_signed_tls(const std::string& host);
// Lets one server session agree to HTTP/2 (ALPN h2), if its client does not offer http/1.1.
void allow_http2(SSL* session);
// A client context; `ca_file` (may be empty) is trusted in addition to the system's store.
outcome<tls_context> client_tls(tls_verify verify, const std::filesystem::path& ca_file = {});

// SHA-256 of a peer's certificate as lower-case hex; empty when it has none.
std::string certificate_fingerprint(SSL* session);
// Remembers the first fingerprint per `authority` ("host:port", IPv6 without brackets); false when
// a later one differs. Any thread. At most some thousands are remembered, then the first is
// forgotten.
bool check_pin(const std::string& authority, const std::string& fingerprint);
// Forgets what is remembered and returns it, so that the next certificate is taken.
std::string forget_pin(const std::string& authority);

} // namespace rivulet::http
