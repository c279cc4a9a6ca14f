// A blocking TLS client of OpenSSL's own over a loopback socket, with the choices that tests need.
// Every wait ends after five seconds. Thread: the test's.
#pragma once

#include "support/raw_http.hpp"

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

namespace rivulet::test {

struct tls_wishes {
    std::string alpn = "\x08http/1.1"; // protocols, each with its length before it
    int lowest = 0, highest = 0;       // TLS1_2_VERSION, …; 0: the library's
};

class tls_client {
  public:
    explicit tls_client(std::uint16_t port, tls_wishes wishes = {});
    ~tls_client();
    tls_client(const tls_client&) = delete;
    tls_client& operator=(const tls_client&) = delete;

    bool connected() const { return connected_; }

    std::string alpn() const;    // what the server chose; empty: nothing
    std::string version() const; // "TLSv1.3"
    std::string subject() const; // the common name in the server's certificate

    bool send(std::string_view text);
    // Reads until what came ends with `end`; without it when the connection ends before.
    std::string read_until(std::string_view end);

  private:
    raw_client raw_;
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
    std::unique_ptr<SSL, void (*)(SSL*)> session_;
    bool connected_ = false;
};

} // namespace rivulet::test
