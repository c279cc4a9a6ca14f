// Counts the video frames in MPEG-TS bytes by their PES headers, without demuxing: enough for the
// rates of a job that only passes bytes on.
// Thread: any one; pure. Bytes come in pieces of any size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace rivulet::worker {

class ts_frame_counter {
  public:
    void push(std::span<const std::uint8_t> data);

    // The next byte begins a packet (a new segment).
    void restart() { held_ = 0; }

    std::uint64_t frames() const { return frames_; }

  private:
    static constexpr std::size_t packet_size = 188;

    void packet(const std::uint8_t* at);

    std::array<std::uint8_t, packet_size> part_{};
    std::size_t held_ = 0; // bytes of a packet whose rest has not arrived
    std::uint64_t frames_ = 0;
};

} // namespace rivulet::worker
