// The newest units of a feed and the cursors into them. No I/O, no clock: times are the media's.
// Memory is bounded per feed, whatever the number of viewers.
// Thread: the feed's shard.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <deque>
#include <memory>

namespace rivulet::egress {

// What a viewer wants of the audio.
enum class feed_audio {
    none,
    as_is, // whatever the channel carries
    aac,   // AAC, or MP3 as it is; Opus is converted
    opus   // Opus; AAC is converted
};

// One unit as all viewers share it.
struct feed_unit {
    media::access_unit unit;
    std::shared_ptr<const media::stream_format> format; // in force for this unit
    bool transcoded = false; // audio in another codec than the channel's; only for who asked
    // The unit in the form that RTMP viewers send, made by the first of them.
    mutable bytes flv_body;
};

using feed_unit_ptr = std::shared_ptr<const feed_unit>;

struct feed_limits {
    std::size_t bytes = 16u << 20;                       // hard cap of the log
    std::int64_t span = 4 * media::clock_rate;           // kept before the newest keyframe's group
    std::int64_t longest_group = 60 * media::clock_rate; // a group without end is given up after
};

struct feed_cursor {
    feed_audio audio = feed_audio::as_is;
    std::uint64_t index = 0;   // of the next unit
    bool joined = false;       // has had its first keyframe
    bool gap = false;          // the next unit follows a loss
    std::uint64_t dropped = 0; // units that were lost to this viewer
};

struct feed_step {
    feed_unit_ptr unit; // null: nothing yet
    bool after_gap = false;
};

class feed_log {
  public:
    explicit feed_log(feed_limits limits) : limits_(limits) {}

    void push(feed_unit_ptr unit);
    // A cursor before the newest keyframe, or at the end when there is none.
    feed_cursor join(feed_audio audio) const;
    feed_step next(feed_cursor& cursor) const;

    // Units that the cursor has not seen, wanted or not.
    std::uint64_t behind(const feed_cursor& cursor) const { return end() - cursor.index; }

    void clear();

    std::size_t bytes_held() const { return bytes_; }

    std::size_t units_held() const { return units_.size(); }

    bool has_keyframe() const { return has_keyframe_; }

  private:
    std::uint64_t end() const { return begin_ + units_.size(); }

    void drop_front();
    void trim();

    feed_limits limits_;
    std::deque<feed_unit_ptr> units_;
    std::uint64_t begin_ = 0; // index of units_.front()
    std::uint64_t newest_keyframe_ = 0;
    bool has_keyframe_ = false;
    std::size_t bytes_ = 0;
};

} // namespace rivulet::egress
