// Keeps a transcoding job in real time: says when a unit is due and what may be left out when the
// job is late. Media may arrive in bursts (a whole segment at once): a burst is due over the time
// it plays, and that allowance melts away by a tenth of the media time, so a job that is really
// slower than real time can't hide behind it. Thread: any one; pure, time is an argument.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::worker {

struct pace_options {
    duration skip_after =
        std::chrono::milliseconds(500);                  // later than this: most frames are skipped
    duration drop_after = std::chrono::seconds(2);       // later: undecoded to the next keyframe
    duration recovered = std::chrono::milliseconds(100); // earlier than this: all frames again
    unsigned keep_one_of = 4;                            // frames that survive skipping
};

class pace_keeper {
  public:
    explicit pace_keeper(pace_options options = {}) : options_(options) {}

    // A video unit came in at `arrival` with decoding time `dts` (90 kHz): when it is due.
    time_point due(std::int64_t dts, time_point arrival);

    // Before decoding: false says leave the unit out. After the first refusal everything up to a
    // keyframe that is early enough is refused, since nothing before it decodes.
    bool decode(bool keyframe, time_point due, time_point now);

    // Before filtering and encoding a decoded frame. `needed`: a frame that must not be skipped
    // (the first of a segment).
    bool encode(bool needed, time_point due, time_point now);

    bool behind() const { return skipping_ || dropping_; }

  private:
    pace_options options_;
    std::optional<std::int64_t> last_dts_;
    time_point last_due_{};
    bool skipping_ = false;
    bool dropping_ = false;
    unsigned since_kept_ = 0;
};

} // namespace rivulet::worker
