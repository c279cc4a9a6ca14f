#include "session/grpc_channels.hpp"

#include "base/hex.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <grpc/compression.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>
#include <iterator>

namespace rivulet::session {
namespace {

using grpc::experimental::CertificateVerifier;
using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::TlsCustomVerificationCheckRequest;

std::string fingerprint_of(std::string_view pem) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free
    );
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr), &X509_free
    );
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (!certificate || X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) {
        ERR_clear_error();
        return {};
    }
    return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

// Runs on gRPC's threads after each handshake.
class pin_check final : public ExternalCertificateVerifier {
  public:
    explicit pin_check(std::shared_ptr<grpc_peer_state> peer) : peer_(std::move(peer)) {}

    bool Verify(
        TlsCustomVerificationCheckRequest* request,
        std::function<void(grpc::Status)>,
        grpc::Status* status
    ) override {
        const auto pem = request->peer_cert();
        auto fingerprint = fingerprint_of({pem.data(), pem.size()});
        if (fingerprint.empty()) {
            *status = {grpc::StatusCode::UNAUTHENTICATED, "no certificate"};
        } else if (!http::check_pin(peer_->authority, fingerprint)) {
            {
                const std::lock_guard lock(peer_->mutex);
                peer_->new_fingerprint = std::move(fingerprint);
            }
            peer_->certificate_changed = true;
            *status = {grpc::StatusCode::UNAUTHENTICATED, "another certificate than before"};
        } else {
            *status = grpc::Status::OK;
        }
        return true;
    }

    void Cancel(TlsCustomVerificationCheckRequest*) override {}

  private:
    const std::shared_ptr<grpc_peer_state> peer_;
};

std::optional<std::string> contents_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream)
        return {};
    return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::string system_roots() {
    const char* named = std::getenv(X509_get_default_cert_file_env());
    for (const char* file :
         {named,
          X509_get_default_cert_file(),
          "/etc/ssl/certs/ca-certificates.crt",
          "/etc/pki/tls/certs/ca-bundle.crt",
          "/etc/ssl/ca-bundle.pem"})
        if (file)
            if (auto text = contents_of(file); text && !text->empty())
                return *text + "\n";
    return {};
}

bool has_certificate(const std::string& pem) {
    return !fingerprint_of(pem).empty();
}

int milliseconds_of(duration d) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

std::string target_of(const http::http_url& peer) {
    boost::system::error_code not_an_address;
    const auto address = asio::ip::make_address(peer.host, not_an_address);
    if (not_an_address)
        return "dns:///" + peer.endpoint();
    return (address.is_v6() ? "ipv6:" : "ipv4:") + peer.endpoint();
}

grpc::ChannelArguments arguments_for(const grpc_info_options& options) {
    grpc::ChannelArguments made;
    made.SetMaxReceiveMessageSize(static_cast<int>(max_info_bytes));
    // What is compressed could unpack to any size.
    made.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    made.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    // The time for one attempt to connect has this name.
    made.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds_of(options.connect_limit));
    made.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    made.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    made.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, milliseconds_of(options.idle_limit));
    made.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    made.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0); // as the HTTP client
    made.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    made.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    made.SetUserAgentPrefix("rivulet/" RIVULET_VERSION);
    return made;
}

} // namespace

outcome<std::unique_ptr<grpc_channels>> grpc_channels::create(const grpc_info_options& options) {
    std::unique_ptr<grpc_channels> made(new grpc_channels(options));
    if (options.verify == http::tls_verify::full && !options.ca_file.empty()) {
        const auto own = contents_of(options.ca_file);
        if (!own || !has_certificate(*own))
            return failure(
                errc::tls_failed,
                "-orchestratorCaFile: cannot read " + options.ca_file.string() +
                    (own ? ": no PEM certificate in it" : "")
            );
        made->roots_ = system_roots() + *own;
    }
    return made;
}

std::shared_ptr<grpc::ChannelCredentials> grpc_channels::credentials(
    const http::http_url& peer, const std::shared_ptr<grpc_peer_state>& state
) const {
    if (!peer.secure)
        return grpc::InsecureChannelCredentials();
    if (options_.verify == http::tls_verify::full) {
        grpc::SslCredentialsOptions checked;
        checked.pem_root_certs = roots_; // empty: the system's
        return grpc::SslCredentials(checked);
    }
    grpc::experimental::TlsChannelCredentialsOptions unchecked;
    unchecked.set_verify_server_certs(false);
    unchecked.set_check_call_host(false);
    if (options_.verify == http::tls_verify::pin_first)
        unchecked.set_certificate_verifier(ExternalCertificateVerifier::Create<pin_check>(state));
    else
        unchecked.set_certificate_verifier(
            std::make_shared<grpc::experimental::NoOpCertificateVerifier>()
        );
    return grpc::experimental::TlsCredentials(unchecked);
}

grpc_line_ptr grpc_channels::line_to(const http::http_url& peer, time_point now) {
    const auto key = (peer.secure ? "https://" : "http://") + peer.endpoint();
    const std::lock_guard lock(mutex_);
    if (const auto found = rows_.find(key); found != rows_.end()) {
        found->second.used = now;
        return found->second.line;
    }
    make_room(now);
    auto line = std::make_shared<grpc_line>();
    line->peer = std::make_shared<grpc_peer_state>();
    line->peer->authority = peer.host + ":" + std::to_string(peer.port);
    line->channel = grpc::CreateCustomChannel(
        target_of(peer), credentials(peer, line->peer), arguments_for(options_)
    );
    line->stub = std::make_unique<grpc::GenericStub>(line->channel);
    rows_.emplace(key, row{line, now});
    return line;
}

void grpc_channels::make_room(time_point now) {
    std::erase_if(rows_, [&](const auto& each) {
        return now - each.second.used > options_.idle_limit;
    });
    while (!rows_.empty() && rows_.size() >= options_.max_kept) {
        auto oldest = rows_.begin();
        for (auto each = rows_.begin(); each != rows_.end(); ++each)
            if (each->second.used < oldest->second.used)
                oldest = each;
        rows_.erase(oldest);
    }
}

void grpc_channels::drop(const grpc_line_ptr& line) {
    const std::lock_guard lock(mutex_);
    std::erase_if(rows_, [&](const auto& each) { return each.second.line == line; });
}

std::size_t grpc_channels::size() const {
    const std::lock_guard lock(mutex_);
    return rows_.size();
}

} // namespace rivulet::session
