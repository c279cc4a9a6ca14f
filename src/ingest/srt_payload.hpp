// Cuts a byte stream of MPEG-TS into SRT messages of seven whole packets, as receivers expect them.
// Pure. Thread: one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rivulet::ingest {

class srt_payload {
  public:
    static constexpr std::size_t packet_size = 188, message_size = 7 * packet_size;

    void append(std::span<const std::uint8_t> data);
    // The next full message; empty when there is none. Valid until the next call of any function.
    std::span<const std::uint8_t> next();
    // What is left at the end of a burst, in whole packets; the rest of a packet waits for its end.
    std::span<const std::uint8_t> rest();
    // A new segment begins at a packet's first byte: part of a packet before it will never be
    // whole.
    void align();

    std::size_t pending() const { return held_.size() - at_; }

  private:
    std::span<const std::uint8_t> take(std::size_t size);

    std::vector<std::uint8_t> held_;
    std::size_t at_ = 0;
};

} // namespace rivulet::ingest
