// A channel with a spliced output in front of it: clips go in as an orchestrator's output or as the
// source, and everything that a reader of the channel would get is kept.
#pragma once

#include "live/spliced_output.hpp"
#include "media/ts_demuxer.hpp"
#include "support/ts_clip.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::test {

using live::spliced_output;
using live::swap_filler;

inline std::vector<media::access_unit>
units_in(const std::vector<bytes>& blocks, media::stream_format* format = nullptr) {
    std::vector<media::access_unit> units;
    media::ts_demuxer demuxer(
        {[&](const media::stream_format& seen) {
             if (format)
                 *format = seen;
         },
         [&](media::access_unit unit) { units.push_back(std::move(unit)); }}
    );
    for (const auto& block : blocks)
        demuxer.push(block.view());
    demuxer.flush();
    return units;
}

inline std::vector<bytes> blocks_of(const clip& made) {
    std::vector<bytes> all;
    for (const auto& segment : made.segments)
        all.insert(all.end(), segment.blocks.begin(), segment.blocks.end());
    return all;
}

class splice_rig {
  public:
    explicit splice_rig(swap_filler filler)
        : channel_(std::make_shared<trickle::channel>(
              "s-out", "video/MP2T", trickle::channel_limits{}, now
          )),
          writer_(channel_), output(writer_, filler, logger("test")) {}

    // A segment of an orchestrator's output, a block at a time; `blocks`: only so many of it.
    void segment(const clip::segment& segment, std::size_t blocks = SIZE_MAX) {
        for (std::size_t i = 0; i < segment.blocks.size() && i < blocks; ++i) {
            trickle::subscriber_item item;
            item.segment_begins = i == 0;
            item.segment_ends = i + 1 == segment.blocks.size();
            item.blocks.push_back(segment.blocks[i]);
            output.take(std::move(item), now);
            collect();
        }
    }

    void play(const test::clip& made, std::size_t from = 0, std::size_t to = SIZE_MAX) {
        for (std::size_t i = from; i < made.segments.size() && i < to; ++i)
            segment(made.segments[i]);
    }

    void lost() {
        output.lost(now);
        collect();
    }

    void joined() {
        output.joined(now);
        collect();
    }

    void pass(duration time) { now += time; }

    // Everything that was written, in order.
    std::vector<bytes> written() {
        collect();
        std::vector<bytes> all;
        for (const auto& [seq, segment] : segments_)
            all.insert(all.end(), segment->blocks().begin(), segment->blocks().end());
        return all;
    }

    std::vector<std::uint8_t> written_bytes() {
        std::vector<std::uint8_t> all;
        for (const auto& block : written())
            all.insert(all.end(), block.view().begin(), block.view().end());
        return all;
    }

    std::vector<std::vector<bytes>> written_segments() {
        collect();
        std::vector<std::vector<bytes>> all;
        for (const auto& [seq, segment] : segments_)
            if (!segment->blocks().empty())
                all.push_back(segment->blocks());
        return all;
    }

    void collect() {
        for (auto seq = next_seq_; seq <= channel_->next(); ++seq)
            if (auto found = channel_->open_read(seq)) {
                segments_[seq] = *found;
                next_seq_ = seq;
            }
    }

  private:
    trickle::channel_ptr channel_;
    trickle::channel_writer writer_;
    std::int64_t next_seq_ = 0;
    std::map<std::int64_t, trickle::segment_ptr> segments_;

  public:
    time_point now = time_point{} + std::chrono::hours(1);
    spliced_output output;
};

} // namespace rivulet::test
