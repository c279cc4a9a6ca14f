// Access units in, MPEG-TS packets out, one shared block per unit, nothing held back. One program:
// PMT on PID 0x1000, video 0x100, audio 0x101 (0x100 without video). libavformat's muxer inside.
// Continuity counters run on over segments and format changes, so segments concatenate; every
// segment starts with PAT and PMT. PTS and DTS are carried unchanged modulo 2^33 and may jump
// either way. Thread: any one at a time.
#pragma once

#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <memory>

namespace rivulet::media {

// Where another muxer's packets ended: those that follow it have these numbers.
struct ts_continuation {
    int tables_version = 0;
    // By PID, the next counter: tables, video, audio as this muxer numbers its PIDs.
    std::uint8_t pat = 0, pmt = 0, video = 0, audio = 0;
};

class ts_muxer {
  public:
    static constexpr int pmt_pid = 0x1000, first_pid = 0x100;

    ts_muxer();
    ~ts_muxer();
    ts_muxer(ts_muxer&&) noexcept;
    ts_muxer& operator=(ts_muxer&&) noexcept;

    // H.264 or H.265, AAC (needs audio_format::config), Opus or MP3. May be called again: the next
    // unit starts with new tables, when they would say something else. Fails with unsupported,
    // invalid_argument (no track), media_error.
    error_code set_format(const stream_format& format);

    // Goes on after packets of another muxer; before the first set_format().
    void go_on_after(const ts_continuation& other);

    const stream_format& format() const;

    // The next unit starts with PAT and PMT.
    void begin_segment();
    // Fails with invalid_argument (no such track, no format, an empty unit), media_error.
    result<bytes> write(const access_unit& unit);

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::media
