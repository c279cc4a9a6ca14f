// Turns a viewer's units into RTMP messages: metadata and sequence headers first and whenever they
// change, then frames, whose bodies are built once per unit and shared. Pure.
// Thread: the feed's shard.
#pragma once

#include "egress/feed_log.hpp"
#include "ingest/rtmp_message.hpp"
#include "media/timestamps.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace rivulet::egress {

enum class rtmp_times {
    as_they_are, // the stream's own clock
    // The first message gets 0 and no track ever steps back, as servers expect of an encoder; jumps
    // of the stream's clock are closed.
    from_zero
};

class rtmp_units {
  public:
    explicit rtmp_units(rtmp_times times) : times_(times) {}

    // Appends the messages for one unit. False when its codec has no RTMP form; it is left out.
    bool append(const feed_step& step, std::vector<ingest::rtmp_message>& out);

  private:
    std::uint32_t time_of(const media::access_unit& unit);
    void
    add(std::vector<ingest::rtmp_message>& out,
        ingest::rtmp_type type,
        std::uint32_t time,
        bytes body);

    rtmp_times times_;
    media::continuous_clock clock_;        // from_zero
    std::array<std::int64_t, 2> newest_{}; // milliseconds, of each track
    bool announced_ = false;
    std::optional<media::video_format> video_;
    std::optional<media::audio_format> audio_;
    // The values compared last, so that most units cost one pointer comparison.
    std::shared_ptr<const media::stream_format> keep_video_, keep_audio_;
};

// The onMetaData message of a stream, without "@setDataFrame".
bytes rtmp_metadata(const media::stream_format& format);

} // namespace rivulet::egress
