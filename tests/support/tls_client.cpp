#include "support/tls_client.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <csignal>
#include <sys/socket.h>
#include <sys/time.h>

namespace rivulet::test {

tls_client::tls_client(std::uint16_t port, tls_wishes wishes)
    : raw_(port), context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
      session_(SSL_new(context_.get()), &SSL_free) {
    std::signal(SIGPIPE, SIG_IGN);             // OpenSSL writes without MSG_NOSIGNAL
    SSL_set_security_level(session_.get(), 0); // old versions are for the server to refuse
    if (wishes.lowest)
        SSL_set_min_proto_version(session_.get(), wishes.lowest);
    if (wishes.highest)
        SSL_set_max_proto_version(session_.get(), wishes.highest);
    if (!wishes.alpn.empty())
        SSL_set_alpn_protos(
            session_.get(),
            reinterpret_cast<const unsigned char*>(wishes.alpn.data()),
            static_cast<unsigned>(wishes.alpn.size())
        );
    SSL_set_fd(session_.get(), raw_.descriptor());
    const timeval limit{5, 0};
    ::setsockopt(raw_.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected_ = SSL_connect(session_.get()) == 1;
}

tls_client::~tls_client() {
    if (connected_)
        SSL_shutdown(session_.get());
}

std::string tls_client::alpn() const {
    const unsigned char* text = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(session_.get(), &text, &size);
    return {reinterpret_cast<const char*>(text), size};
}

std::string tls_client::version() const {
    return SSL_get_version(session_.get());
}

std::string tls_client::subject() const {
    const std::unique_ptr<X509, void (*)(X509*)> shown(
        SSL_get1_peer_certificate(session_.get()), &X509_free
    );
    if (!shown)
        return {};
    std::array<char, 100> name{};
    X509_NAME_get_text_by_NID(
        X509_get_subject_name(shown.get()), NID_commonName, name.data(), name.size()
    );
    return name.data();
}

bool tls_client::send(std::string_view text) {
    while (!text.empty()) {
        const auto n = SSL_write(session_.get(), text.data(), static_cast<int>(text.size()));
        if (n <= 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::string tls_client::read_until(std::string_view end) {
    std::string got;
    std::array<char, 16 * 1024> piece;
    while (!got.ends_with(end)) {
        const auto n = SSL_read(session_.get(), piece.data(), piece.size());
        if (n <= 0)
            break;
        got.append(piece.data(), static_cast<std::size_t>(n));
    }
    return got;
}

} // namespace rivulet::test
