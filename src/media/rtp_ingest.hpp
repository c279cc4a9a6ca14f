// The receiving end of a WebRTC publisher: RTP and RTCP in; encoded pictures and Opus packets with
// their times, and RTCP out. Orders packets, asks again for lost ones (NACK, RTX), reports
// (receiver reports, transport-wide feedback), asks for keyframes, keeps sound and picture together
// by the sender's reports, gives B-frames decoding times, puts parameter sets in front of
// keyframes, and leaves out pictures that a loss has damaged. Thread: one. Callbacks run inside the
// calls. Time is an argument: call tick() at its deadlines.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "media/access_unit.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace rivulet::media {

struct rtp_track {
    codec type = codec::none;
    std::uint8_t payload_type = 0;
    std::optional<std::uint8_t> rtx; // payload type
    std::string parameters;          // fmtp
    bool nack = false, pli = false, fir = false;
};

struct rtp_ingest_options {
    rtp_track video;
    std::optional<rtp_track> audio;           // Opus, 48 kHz, two channels
    std::optional<std::uint8_t> transport_cc; // id of the header extension
    bool correct_timestamps = false;          // of a browser that may count microseconds
    duration keyframe_interval = std::chrono::seconds(2);
};

struct rtp_ingest_events {
    // Video in the publisher's codec (H.264: Annex B, SPS and PPS in front of every IDR), audio
    // one Opus packet. Video begins with a keyframe.
    std::function<void(access_unit)> unit;
    // H.264: before the first unit and when the parameter sets change.
    std::function<void(const video_format&)> format;
    // A compound packet for the publisher.
    std::function<void(std::span<const std::uint8_t>)> rtcp;
};

struct rtp_ingest_stats {
    std::uint64_t packets = 0, bytes = 0;      // video, audio, as they came first
    std::uint64_t lost = 0;                    // on their first way
    std::uint64_t recovered = 0, given_up = 0; // of those
    std::uint64_t nacks = 0, keyframe_requests = 0;
    std::uint64_t pictures = 0, keyframes = 0, damaged = 0; // damaged: left out
    duration round_trip{};
    std::chrono::microseconds jitter{}; // of video
    bool aligned = false;               // audio placed by sender reports
    bool corrected = false;             // microseconds instead of 90 kHz
    std::size_t reordered = 0;          // B-frames: pictures that decoding runs ahead
};

class rtp_ingest {
  public:
    // Fails with unsupported when the video can't be depayloaded here.
    static outcome<std::unique_ptr<rtp_ingest>>
    create(rtp_ingest_options options, rtp_ingest_events events, logger log);
    ~rtp_ingest();
    rtp_ingest(const rtp_ingest&) = delete;
    rtp_ingest& operator=(const rtp_ingest&) = delete;

    void rtp(std::span<const std::uint8_t> packet, time_point now);
    void rtcp(std::span<const std::uint8_t> compound, time_point now);
    void request_keyframe(time_point now);
    // Does what is due.
    void tick(time_point now);
    // When tick() is to be called; may move with every call.
    time_point deadline() const;

    rtp_ingest_stats stats() const;

  private:
    struct impl;
    explicit rtp_ingest(std::unique_ptr<impl> impl);

    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::media
