// An SRT caller of libsrt's own, blocking. Thread: the test's.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rivulet::test {

struct srt_wish {
    std::string stream_id;
    std::string passphrase;
    int key_bytes = 0; // 16, 24 or 32; 0: libsrt's choice
};

class srt_caller {
  public:
    // Connects, or not: see connected().
    srt_caller(std::uint16_t port, const srt_wish& wish);
    ~srt_caller();
    srt_caller(const srt_caller&) = delete;
    srt_caller& operator=(const srt_caller&) = delete;

    bool connected() const { return connected_; }

    // Why the server refused, as the protocol's documents number it (2401); libsrt's own reasons
    // are below 1000.
    int refusal() const { return refusal_; }

    // In messages of 1316 bytes. False when the connection ended.
    bool send(std::span<const std::uint8_t> data);
    // The same at about 10 Mbit/s, over and over for so long.
    bool send_for(std::span<const std::uint8_t> data, std::chrono::milliseconds time);
    // Everything until `size` bytes have come, the connection ends or the time is up.
    std::vector<std::uint8_t> receive(std::size_t size, std::chrono::milliseconds limit);
    // Waits until the server has closed it.
    bool closed_within(std::chrono::milliseconds limit);
    void close();

  private:
    int socket_ = -1;
    bool connected_ = false;
    int refusal_ = 0;
};

} // namespace rivulet::test
