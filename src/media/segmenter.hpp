// Decides where segments begin. Rules: nothing before the first IDR; a segment begins at an IDR
// that comes at least `min_segment` after the start of the current one in wall-clock and in media
// time; a segment that has no such IDR ends at a limit, and then everything up to the next IDR is
// dropped, since a segment must be decodable alone. Units keep their order of arrival. Pure: no
// clock, no output.
#pragma once

#include "base/asio.hpp"
#include "media/access_unit.hpp"

#include <cstdint>

namespace rivulet::media {

struct segmenter_options {
    duration min_segment = std::chrono::seconds(1);
    // In wall-clock and media time. Far above the 8 to 10 s that encoders use when nobody asks
    // for a keyframe interval: hitting it costs video.
    duration max_segment = std::chrono::seconds(30);
    std::uint64_t max_bytes = 48u << 20; // of access units; TS adds about 3 %
};

enum class segment_action {
    drop,           // not part of any segment
    write,          // belongs to the current segment
    cut_then_write, // end the current segment (if any), begin one with this unit
    end_then_drop   // end the current segment; this unit and those up to the next IDR are dropped
};

enum class segment_reason {
    none,
    before_first_keyframe,
    keyframe,
    too_long,  // end_then_drop only: max_segment
    too_large, // end_then_drop only: max_bytes
    after_limit
};

struct segment_decision {
    segment_action action;
    segment_reason reason;
    bool operator==(const segment_decision&) const = default;
};

class segmenter {
  public:
    explicit segmenter(segmenter_options options = {}) : options_(options) {}

    segment_decision step(const access_unit& unit, time_point now);
    // The publisher left, or the segment was ended by somebody else: the next IDR begins one.
    void reset();

    bool in_segment() const { return open_; }

    std::uint64_t dropped() const { return dropped_; }

  private:
    segment_decision drop();

    segmenter_options options_;
    bool open_ = false;
    bool limited_ = false;
    time_point started_{};
    std::int64_t start_dts_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t dropped_ = 0;
};

} // namespace rivulet::media
