// What is known of an MPEG-TS byte stream that passes by unread: the newest times, the tables and
// counters that another muxer goes on from, whether a picture was left unfinished, and where a
// restarted clock shows. Reads headers only; nothing is copied but the newest tables. Bytes may be
// cut anywhere; garbage is skipped to the next sync byte. Pure.
#pragma once

#include "media/h264.hpp"
#include "media/timestamps.hpp"
#include "media/ts_muxer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace rivulet::live {

class ts_tail {
  public:
    static constexpr std::size_t packet_bytes = 188;
    // A time so much below the track's newest is a clock that was turned back, not a B-frame; one
    // so much above is a clock that was set anew.
    static constexpr std::int64_t back = media::clock_rate;
    static constexpr std::int64_t ahead = 10 * media::clock_rate;

    using on_frame = std::function<void(std::int64_t pts)>; // of the video, 33 bit

    // How much of `data` passes. Less than all: the packet that begins there (or `partial()` and
    // the bytes from there on) has a clock of its own, and was not counted.
    std::size_t feed(media::byte_span data, const on_frame& frame);

    // The beginning of a packet whose rest is still to come.
    media::byte_span partial() const { return {partial_.data(), held_}; }

    // Newest pts, unwrapped.
    std::optional<std::int64_t> video_time() const { return video_.newest; }

    std::optional<std::int64_t> audio_time() const { return audio_.newest; }

    std::uint64_t frames() const { return frames_; }

    std::uint64_t sounds() const { return sounds_; } // pieces of the audio track

    // The newest packets with PAT and PMT, as they came.
    const std::vector<std::uint8_t>& tables() const { return tables_; }

    media::ts_continuation continuation() const;
    // Packets that make readers forget what is unfinished: the rest of a packet that was cut, and
    // one that says its track is damaged.
    std::vector<std::uint8_t> closing() const;

  private:
    struct track {
        int pid = -1;
        std::optional<std::int64_t> newest;
        bool unfinished = false;
        std::uint8_t next_counter = 0;
    };

    using packet_view = std::span<const std::uint8_t, packet_bytes>;

    bool packet(packet_view p, const on_frame& frame);
    void section(media::byte_span payload, packet_view whole, bool pat);
    void choose(track& slot, int pid);
    bool pes(track& of, media::byte_span payload, const on_frame& frame);

    std::array<std::uint8_t, packet_bytes> partial_{};
    std::size_t held_ = 0;
    int pmt_pid_ = -1;
    int version_ = 0;
    track video_, audio_;
    media::unwrap33 clock_;
    std::array<std::uint8_t, 4> counters_{}; // of the PIDs that ts_muxer writes, next ones
    std::vector<std::uint8_t> tables_;
    std::uint64_t frames_ = 0, sounds_ = 0;
};

} // namespace rivulet::live
