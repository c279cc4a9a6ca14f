// One ICE-TCP connection (RFC 6544, passive): datagrams framed by their length (RFC 4571).
// Thread: the port's shard.
// Owns: the socket.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "webrtc/path.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace rivulet::webrtc {

// Cuts a byte stream into frames. Pure.
class frame_reader {
  public:
    // Room for what is read next; never empty.
    std::span<std::uint8_t> room();
    // `count` octets of the room were filled. False when a frame is longer than any datagram here.
    bool filled(std::size_t count);
    // The next whole frame, valid until room() is called, aligned to four; empty: there is none.
    std::span<std::uint8_t> next();

    static constexpr std::size_t max_frame = 2'048;

  private:
    bool fits() const;

    std::vector<std::uint8_t> buffer_;
    std::vector<std::uint8_t> frame_;
    std::size_t begin_ = 0, end_ = 0;
};

class ice_tcp_link : public std::enable_shared_from_this<ice_tcp_link> {
  public:
    // A datagram came. False ends the connection.
    using receiver = std::function<bool(const path&, std::span<std::uint8_t>)>;

    ice_tcp_link(tcp::socket socket, path where);

    // Reads until the connection ends; ends it itself when adopt() was not called within `limit`.
    awaitable<void> run(receiver receive, duration limit);
    // A connectivity check was accepted.
    void adopt();
    void close();

    bool adopted() const { return adopted_; }

    const path& where() const { return where_; }

    // As packet_output; flush() sends what was committed. Empty when the peer reads too slowly.
    std::span<std::uint8_t> room(std::size_t size);
    void commit(std::size_t length);
    void flush();

    static constexpr std::size_t max_waiting = 512 * 1024;

  private:
    tcp::socket socket_;
    path where_;
    asio::steady_timer limit_;
    std::vector<std::uint8_t> filling_, sending_;
    std::vector<std::uint8_t> room_;
    bool adopted_ = false, closed_ = false, writing_ = false;
};

} // namespace rivulet::webrtc
