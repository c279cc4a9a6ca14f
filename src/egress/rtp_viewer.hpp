// What one WebRTC viewer is sent and when: the group from the newest keyframe, paced, then every
// frame as it comes; what it asks for again; its sender reports. No sockets, no timers.
// Thread: the feed's shard.
#pragma once

#include "egress/report_clock.hpp"
#include "egress/rtp_track.hpp"

#include <functional>
#include <string>

namespace rivulet::egress {

struct rtp_viewer_setup {
    std::optional<rtp_track_setup> video, audio;
    std::string cname;
};

struct rtp_viewer_stats {
    std::uint64_t packets = 0, bytes = 0;     // RTP payload, first sending
    std::uint64_t resent = 0, not_resent = 0; // packets that were asked for
    std::uint64_t unsent = 0;                 // the transport took no more
    std::uint64_t skipped_frames = 0;         // the viewer was too slow for
    std::uint64_t keyframe_requests = 0;
    double loss_percent = 0; // of the newest report, the worse track
    std::int64_t lost = 0;   // of all reports
    double jitter_ms = 0;
    double round_trip_ms = 0; // 0: not known yet
};

class rtp_viewer {
  public:
    // Sends one packet; false when the transport takes no more. A packet that was not taken is lost
    // and asked for by the viewer.
    using send_packet = std::function<
        bool(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload)>;

    // `log` outlives the viewer.
    rtp_viewer(const rtp_log& log, rtp_viewer_setup setup, send_packet send);

    // Sends what is due. Returns when to call again; nothing: when the log has grown.
    std::optional<time_point> pump(time_point now);

    // Answers what the viewer's RTCP asks for. True when it needs a keyframe.
    bool feedback(const media::rtcp_feedback& said, const report_clock& clock, time_point now);

    // A compound of sender reports; empty before the first packet.
    std::vector<std::uint8_t> reports(const report_clock& clock, time_point now) const;
    std::vector<std::uint8_t> goodbye(const report_clock& clock, time_point now) const;

    bool catching_up() const { return burst_.has_value(); }

    const rtp_viewer_stats& stats() const { return stats_; }

    // A keyframe leaves in pieces of so many packets, `turn` apart: a receiver's socket buffer
    // takes no more at once, and other viewers get their turn.
    static constexpr int packets_per_turn = 64;
    static constexpr duration turn = std::chrono::milliseconds(2);
    // The start catches up at this multiple of real time, or faster when that took longer than
    // catch_up_limit.
    static constexpr double burst_speed = 4;
    static constexpr duration catch_up_limit = std::chrono::milliseconds(1'500);

  private:
    struct burst {
        std::int64_t first; // time of its keyframe
        time_point begun;
        double speed;
    };

    void join(time_point now);
    void begin_burst(std::uint64_t keyframe, time_point now);
    time_point due(const rtp_frame& frame) const;
    bool wanted(const rtp_frame& frame) const;
    void resend(const media::rtcp_nack& asked, time_point now);
    std::vector<media::rtcp_sender_report>
    sender_reports(const report_clock& clock, time_point now) const;

    const rtp_log& log_;
    const send_packet send_;
    const std::string cname_;
    std::optional<rtp_track> video_, audio_;
    resend_limit limit_;
    duration round_trip_ = std::chrono::milliseconds(20); // until it is known
    bool joined_ = false;
    bool has_keyframe_ = false; // one was sent; until then no other video is
    std::uint64_t frame_ = 0;   // next to be sent, in the log's numbers
    std::size_t packet_ = 0;    // of it
    time_point not_before_{};
    std::optional<burst> burst_;
    rtp_viewer_stats stats_;
};

} // namespace rivulet::egress
