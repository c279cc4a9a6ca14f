// The newest media of a channel as RTP payloads, made once and shared by all WebRTC viewers: the
// group from the newest keyframe for an instant start, and a history for retransmissions.
// No I/O, no clock: times are the media's. Memory is bounded per channel, whatever the number of
// viewers. Thread: the feed's shard.
#pragma once

#include "media/rtp_h264.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

namespace rivulet::egress {

// One access unit, packetised.
struct rtp_frame {
    media::track_kind track = media::track_kind::video;
    bool keyframe = false;       // video: decodable without anything before
    std::uint32_t timestamp = 0; // RTP, of the track's clock
    std::int64_t time = 0;       // 90 kHz, decoding order; for pacing
    media::rtp_payloads payloads;
    std::size_t payload_bytes = 0;

    // Set by the log: packets of each track before this frame. A frame's packets are numbered from
    // before[track] on.
    std::array<std::uint64_t, 2> before{};

    std::uint64_t first_packet() const { return before[static_cast<std::size_t>(track)]; }

    std::size_t packets() const { return payloads.packets.size(); }
};

using rtp_frame_ptr = std::shared_ptr<const rtp_frame>;

struct rtp_log_limits {
    std::size_t bytes = 16u << 20;                       // hard cap
    std::int64_t history = 3 * media::clock_rate;        // kept before the newest keyframe
    std::int64_t longest_group = 60 * media::clock_rate; // a group without end is given up after
};

class rtp_log {
  public:
    explicit rtp_log(rtp_log_limits limits) : limits_(limits) {}

    // The frame with its packet numbers.
    rtp_frame_ptr push(rtp_frame frame);

    // Frames are numbered; those in [begin(), end()) are here.
    std::uint64_t begin() const { return begin_; }

    std::uint64_t end() const { return begin_ + frames_.size(); }

    const rtp_frame_ptr& at(std::uint64_t number) const { return frames_[number - begin_]; }

    // The number of the newest keyframe.
    std::optional<std::uint64_t> newest_keyframe() const { return newest_keyframe_; }

    // A packet of a track by its number; no frame when it is not here any more.
    struct packet {
        rtp_frame_ptr frame;
        std::size_t index = 0; // in frame->payloads.packets
    };

    packet find(media::track_kind track, std::uint64_t number) const;

    // The track has, or had, packets.
    bool has(media::track_kind track) const {
        return packets_[static_cast<std::size_t>(track)] > 0;
    }

    std::size_t bytes_held() const { return bytes_; }

  private:
    void drop_front();
    void trim();

    rtp_log_limits limits_;
    std::deque<rtp_frame_ptr> frames_;
    std::uint64_t begin_ = 0;
    std::optional<std::uint64_t> newest_keyframe_;
    std::array<std::uint64_t, 2> packets_{}; // made so far, of each track
    std::size_t bytes_ = 0;
};

} // namespace rivulet::egress
