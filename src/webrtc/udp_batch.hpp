// A UDP socket's datagrams in batches: recvmmsg and sendmmsg, one system call for many.
// Thread: one at a time.
// Owns: the datagrams' memory, not the socket.
#pragma once

#include "base/error.hpp"
#include "webrtc/path.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace rivulet::webrtc {

class udp_receiver {
  public:
    // `every_address`: the socket is bound to all of them, so the local address must be asked for.
    explicit udp_receiver(bool every_address);
    ~udp_receiver();

    // One batch; how many datagrams came. Those that were cut or are empty are left out. `each`
    // may change the datagram, which begins at a multiple of sixteen.
    result<std::size_t>
    receive(int socket, const std::function<void(const path&, std::span<std::uint8_t>)>& each);

    static constexpr std::size_t batch = 32;
    static constexpr std::size_t datagram_bytes = 2'048;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

class udp_sender {
  public:
    udp_sender(std::size_t slots, std::size_t slot_bytes);
    ~udp_sender();

    // The next free slot, aligned to sixteen; empty when all are taken.
    std::span<std::uint8_t> room(const path& to);
    void commit(std::size_t length);

    std::size_t waiting() const;

    struct flushed {
        std::size_t sent = 0, failed = 0;
        bool blocked = false; // the kernel takes no more for now; the rest waits
    };

    flushed flush(int socket);

  private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace rivulet::webrtc
