#include "http/tls_reload.hpp"

#include <boost/asio/detached.hpp>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <sys/stat.h>
#include <tuple>
#include <utility>

namespace rivulet::http {
namespace {

// What new handshakes use instead of the listener's first certificate. Owned by the listener's
// SSL_CTX, which may outlive its reloading_tls.
struct current_context {
    std::mutex guard;
    tls_context newer; // empty until the first reload
};

void free_current(void*, void* pointer, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<std::shared_ptr<current_context>*>(pointer);
}

int current_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_current);
    return index;
}

int use_current(SSL* session, void* pointer) {
    auto& current = *static_cast<current_context*>(pointer);
    tls_context newer;
    {
        const std::lock_guard lock(current.guard);
        newer = current.newer;
    }
    if (newer)
        SSL_set_SSL_CTX(session, newer.get());
    return 1;
}

// Changes whenever a file is written, replaced or reached over another link.
using file_mark = std::tuple<dev_t, ino_t, off_t, time_t, long>;

file_mark mark_of(const std::filesystem::path& file) {
    struct stat s {};

    if (::stat(file.c_str(), &s) != 0)
        return {};
    return {s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
}

std::string text_of(const ASN1_TIME* time) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    ASN1_TIME_print(bio.get(), time);
    std::array<char, 64> text{};
    const int size = BIO_read(bio.get(), text.data(), text.size());
    return {text.data(), static_cast<std::size_t>(std::max(size, 0))};
}

void log_certificate(const logger& log, SSL_CTX* context, const std::filesystem::path& file) {
    const X509* certificate = SSL_CTX_get0_certificate(context);
    const ASN1_TIME* end = X509_get0_notAfter(certificate);
    if (X509_cmp_current_time(end) < 0)
        log.warn("certificate {} has expired on {}", file.string(), text_of(end));
    else
        log.info("certificate {} is valid until {}", file.string(), text_of(end));
}

} // namespace

struct reloading_tls::state {
    std::filesystem::path certificate, key;
    logger log;
    tls_context context;
    std::shared_ptr<current_context> current = std::make_shared<current_context>();
    std::pair<file_mark, file_mark> seen;
    std::shared_ptr<asio::steady_timer> timer; // while watched
    std::atomic<bool> closed{false};

    found check();
    static awaitable<void> keep_checking(
        std::shared_ptr<state> self, std::shared_ptr<asio::steady_timer> timer, duration interval
    );
};

reloading_tls::reloading_tls(std::shared_ptr<state> state) : state_(std::move(state)) {}

reloading_tls::~reloading_tls() {
    close();
}

outcome<std::unique_ptr<reloading_tls>>
reloading_tls::open(std::filesystem::path certificate, std::filesystem::path key, logger log) {
    auto made = std::make_shared<state>();
    // Before the load: a change in between is found by the first check.
    made->seen = {mark_of(certificate), mark_of(key)};
    auto context = server_tls(certificate, key);
    if (!context)
        return context.error();
    made->certificate = std::move(certificate);
    made->key = std::move(key);
    made->log = std::move(log);
    made->context = std::move(*context);
    SSL_CTX_set_ex_data(
        made->context.get(), current_index(), new std::shared_ptr<current_context>(made->current)
    );
    SSL_CTX_set_cert_cb(made->context.get(), use_current, made->current.get());
    log_certificate(made->log, made->context.get(), made->certificate);
    return std::unique_ptr<reloading_tls>(new reloading_tls(std::move(made)));
}

const tls_context& reloading_tls::context() const {
    return state_->context;
}

reloading_tls::found reloading_tls::state::check() {
    const std::pair now{mark_of(certificate), mark_of(key)};
    if (now == seen)
        return found::unchanged;
    seen = now;
    auto newer = server_tls(certificate, key);
    if (!newer) {
        // Half of a renewal, perhaps: the other file's change is looked at again.
        log.warn("the certificate stays the old one: {}", newer.error().detail);
        return found::unusable;
    }
    log_certificate(log, newer->get(), certificate);
    const std::lock_guard lock(current->guard);
    current->newer = std::move(*newer);
    return found::reloaded;
}

awaitable<void> reloading_tls::state::keep_checking(
    std::shared_ptr<state> self, std::shared_ptr<asio::steady_timer> timer, duration interval
) {
    while (!self->closed) {
        timer->expires_after(interval);
        co_await timer->async_wait(as_tuple);
        if (!self->closed)
            self->check();
    }
}

reloading_tls::found reloading_tls::check() {
    return state_->check();
}

void reloading_tls::watch(asio::any_io_executor executor, duration interval) {
    state_->timer = std::make_shared<asio::steady_timer>(executor);
    asio::co_spawn(executor, state::keep_checking(state_, state_->timer, interval), asio::detached);
}

void reloading_tls::close() {
    state_->closed = true;
    if (auto timer = std::exchange(state_->timer, nullptr))
        asio::post(timer->get_executor(), [timer] { timer->cancel(); });
}

} // namespace rivulet::http
