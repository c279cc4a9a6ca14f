// Decoding times for pictures that come in decoding order and know only when they are shown, as RTP
// carries them. Without B-frames both are the same; with them the decoding time runs behind by as
// many pictures as are reordered: as the parameter sets say, or as the stream shows. Pure.
#pragma once

#include "media/access_unit.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace rivulet::media {

class dts_repair {
  public:
    static constexpr std::size_t max_depth = 8;

    // Of the SPS (max_num_reorder_frames); -1: not said.
    void reorder_frames(int count);

    // Sets the unit's dts, which rises from unit to unit; its pts moves only where a stream turns
    // out to reorder more than was known.
    void operator()(access_unit& unit);

    // Pictures that the decoding time lies behind.
    std::size_t depth() const { return depth_; }

  private:
    std::size_t depth_ = 0;
    std::vector<std::int64_t> waiting_; // times of display not handed out, sorted
    std::optional<std::int64_t> last_dts_, last_pts_;
    std::int64_t interval_ = clock_rate / 30;
};

} // namespace rivulet::media
