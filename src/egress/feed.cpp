#include "egress/feed.hpp"

#include "egress/feed_audio.hpp"
#include "media/ts_demuxer.hpp"
#include "trickle/channel_reader.hpp"

namespace rivulet::egress {
namespace {

// An encoder begins a little before the sound that it is given first. A viewer that had the
// channel's own sound until now has heard that time.
constexpr std::int64_t overlap = media::clock_rate;

} // namespace

std::shared_ptr<channel_feed> channel_feed::create(
    asio::any_io_executor executor, trickle::channel_ptr source, feed_options options, logger log
) {
    return std::shared_ptr<channel_feed>(
        new channel_feed(executor, std::move(source), options, std::move(log))
    );
}

channel_feed::channel_feed(
    asio::any_io_executor executor, trickle::channel_ptr source, feed_options options, logger log
)
    : executor_(executor), source_(std::move(source)), options_(options), log_(std::move(log)),
      units_(options.log), changed_(executor), unused_(executor) {}

channel_feed::~channel_feed() = default;

std::unique_ptr<feed_subscription> channel_feed::subscribe(feed_audio audio) {
    ++stats_.subscribers;
    want_aac_ += audio == feed_audio::aac;
    want_opus_ += audio == feed_audio::opus;
    unused_.cancel();
    start_reading();
    return std::unique_ptr<feed_subscription>(new feed_subscription(shared_from_this(), audio));
}

void channel_feed::unsubscribed(const feed_cursor& cursor) {
    --stats_.subscribers;
    want_aac_ -= cursor.audio == feed_audio::aac;
    want_opus_ -= cursor.audio == feed_audio::opus;
    stats_.dropped_by_viewers += cursor.dropped;
    if (stats_.subscribers > 0)
        return;
    unused_.expires_after(options_.keep_reading);
    unused_.async_wait([weak = weak_from_this()](error_code ec) {
        auto self = weak.lock();
        if (!ec && self && self->stats_.subscribers == 0)
            self->stop_reading();
    });
}

void channel_feed::start_reading() {
    if (reading_ || ended_)
        return;
    reading_ = std::make_unique<task_group>(executor_, log_);
    reading_->spawn("feed", read_channel(++generation_));
}

void channel_feed::stop_reading() {
    // The coroutine goes with its group; a later viewer starts at the newest segment again.
    ++generation_;
    reading_.reset();
    units_.clear();
    transcoder_.reset();
    format_.reset();
}

void channel_feed::close() {
    ended_ = true;
    ++generation_;
    reading_.reset();
    changed_.notify_all();
}

awaitable<void> channel_feed::read_channel(unsigned generation) {
    auto self = shared_from_this();
    trickle::channel_reader reader(executor_, source_, trickle::seq_newest);
    media::ts_demuxer_events events;
    events.format = [this](const media::stream_format& format) { take_format(format); };
    events.unit = [this](media::access_unit unit) { take_unit(std::move(unit)); };
    media::ts_demuxer demuxer(std::move(events));
    for (;;) {
        auto chunk = co_await reader.read();
        // It may have had its bytes already when it was stopped.
        if (generation != generation_)
            co_return;
        if (!chunk) {
            demuxer.flush();
            if (chunk.error() != errc::end_of_stream)
                log_.warn("feed {}: {}", name(), chunk.error().message());
            ended_ = true;
            changed_.notify_all();
            co_return;
        }
        if (chunk->skipped)
            ++stats_.skipped_segments;
        if (chunk->segment_begins)
            demuxer.reset_continuity();
        for (const auto& block : chunk->blocks)
            demuxer.push(block.view());
        changed_.notify_all();
    }
}

void channel_feed::take_format(const media::stream_format& format) {
    format_ = std::make_shared<const media::stream_format>(format);
    converted_format_.reset();
}

void channel_feed::take_unit(media::access_unit unit) {
    if (unit.kind == media::track_kind::video) {
        ++stats_.video_units;
        stats_.keyframes += unit.keyframe;
    } else {
        ++stats_.audio_units;
        if (format_ && format_->audio)
            newest_sound(format_->audio->type) = unit.dts;
        convert(unit);
    }
    stats_.bytes += unit.data.size();
    add(std::move(unit), format_, false);
}

void channel_feed::convert(const media::access_unit& unit) {
    if (!format_ || !format_->audio)
        return;
    const auto& from = *format_->audio;
    const bool to_aac = want_aac_ > 0 && from.type == media::codec::opus;
    const bool to_opus = want_opus_ > 0 && from.type != media::codec::opus;
    if (!to_aac && !to_opus)
        return;
    if (!transcoder_ || transcoder_->from() != from) {
        converted_format_.reset();
        auto made = audio_transcoder::create(from, to_aac ? media::codec::aac : media::codec::opus);
        if (!made) {
            ++stats_.dropped_audio_units;
            if (!std::exchange(cannot_convert_, true))
                log_.warn("feed {}: no sound for some viewers: {}", name(), made.error().message());
            return;
        }
        transcoder_ = std::move(*made);
    }
    if (!converted_format_) {
        auto format = *format_;
        format.audio = transcoder_->to();
        converted_format_ = std::make_shared<const media::stream_format>(std::move(format));
    }
    auto& newest = newest_sound(transcoder_->to().type);
    for (auto& made : transcoder_->convert(unit)) {
        if (newest && made.dts <= *newest && made.dts > *newest - overlap)
            continue;
        newest = made.dts;
        ++stats_.transcoded_audio_units;
        add(std::move(made), converted_format_, true);
    }
}

std::optional<std::int64_t>& channel_feed::newest_sound(media::codec type) {
    return type == media::codec::opus ? newest_opus_ : newest_aac_;
}

void channel_feed::add(
    media::access_unit unit, std::shared_ptr<const media::stream_format> format, bool made
) {
    auto entry = std::make_shared<feed_unit>();
    entry->unit = std::move(unit);
    entry->format = std::move(format);
    entry->transcoded = made;
    units_.push(std::move(entry));
}

feed_stats channel_feed::stats() const {
    auto s = stats_;
    s.reading = reading_ != nullptr && !ended_;
    return s;
}

feed_subscription::feed_subscription(std::shared_ptr<channel_feed> feed, feed_audio audio)
    : feed_(std::move(feed)), cursor_(feed_->units_.join(audio)) {}

feed_subscription::~feed_subscription() {
    feed_->unsubscribed(cursor_);
}

feed_step feed_subscription::next() {
    return feed_->units_.next(cursor_);
}

awaitable<void> feed_subscription::wait_until(time_point until) {
    if (feed_->ended_ || feed_->units_.behind(cursor_) > 0)
        co_return;
    co_await feed_->changed_.wait_until(until);
}

bool feed_subscription::ended() const {
    return feed_->ended_ && feed_->units_.behind(cursor_) == 0;
}

} // namespace rivulet::egress
