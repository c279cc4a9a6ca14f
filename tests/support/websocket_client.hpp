// A WebSocket client for tests, of another make than the server: Boost.Beast's, with
// permessage-deflate and TLS. Every wait has a deadline; a missed one throws.
// Thread: one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::test {

struct websocket_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct websocket_wishes {
    bool deflate = true;
    bool tls = false;
    std::vector<std::pair<std::string, std::string>> headers;
};

class websocket_client {
  public:
    // Connects to 127.0.0.1 and asks; status() tells whether it was denied.
    websocket_client(std::uint16_t port, const std::string& target, websocket_wishes wishes = {});
    ~websocket_client();
    websocket_client(const websocket_client&) = delete;
    websocket_client& operator=(const websocket_client&) = delete;

    // Of the reply to the handshake.
    int status() const;
    std::string header(std::string_view name) const;

    // The next message. Throws at the deadline and when the connection ends.
    std::string read(std::chrono::milliseconds limit = std::chrono::seconds(5));
    // True when nothing comes for so long.
    bool silent_for(std::chrono::milliseconds time);
    void send(std::string_view message);
    // Reads until the server closes; the code it gave, 0 when it just went away.
    int read_to_close(std::chrono::milliseconds limit = std::chrono::seconds(5));
    void close(); // politely
    void drop();  // without a word

    struct link;

  private:
    std::unique_ptr<link> link_;
};

} // namespace rivulet::test
