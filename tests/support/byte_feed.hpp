// An http::stream whose peer is the test: bytes go in, what was written comes out, and no network
// is involved (a socket pair inside the process).
// Thread: one.
#pragma once

#include "http/stream.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace rivulet::test {

class byte_feed {
  public:
    explicit byte_feed(asio::io_context& context) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
            throw std::runtime_error("socketpair");
        peer_ = ends[1];
        tcp::socket socket(context);
        socket.assign(tcp::v4(), ends[0]);
        stream_ = std::make_shared<http::stream>(std::move(socket));
    }

    ~byte_feed() { end(); }

    byte_feed(const byte_feed&) = delete;
    byte_feed& operator=(const byte_feed&) = delete;

    const std::shared_ptr<http::stream>& stream() const { return stream_; }

    // At most what a socket buffer takes (about 200 KiB); returns how much it was.
    std::size_t give(std::string_view text) const {
        const auto n = ::send(peer_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }

    std::string take() const {
        std::string text(256 * 1024, '\0');
        const auto n = ::recv(peer_, text.data(), text.size(), MSG_DONTWAIT);
        text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return text;
    }

    // The peer leaves.
    void end() {
        if (peer_ >= 0)
            ::close(std::exchange(peer_, -1));
    }

  private:
    int peer_ = -1;
    std::shared_ptr<http::stream> stream_;
};

} // namespace rivulet::test
