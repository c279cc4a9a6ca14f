// When the output of a stream whose input is over is complete. A publisher that leaves ends the
// stream, and a pipeline may then drop what it is still processing: so the publisher stays until
// the last picture is back and nothing follows it, or until nothing comes any more. Pure.
// Thread: one owner.
#pragma once

#include "base/asio.hpp"
#include "media/access_unit.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace rivulet::element {

class drain_rule {
  public:
    // A pipeline that has sent nothing for so long, after the input or after its last unit, has
    // nothing more (or keeps it until the end of its input).
    static constexpr duration quiet = std::chrono::seconds(1);
    // So little is missing that a decoder may hold it, to put pictures in order, until its input
    // ends; and a pipeline in real time throws away what it gets out of that too late. Then it is
    // quiet sooner, for two of the longest pauses that it made lately but for this at least.
    static constexpr std::int64_t held = media::clock_rate / 5;
    static constexpr std::chrono::milliseconds held_quiet{200};
    // Pictures may come many at once: the pauses are those of so long, and unknown when pictures
    // have come for less than it takes to see one.
    static constexpr std::chrono::milliseconds lately{1'000}, seen_enough{400};
    // The greatest pts is back, but with B-frames or sound it is not that of the last unit.
    static constexpr std::chrono::milliseconds settled{100};
    // Times further apart than this are of different clocks, which say nothing to each other.
    static constexpr std::int64_t same_clock = 10 * media::clock_rate;
    // Pipelines may round.
    static constexpr std::int64_t tolerance = media::clock_rate / 100;

    // All of the input has been taken; `last`: the greatest pts of its video.
    void input_over(std::optional<std::int64_t> last, time_point now);
    void output(const media::access_unit& unit, time_point now);

    // The publisher may leave.
    bool complete(time_point now) const;
    // When complete() may have changed by the clock alone.
    time_point due() const;

  private:
    // Of the video; nothing: not known.
    std::optional<std::int64_t> missing() const;
    void picture_came(time_point now);
    // For how long it may be quiet while little is missing.
    duration short_quiet() const;

    bool over_ = false;
    std::optional<std::int64_t> last_in_, last_out_; // the greatest pts
    time_point newest_{};
    std::optional<time_point> first_picture_, last_picture_;
    // Pauses between pictures, by when they were over: of late, each longer than all behind it.
    std::deque<std::pair<time_point, duration>> pauses_;
};

} // namespace rivulet::element
