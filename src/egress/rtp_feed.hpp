// One channel for WebRTC viewers: one reading of its feed, one packetisation, one transcoder when
// its pictures are reordered or not H.264, shared by all of them. When the channel ends and comes
// back soon (its publisher reconnects), viewers stay and the clock goes on.
// Thread: the home shard of the channel's name.
// Owns: its reading, which lasts as long as somebody holds a `use`.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "egress/feed_table.hpp"
#include "egress/frame_order.hpp"
#include "egress/report_clock.hpp"
#include "egress/rtp_log.hpp"
#include "media/rtp_opus.hpp"
#include "media/timestamps.hpp"
#include "media/video_transcoder.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::egress {

struct rtp_feed_options {
    rtp_log_limits log;
    // A channel that ended, or is not there yet, may come (back) within.
    duration return_limit = std::chrono::seconds(10);
    duration poll = std::chrono::milliseconds(100); // while it is awaited
    media::video_transcoder_options transcode;
    duration transcode_retry = std::chrono::seconds(5); // after the transcoder failed
    duration keyframe_request_gap = std::chrono::seconds(1);
};

struct rtp_feed_stats {
    std::size_t viewers = 0;
    std::uint64_t frames = 0, packets = 0, bytes = 0; // packetised, once for all
    std::uint64_t oversized_audio = 0;                // packets that fit no datagram
    bool transcoding = false;
    media::video_transcoder_stats transcoder;
    std::size_t bytes_held = 0;
};

class rtp_feed : public std::enable_shared_from_this<rtp_feed> {
  public:
    // A viewer that is sent the channel; it takes the frames from log().
    class viewer {
      public:
        virtual void log_grew(time_point now) = 0;
        virtual void second_passed(time_point now) = 0;
        // Nothing follows.
        virtual void feed_ended(const std::string& reason) = 0;

      protected:
        ~viewer() = default;
    };

    // Keeps the feed reading.
    class use {
      public:
        explicit use(std::shared_ptr<rtp_feed> feed);
        ~use();
        use(const use&) = delete;
        use& operator=(const use&) = delete;

        rtp_feed& operator*() const { return *feed_; }

        rtp_feed* operator->() const { return feed_.get(); }

      private:
        std::shared_ptr<rtp_feed> feed_;
    };

    // Asks the channel's source for a keyframe; may be empty.
    using request_keyframe = std::function<void(const std::string& channel)>;

    static std::shared_ptr<rtp_feed> create(
        asio::any_io_executor executor,
        std::string channel,
        find_feed find,
        request_keyframe ask,
        rtp_feed_options options,
        logger log
    );
    ~rtp_feed();

    const std::string& channel() const { return channel_; }

    const rtp_log& log() const { return log_; }

    const report_clock& clock() const { return clock_; }

    // What the packets carry; null before the first keyframe.
    const media::video_format* video() const { return video_ ? &*video_ : nullptr; }

    // A viewer would get a picture at once.
    bool ready() const { return video_.has_value() && log_.newest_keyframe().has_value(); }

    // The channel is there, if without a picture yet.
    bool found() const { return found_; }

    bool ended() const { return ended_; }

    // Waits until something of the above changed, or `until`. Spurious ends are possible.
    awaitable<void> changed(time_point until) { return changed_.wait_until(until); }

    // The viewer removes itself before it goes.
    void add(viewer& who);
    void remove(viewer& who);

    // A viewer can't decode. Asks at most every keyframe_request_gap.
    void need_keyframe(time_point now);

    rtp_feed_stats stats() const;
    // Ends it for everybody. Idempotent.
    void close(const std::string& reason);

  private:
    struct transcoding;

    rtp_feed(
        asio::any_io_executor executor,
        std::string channel,
        find_feed find,
        request_keyframe ask,
        rtp_feed_options options,
        logger log
    );
    void start();
    awaitable<void> read();
    awaitable<std::shared_ptr<channel_feed>> next_feed();
    awaitable<void> tick();

    void take(const feed_step& step);
    void take_audio(const media::access_unit& unit);
    void take_video(const media::access_unit& unit, const media::stream_format* format);
    void pass_on(const media::access_unit& unit, const media::video_format& format);
    void transcode(const media::access_unit& unit, const media::video_format& format);
    void transcoded(media::access_unit unit);
    void transcoder_failed(const std::string& why);
    void push(rtp_frame frame);
    void tell_viewers();
    template <class Call>
    void each_viewer(Call call);

    const asio::any_io_executor executor_;
    const std::string channel_;
    const find_feed find_;
    const request_keyframe ask_;
    const rtp_feed_options options_;
    const logger log_lines_;

    rtp_log log_;
    report_clock clock_;
    notifier changed_;
    task_group tasks_;
    std::size_t uses_ = 0;
    bool started_ = false, found_ = false, ended_ = false;

    std::optional<media::continuous_clock> continuous_; // over channels of the same name
    bool begins_anew_ = true;                           // the next unit is another channel's
    time_point last_unit_{};
    media::opus_rtp_clock audio_clock_;
    frame_order_watch order_;
    std::optional<std::int64_t> last_idr_; // DTS
    bool without_idr_ = false;             // recovery points only: browsers can't begin with them

    struct held_unit {
        media::access_unit unit;
        media::video_format format;
    };

    std::vector<held_unit> held_; // until the order of the frames is known
    std::optional<media::video_format> video_;
    std::unique_ptr<transcoding> transcoding_;
    unsigned transcoder_number_ = 0; // units of an older one, still under way, are dropped
    time_point transcode_again_{};

    std::vector<viewer*> viewers_; // null: left while the list was walked
    int walking_ = 0;
    time_point keyframe_asked_{};
    rtp_feed_stats stats_;
};

} // namespace rivulet::egress
