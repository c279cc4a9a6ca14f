// The media half of a publisher that sends MPEG-TS: bytes through the demuxer to the sink. H.265 is
// transcoded to H.264, MPEG audio layer 1 and 2 to AAC, everything else goes on as it is. The first
// units wait until the details of every track are known, so that the stream does not begin without
// one of them.
// Thread: the home shard of the stream. A transcoder's units come from its thread by post.
// Owns: demuxer, transcoders and the sink.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "ingest/source.hpp"
#include "media/audio_transcoder.hpp"
#include "media/ts_demuxer.hpp"
#include "media/video_transcoder.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::ingest {

struct ts_publisher_options {
    duration no_media_limit = std::chrono::seconds(10); // the first video unit must come within
    duration hold = std::chrono::milliseconds(500);     // at most, for a track's details
    duration hold_transcoded = std::chrono::seconds(3); // the same while a transcoder starts
    std::size_t hold_bytes = 8u << 20;
    media::video_transcoder_options transcoder;
};

class ts_publisher : public std::enable_shared_from_this<ts_publisher> {
  public:
    // `fail` is told once when a transcoder broke; from the executor.
    ts_publisher(
        asio::any_io_executor executor,
        std::shared_ptr<unit_sink> sink,
        ts_publisher_options options,
        std::function<void(std::string)> fail,
        time_point now,
        logger log
    );
    ~ts_publisher();

    // Bytes as they came; the text of a refusal, or nothing.
    std::optional<std::string> take(std::span<const std::uint8_t> data, time_point now);
    std::optional<std::string> tick(time_point now);
    // What follows begins anew, with tables, and may be of another muxer.
    void begin_segment();

    // Hands on what is complete and tells the sink. Once.
    void finish(const std::string& reason);

    std::uint64_t units() const { return units_; }

    bool transcoding() const { return video_transcoder_ != nullptr; }

    media::video_transcoder_stats transcoder_stats() const;

    const media::ts_demuxer_counters& counters() const { return demuxer_.counters(); }

  private:
    void demuxed_format(const media::stream_format& format);
    void demuxed(media::access_unit unit);
    void take_video(media::access_unit unit);
    void take_audio(media::access_unit unit);
    void start_video_transcoder(const media::video_format& from);
    void stop_transcoding();
    bool known() const;
    void deliver(media::access_unit unit);
    void release(time_point now);
    std::string missing() const;

    asio::any_io_executor executor_;
    std::shared_ptr<unit_sink> sink_; // null after ended()
    const ts_publisher_options options_;
    std::function<void(std::string)> fail_;
    logger log_;
    media::ts_demuxer demuxer_;
    std::unique_ptr<media::video_transcoder> video_transcoder_;
    std::unique_ptr<media::audio_transcoder> audio_transcoder_;

    media::stream_format in_;   // the sender's
    media::stream_format out_;  // what the sink gets; without a track until its details are known
    media::stream_format told_; // what the sink was told
    std::optional<std::string> refusal_;
    unsigned video_generation_ = 0; // of the transcoder; what an older one still posts is dropped
    int audio_layer_ = 0;           // MPEG audio; 0: not seen
    bool audio_given_up_ = false;   // can't be transcoded; said once

    std::deque<media::access_unit> held_;
    std::size_t held_bytes_ = 0;
    std::optional<time_point> held_since_;
    bool flowing_ = false;
    time_point started_, now_;
    bool video_seen_ = false, audio_seen_ = false;
    std::uint64_t bytes_ = 0, units_ = 0;
};

} // namespace rivulet::ingest
