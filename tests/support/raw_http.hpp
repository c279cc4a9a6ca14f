// A deliberately simple HTTP client for tests: one blocking socket, raw text out, exact bytes in.
// Every wait has a deadline; a missed one throws, so that a test fails instead of hanging.
// Thread: one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::test {

using std::chrono::milliseconds;

// The peer closed, reset, or did not send in time; the text says which.
struct raw_http_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct raw_reply {
    int status = 0;
    std::string version; // "HTTP/1.1"
    std::string reason;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;

    bool has(std::string_view name) const;
    std::string operator[](std::string_view name) const; // case-insensitive; empty when absent
};

class raw_client {
  public:
    explicit raw_client(std::uint16_t port, const std::string& host = "127.0.0.1");
    ~raw_client();
    raw_client(raw_client&& other) noexcept;
    raw_client(const raw_client&) = delete;
    raw_client& operator=(const raw_client&) = delete;

    raw_client& send(std::string_view text);
    raw_client& send_chunk(std::string_view data);

    raw_client& end_chunks() { return send("0\r\n\r\n"); }

    // The next head, a 1xx included; its body stays unread.
    raw_reply read_head();
    // The next final reply with its body, whatever frames it; 1xx are skipped and counted.
    raw_reply read_reply(bool to_head_request = false);
    // The data of the next chunk; empty at the last one (whose trailer is consumed).
    std::string read_chunk();
    std::string read_exactly(std::size_t size);
    std::string read_to_end();
    // True when nothing arrives for so long.
    bool silent_for(milliseconds time);
    // True when the peer ends the connection properly and nothing else comes before.
    bool ends();

    // What has been read from the socket and not been used.
    const std::string& rest() const { return buffer_; }

    void finish_sending(); // half-close
    void close();
    void reset(); // close with a TCP reset
    void shrink_receive_buffer();

    int interim_replies() const { return interim_; }

    int descriptor() const { return fd_; }

    void deadline(milliseconds limit) { limit_ = limit; }

  private:
    bool wait_readable(milliseconds limit) const;
    std::size_t receive(); // 0 at the end
    std::string read_line();

    int fd_ = -1;
    int interim_ = 0;
    milliseconds limit_{5000};
    std::string buffer_;
};

// "METHOD path HTTP/1.1" + Host + extra ("Name: value\r\n"…) + blank line.
std::string
request_text(std::string_view method, std::string_view path, std::string_view extra = {});
// The same with a Content-Length and a body.
std::string request_with_body(
    std::string_view method,
    std::string_view path,
    std::string_view body,
    std::string_view extra = {}
);
// The head of a request whose body follows in chunks.
std::string
open_request(std::string_view method, std::string_view path, std::string_view extra = {});
std::string chunk_text(std::string_view data);
// Connects, asks, returns the reply.
raw_reply ask(std::uint16_t port, std::string_view request);

} // namespace rivulet::test
