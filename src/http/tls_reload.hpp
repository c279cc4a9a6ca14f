// A server's certificate that may be replaced while it serves: the files are looked at every few
// seconds, and new handshakes use what they hold now. Files that can't be used change nothing.
// Thread: any for open() and context(); check() on one at a time: after watch(), on its executor.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "http/tls.hpp"

#include <filesystem>
#include <memory>

namespace rivulet::http {

class reloading_tls {
  public:
    // Fails with tls_failed and a text that names the file.
    static outcome<std::unique_ptr<reloading_tls>>
    open(std::filesystem::path certificate, std::filesystem::path key, logger log);
    ~reloading_tls();
    reloading_tls(const reloading_tls&) = delete;
    reloading_tls& operator=(const reloading_tls&) = delete;

    // For every listener, for as long as it lives; what it presents follows the files.
    const tls_context& context() const;

    enum class found { unchanged, reloaded, unusable };
    // Looks at the files once. A bad pair is logged once per change.
    found check();
    // Looks again and again until close() or the object's end.
    // Once; not while its executor's thread may be gone. A look is two calls of stat(), a reload
    // reads two small files there.
    void watch(asio::any_io_executor executor, duration interval = std::chrono::seconds(2));
    void close();

  private:
    struct state;
    explicit reloading_tls(std::shared_ptr<state> state);

    std::shared_ptr<state> state_;
};

} // namespace rivulet::http
