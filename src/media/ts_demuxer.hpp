// MPEG-TS bytes in, in pieces of any size; access units out. First program, its first video (H.264,
// H.265) and first audio track (AAC in ADTS, Opus, MP3). A unit leaves as soon as its last byte is
// in: by the PES length, or by the stuffing that ends an unbounded PES; else with the next PES.
// PTS and DTS are unwrapped to 64 bits with one common epoch. Memory is bounded by `max_pes_bytes`.
// Resynchronises after lost or foreign bytes. Pure: bad input is skipped and counted.
// Thread: any one at a time. Callbacks run inside push() and flush().
#pragma once

#include "base/bytes.hpp"
#include "media/access_unit.hpp"

#include <functional>
#include <memory>
#include <span>

namespace rivulet::media {

struct ts_demuxer_events {
    // What is known so far. First with the PMT (codec types only: width, height, sample_rate 0),
    // then whenever details appear or change; always complete for a track before its first unit.
    std::function<void(const stream_format&)> format;
    // Video: Annex B as sent, an access unit delimiter included if the sender wrote one; parameter
    // sets are put in front of a keyframe that came without.
    std::function<void(access_unit)> unit;
};

struct ts_demuxer_options {
    std::size_t max_pes_bytes = 8u << 20;
};

struct ts_demuxer_counters {
    std::uint64_t packets = 0;
    std::uint64_t lost_sync_bytes = 0; // skipped in search of a sync byte
    std::uint64_t discontinuities = 0; // continuity counter gaps
    std::uint64_t dropped_units = 0;   // damaged, oversized, without PTS, before parameter sets
};

class ts_demuxer {
  public:
    explicit ts_demuxer(ts_demuxer_events events, ts_demuxer_options options = {});
    ~ts_demuxer();
    ts_demuxer(ts_demuxer&&) noexcept;
    ts_demuxer& operator=(ts_demuxer&&) noexcept;

    void push(std::span<const std::uint8_t> data);
    // A segment boundary: emits what is complete, and takes any continuity counter next (muxers may
    // restart theirs).
    void reset_continuity();
    // End of input: emits a pending unit.
    void flush();

    const stream_format& format() const;
    const ts_demuxer_counters& counters() const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::media
