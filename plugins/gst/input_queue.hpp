// Encoded input on its way to the network, bounded in bytes and in time: what the network does not
// take in time is dropped up to the next keyframe, so that live video does not grow old. While
// nothing takes it at all, only the newest pictures from a keyframe on are kept. Pure: time is a
// parameter; the caller locks.
#pragma once

#include "base/asio.hpp"
#include "media/access_unit.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

namespace rivulet::element {

using input_item = std::variant<media::stream_format, media::access_unit>;

class input_queue {
  public:
    input_queue(std::size_t max_bytes, duration max_age)
        : max_bytes_(max_bytes), max_age_(max_age) {}

    void push(media::stream_format format);

    enum class taken {
        kept,
        dropped,  // it waits for a keyframe
        overflow, // it did not fit: video begins again at the next keyframe, which is wanted
    };

    taken push(media::access_unit unit, time_point now);

    // Everything queued, in order.
    std::vector<input_item> take();

    // A connection begins, with the format. What is older than `fresh` is no use any more. False:
    // there is no keyframe to begin with, one is wanted.
    bool begin(duration fresh, time_point now);
    // The connection is gone.
    void hold();

    std::size_t bytes() const { return bytes_; }

    bool empty() const { return items_.empty(); }

    std::uint64_t dropped() const { return dropped_; }

  private:
    struct entry {
        input_item what;
        time_point when;
    };

    static const media::access_unit* unit_of(const entry& one) {
        return std::get_if<media::access_unit>(&one.what);
    }

    static bool is_video(const entry& one, bool key) {
        const auto* unit = unit_of(one);
        return unit && unit->kind == media::track_kind::video && (!key || unit->keyframe);
    }

    bool fits(std::size_t more, time_point now) const;
    // Drops the units before `end`; the newest format among them stays.
    void drop_before(std::size_t end);
    // The place of the newest keyframe; items_.size() when there is none.
    std::size_t newest_keyframe() const;

    std::size_t max_bytes_;
    duration max_age_;
    std::deque<entry> items_;
    std::optional<media::stream_format> known_; // of the first unit queued
    std::size_t bytes_ = 0;
    std::uint64_t dropped_ = 0;
    bool holding_ = true;         // nobody takes
    bool awaits_keyframe_ = true; // video is dropped until one comes
    bool seen_video_ = false;
    bool changed_format_ = false; // known_ has not been taken
};

} // namespace rivulet::element
