// Counts what passes in an MPEG-TS byte stream without decoding it: video frames (PES starts on the
// first video PID of the PMT) and their PTS. Feeds frame rate and latency in /status.
// Bytes may be cut anywhere; garbage is skipped to the next sync byte.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace rivulet::live {

class ts_meter {
  public:
    using on_frame = std::function<void(std::int64_t pts)>; // 33 bit, 90 kHz

    explicit ts_meter(on_frame frame) : frame_(std::move(frame)) {}

    void feed(std::span<const std::uint8_t> data);

    std::uint64_t frames() const { return frames_; }

  private:
    static constexpr std::size_t packet_bytes = 188;

    void packet(std::span<const std::uint8_t, packet_bytes> p);
    void section(std::span<const std::uint8_t> payload, bool pat);
    void pes(std::span<const std::uint8_t> payload);

    on_frame frame_;
    std::array<std::uint8_t, packet_bytes> partial_{};
    std::size_t held_ = 0;
    std::optional<std::uint16_t> pmt_pid_;
    std::optional<std::uint16_t> video_pid_;
    std::uint64_t frames_ = 0;
};

} // namespace rivulet::live
