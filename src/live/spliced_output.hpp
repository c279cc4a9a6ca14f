// The channel NAME-out over changes of the orchestrator: one clock, one muxer, and a filler while
// there is no processed video, so that viewers stay connected. Until the first change the
// orchestrator's bytes pass as they are; from then on they are demultiplexed, put on the timeline
// and written again. A clock that restarts without a change of the orchestrator counts as one.
// Thread: the stream's home shard. The writer belongs to the stream.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "media/access_unit.hpp"
#include "trickle/channel_writer.hpp"
#include "trickle/subscriber.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::live {

// -swapFiller: what viewers see meanwhile.
enum class swap_filler {
    freeze, // the last processed picture
    source, // the unprocessed source: never for streams whose processing hides something
    none    // nothing; the clock goes on
};

struct splice_counters {
    std::uint64_t frames = 0;   // of processed video, over all orchestrators
    std::uint64_t sounds = 0;   // pieces of sound they sent
    std::uint64_t overlong = 0; // segments ended at the channel's limit
    std::uint64_t filler_frames = 0;
    std::uint64_t repeated_frames = 0; // squeezed: seen before the change already
    std::uint64_t left_out = 0;        // audio heard already, video before a keyframe
    std::uint64_t bytes = 0;           // of the orchestrators' output
    bool filling = false;              // there was processed video, and there is none now
    bool spliced = false;              // bytes don't pass as they are any more
};

class spliced_output {
  public:
    spliced_output(trickle::channel_writer& out, swap_filler filler, logger log);
    ~spliced_output();

    // What the current orchestrator sent. Left out between lost() and joined().
    void take(trickle::subscriber_item item, time_point now);
    // The source, as it goes into channel NAME; kept for the filler (its newest group).
    void source_format(const media::stream_format& format);
    void source_unit(const media::access_unit& unit, time_point now);

    // The orchestrator is lost: the filler begins, if output flowed before. Again while it is lost:
    // nothing.
    void lost(time_point now);
    // The next take() comes from another one; call it when that one took the job. Needed for the
    // second one on. The filler ends with its first keyframe. Says lost() when nobody did.
    void joined(time_point now);
    // When to call tick() next; it writes the filler's frames that are due. Ask again after every
    // call of anything here.
    std::optional<time_point> next_tick() const;
    void tick(time_point now);
    // Ends the open segment; nothing is written afterwards.
    void end();

    // The newest unit's pts on the output is so much later than the one it came with (90 kHz).
    std::int64_t shift() const;
    const splice_counters& counters() const;
    // A message when the channel refused bytes, once each.
    std::optional<std::string> take_trouble();
    // Every processed video frame's pts as it came (33 bit, as the source went out), oldest first,
    // since the last call: for the latency figures. The newest 256 are kept.
    std::vector<std::int64_t> take_frame_times();

    struct impl;

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::live
