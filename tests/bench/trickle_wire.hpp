// One non-blocking TCP connection of the load generator, registered with its epoll instance.
// Thread: the generator's.
// Owns: the socket and what waits to be sent on it.
#pragma once

#include "trickle_message.hpp"

#include <deque>
#include <netinet/in.h>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace rivulet::bench {

class wire {
  public:
    struct owner {
        virtual ~owner() = default;
        virtual void on_bytes(wire& from, std::span<const char> bytes) = 0;
        virtual void on_closed(wire& which, std::string_view why) = 0;
    };

    // Connects at once (the peer is on this machine); throws std::system_error.
    wire(int epoll, const sockaddr_in& peer, const message_frame& frame, owner& user);
    ~wire();
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    void send_text(std::string text);
    void send_message(const message_head& head);

    // Something waits for the peer to read.
    bool blocked() const { return !queue_.empty(); }

    void on_ready(std::uint32_t events);

  private:
    using item = std::variant<std::string, message_head>;

    void flush();
    void watch(bool writable);
    void close(std::string_view why);

    int epoll_;
    const message_frame& frame_;
    owner& user_;
    int fd_ = -1;
    std::deque<item> queue_;
    std::size_t sent_ = 0; // of the first item
    bool watching_writable_ = false;
};

} // namespace rivulet::bench
