// The access units of one channel, demultiplexed once and shared by every viewer (RTMP, WHEP, SRT,
// push). Each viewer is a cursor into one bounded log, so a slow viewer costs nothing: it skips to
// the newest keyframe and counts what it missed. Thread: the home shard of the channel's name.
// Owns: the log and the reading coroutine, which runs only while somebody is subscribed.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "egress/feed_audio.hpp"
#include "egress/feed_log.hpp"
#include "media/access_unit.hpp"
#include "trickle/channel.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::egress {

struct feed_options {
    feed_limits log;
    // The channel is read on for so long after the last viewer left.
    duration keep_reading = std::chrono::seconds(5);
};

struct feed_stats {
    std::size_t subscribers = 0;
    bool reading = false;
    std::uint64_t video_units = 0, audio_units = 0, keyframes = 0;
    std::uint64_t transcoded_audio_units =
        0;                                 // made by the feed for viewers that need another codec
    std::uint64_t dropped_audio_units = 0; // that no transcoder could carry
    std::uint64_t skipped_segments = 0;    // times the feed itself lagged behind the channel
    std::uint64_t dropped_by_viewers = 0;  // units that slow viewers skipped, over all of them
    std::uint64_t bytes = 0;               // of media
};

class feed_subscription;

class channel_feed : public std::enable_shared_from_this<channel_feed> {
  public:
    static std::shared_ptr<channel_feed> create(
        asio::any_io_executor executor,
        trickle::channel_ptr source,
        feed_options options,
        logger log
    );
    ~channel_feed();

    const std::string& name() const { return source_->name(); }

    const trickle::channel_ptr& source() const { return source_; }

    // True once the channel has ended and everything was handed on.
    bool ended() const { return ended_; }

    // From the newest keyframe. `audio` is what the viewer can carry: Opus and AAC are converted
    // into each other once per feed.
    std::unique_ptr<feed_subscription> subscribe(feed_audio audio);

    feed_stats stats() const;
    // Ends every subscription (they fail with end_of_stream) and stops reading.
    void close();

  private:
    friend class feed_subscription;

    channel_feed(
        asio::any_io_executor executor,
        trickle::channel_ptr source,
        feed_options options,
        logger log
    );
    void start_reading();
    void stop_reading();
    awaitable<void> read_channel(unsigned generation);
    void take_format(const media::stream_format& format);
    void take_unit(media::access_unit unit);
    void convert(const media::access_unit& unit);
    std::optional<std::int64_t>& newest_sound(media::codec type);
    void
    add(media::access_unit unit, std::shared_ptr<const media::stream_format> format, bool made);
    void unsubscribed(const feed_cursor& cursor);

    const asio::any_io_executor executor_;
    const trickle::channel_ptr source_;
    const feed_options options_;
    const logger log_;

    feed_log units_;
    std::shared_ptr<const media::stream_format> format_;
    std::unique_ptr<audio_transcoder> transcoder_;
    std::shared_ptr<const media::stream_format> converted_format_; // with the transcoder's audio
    std::optional<std::int64_t> newest_aac_, newest_opus_;         // dts, as it came or made
    bool cannot_convert_ = false;                                  // said once
    std::unique_ptr<task_group> reading_;                          // null while nobody watches
    unsigned generation_ = 0; // of the reading; an older one that still runs must add nothing
    notifier changed_;
    asio::steady_timer unused_; // runs while nobody is subscribed
    std::size_t want_aac_ = 0, want_opus_ = 0;
    bool ended_ = false;
    feed_stats stats_;
};

// One viewer's cursor. Keeps its feed alive and reading.
class feed_subscription {
  public:
    ~feed_subscription();
    feed_subscription(const feed_subscription&) = delete;
    feed_subscription& operator=(const feed_subscription&) = delete;

    // The next unit in order, or null when there is none yet. `after_gap` on a unit says that units
    // before it were dropped; it is then a keyframe.
    feed_step next();
    // Waits until next() may have something, the feed ended, or `until`.
    awaitable<void> wait_until(time_point until);

    bool ended() const; // and everything was read

    std::uint64_t dropped() const { return cursor_.dropped; }

    channel_feed& feed() { return *feed_; }

  private:
    friend class channel_feed;
    feed_subscription(std::shared_ptr<channel_feed> feed, feed_audio audio);

    std::shared_ptr<channel_feed> feed_;
    feed_cursor cursor_;
};

} // namespace rivulet::egress
