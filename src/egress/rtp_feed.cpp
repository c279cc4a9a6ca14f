#include "egress/rtp_feed.hpp"

#include "media/h264.hpp"
#include "webrtc/peer.hpp"

#include <algorithm>

namespace rivulet::egress {
namespace {

// Streams whose recovery points have an IDR so often between them can be shown as they are.
constexpr duration idr_patience = std::chrono::seconds(10);

// At least a frame's worth.
std::int64_t clock_ticks(duration time) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    return std::max<std::int64_t>(milliseconds * media::clock_rate / 1000, media::clock_rate / 30);
}

} // namespace

struct rtp_feed::transcoding {
    std::unique_ptr<media::video_transcoder> worker; // null: it failed, see transcode_again_
    media::codec input = media::codec::none;
    bool fed = false;       // with a keyframe, since it exists
    bool delivered = false; // a keyframe
};

rtp_feed::use::use(std::shared_ptr<rtp_feed> feed) : feed_(std::move(feed)) {
    ++feed_->uses_;
    feed_->start();
}

rtp_feed::use::~use() {
    if (--feed_->uses_ == 0)
        feed_->close("nobody watches");
}

std::shared_ptr<rtp_feed> rtp_feed::create(
    asio::any_io_executor executor,
    std::string channel,
    find_feed find,
    request_keyframe ask,
    rtp_feed_options options,
    logger log
) {
    return std::shared_ptr<rtp_feed>(new rtp_feed(
        executor, std::move(channel), std::move(find), std::move(ask), options, std::move(log)
    ));
}

rtp_feed::rtp_feed(
    asio::any_io_executor executor,
    std::string channel,
    find_feed find,
    request_keyframe ask,
    rtp_feed_options options,
    logger log
)
    : executor_(executor), channel_(std::move(channel)), find_(std::move(find)),
      ask_(std::move(ask)), options_(options), log_lines_(std::move(log)), log_(options.log),
      clock_(steady_clock::now(), std::chrono::system_clock::now()), changed_(executor),
      tasks_(executor, log_lines_) {}

rtp_feed::~rtp_feed() = default;

void rtp_feed::start() {
    if (std::exchange(started_, true) || ended_)
        return;
    tasks_.spawn("whep feed", read());
    tasks_.spawn("whep reports", tick());
}

void rtp_feed::close(const std::string& reason) {
    if (std::exchange(ended_, true))
        return;
    // A viewer that leaves in here may hold the last use.
    const auto self = shared_from_this();
    tasks_.close();
    transcoding_.reset();
    each_viewer([&](viewer& who) { who.feed_ended(reason); });
    changed_.notify_all();
}

awaitable<std::shared_ptr<channel_feed>> rtp_feed::next_feed() {
    const auto give_up = steady_clock::now() + options_.return_limit;
    asio::steady_timer pause(executor_);
    for (;;) {
        auto feed = co_await find_(channel_);
        if (feed && !feed->ended())
            co_return feed;
        // Somebody who waits for the channel has a deadline of their own.
        if (steady_clock::now() >= give_up && !viewers_.empty())
            co_return nullptr;
        pause.expires_after(options_.poll);
        co_await pause.async_wait(as_tuple);
        if (ended_)
            co_return nullptr;
    }
}

awaitable<void> rtp_feed::read() {
    const auto self = shared_from_this();
    while (!ended_) {
        const auto source = co_await next_feed();
        if (!source) {
            close("the stream ended");
            co_return;
        }
        found_ = true;
        changed_.notify_all();
        // A new channel decides anew whether it needs a transcoder.
        begins_anew_ = true;
        order_ = {};
        last_idr_.reset();
        without_idr_ = false;
        held_.clear();
        transcoding_.reset();
        const auto reading = source->subscribe(feed_audio::opus);
        while (!ended_ && !reading->ended()) {
            bool any = false;
            for (auto step = reading->next(); step.unit && !ended_; step = reading->next()) {
                take(step);
                any = true;
            }
            if (any)
                tell_viewers();
            co_await reading->wait_until(steady_clock::now() + std::chrono::seconds(1));
        }
        found_ = false;
    }
}

awaitable<void> rtp_feed::tick() {
    const auto self = shared_from_this();
    asio::steady_timer timer(executor_);
    while (!ended_) {
        timer.expires_after(std::chrono::seconds(1));
        co_await timer.async_wait(as_tuple);
        if (ended_)
            co_return;
        const auto now = steady_clock::now();
        each_viewer([&](viewer& who) { who.second_passed(now); });
    }
}

void rtp_feed::take(const feed_step& step) {
    auto unit = step.unit->unit;
    if (begins_anew_) {
        // The channel's own times are kept; one that came back goes on where the last one ended.
        continuous_.emplace(
            continuous_ ? continuous_->last() + clock_ticks(steady_clock::now() - last_unit_)
                        : unit.dts
        );
        begins_anew_ = false;
    }
    continuous_->adjust(unit);
    last_unit_ = steady_clock::now();
    if (unit.kind == media::track_kind::audio)
        take_audio(unit);
    else
        take_video(unit, step.unit->format.get());
}

void rtp_feed::take_audio(const media::access_unit& unit) {
    if (unit.data.empty() || unit.data.size() > webrtc::peer::max_packet - 24) {
        ++stats_.oversized_audio;
        return;
    }
    rtp_frame frame;
    frame.track = media::track_kind::audio;
    frame.keyframe = true;
    frame.timestamp = static_cast<std::uint32_t>(audio_clock_(unit.pts, unit.data.view()));
    frame.time = unit.dts;
    media::rtp_payload packet;
    packet.data = unit.data.view();
    frame.payloads.unit = unit.data;
    frame.payloads.packets.push_back(packet);
    push(std::move(frame));
}

void rtp_feed::take_video(const media::access_unit& unit, const media::stream_format* format) {
    if (!format || !format->video)
        return;
    const auto& video = *format->video;
    if (video.type != media::codec::h264) {
        transcode(unit, video);
        return;
    }
    if (unit.keyframe) {
        if (media::h264::has_idr(unit.data.view()))
            last_idr_ = unit.dts;
        else if (!last_idr_ || unit.dts - *last_idr_ > clock_ticks(idr_patience))
            without_idr_ = true;
    }
    if (without_idr_) {
        transcode(unit, video);
        return;
    }
    const auto before = order_.verdict();
    const auto verdict = order_.step(unit, &video);
    if (before == frame_order::unknown && verdict != frame_order::unknown && !held_.empty()) {
        for (const auto& [early, early_format] : std::exchange(held_, {}))
            if (verdict == frame_order::in_order)
                pass_on(early, early_format);
            else
                transcode(early, early_format);
    }
    switch (verdict) {
    case frame_order::unknown:
        held_.push_back({unit, video});
        return;
    case frame_order::in_order:
        pass_on(unit, video);
        return;
    case frame_order::reordered:
        transcode(unit, video);
        return;
    }
}

void rtp_feed::pass_on(const media::access_unit& unit, const media::video_format& format) {
    if (unit.keyframe && video_ != format)
        video_ = format;
    rtp_frame frame;
    frame.keyframe = unit.keyframe && media::h264::has_idr(unit.data.view());
    frame.timestamp = static_cast<std::uint32_t>(unit.pts);
    frame.time = unit.dts;
    frame.payloads = media::packetise_h264(unit.data);
    push(std::move(frame));
}

void rtp_feed::transcode(const media::access_unit& unit, const media::video_format& format) {
    if (transcoding_ && transcoding_->input != format.type)
        transcoding_.reset();
    if (!transcoding_ || !transcoding_->worker) {
        const auto now = steady_clock::now();
        if (!unit.keyframe || now < transcode_again_)
            return;
        // Each of a run of failures costs a pipeline: not more often than this.
        transcode_again_ = now + options_.transcode_retry;
        const auto number = ++transcoder_number_;
        media::video_transcoder_events events;
        events.unit =
            [weak = weak_from_this(), executor = executor_, number](media::access_unit made) {
                asio::post(executor, [weak, number, made = std::move(made)]() mutable {
                    const auto self = weak.lock();
                    if (self && !self->ended_ && number == self->transcoder_number_)
                        self->transcoded(std::move(made));
                });
            };
        events.format =
            [weak = weak_from_this(), executor = executor_, number](media::video_format made) {
                asio::post(executor, [weak, number, made = std::move(made)]() mutable {
                    const auto self = weak.lock();
                    if (self && !self->ended_ && number == self->transcoder_number_)
                        self->video_ = std::move(made);
                });
            };
        events.error = [weak = weak_from_this(), executor = executor_, number](std::string why) {
            asio::post(executor, [weak, number, why = std::move(why)] {
                const auto self = weak.lock();
                if (self && !self->ended_ && number == self->transcoder_number_)
                    self->transcoder_failed(why);
            });
        };
        transcoding_ = std::make_unique<transcoding>();
        transcoding_->input = format.type;
        auto worker = media::video_transcoder::create(
            format, std::move(events), options_.transcode, log_lines_
        );
        if (!worker) {
            transcoder_failed(worker.error().detail);
            return;
        }
        transcoding_->worker = std::move(*worker);
        log_lines_.info(
            "channel {} is transcoded for WebRTC viewers: {}",
            channel_,
            format.type == media::codec::h264 ? "it has B-frames" : "it is not H.264"
        );
    }
    transcoding_->fed = transcoding_->fed || unit.keyframe;
    if (transcoding_->fed)
        transcoding_->worker->push(unit);
}

void rtp_feed::transcoded(media::access_unit unit) {
    if (!transcoding_)
        return;
    transcoding_->delivered = transcoding_->delivered || unit.keyframe;
    if (!transcoding_->delivered)
        return;
    rtp_frame frame;
    frame.keyframe = unit.keyframe;
    frame.timestamp = static_cast<std::uint32_t>(unit.pts);
    frame.time = unit.dts;
    frame.payloads = media::packetise_h264(std::move(unit.data));
    push(std::move(frame));
    tell_viewers();
}

void rtp_feed::transcoder_failed(const std::string& why) {
    if (!transcoding_) // of one that was left meanwhile
        return;
    log_lines_.warn("channel {}: no picture for WebRTC viewers: {}", channel_, why);
    transcoding_->worker.reset();
    transcoding_->fed = transcoding_->delivered = false;
    ++transcoder_number_;
}

void rtp_feed::push(rtp_frame frame) {
    if (frame.packets() == 0)
        return;
    for (const auto& packet : frame.payloads.packets)
        frame.payload_bytes += packet.size();
    ++stats_.frames;
    stats_.packets += frame.packets();
    stats_.bytes += frame.payload_bytes;
    clock_.arrived(frame.time, steady_clock::now());
    log_.push(std::move(frame));
}

void rtp_feed::tell_viewers() {
    const auto now = steady_clock::now();
    each_viewer([&](viewer& who) { who.log_grew(now); });
    changed_.notify_all();
}

template <class Call>
void rtp_feed::each_viewer(Call call) {
    ++walking_;
    for (std::size_t i = 0; i < viewers_.size(); ++i)
        if (viewers_[i])
            call(*viewers_[i]);
    if (--walking_ == 0)
        std::erase(viewers_, nullptr);
}

void rtp_feed::add(viewer& who) {
    viewers_.push_back(&who);
}

void rtp_feed::remove(viewer& who) {
    const auto found = std::find(viewers_.begin(), viewers_.end(), &who);
    if (found == viewers_.end())
        return;
    if (walking_ > 0)
        *found = nullptr;
    else
        viewers_.erase(found);
}

void rtp_feed::need_keyframe(time_point now) {
    if (ended_ || now - keyframe_asked_ < options_.keyframe_request_gap)
        return;
    keyframe_asked_ = now;
    if (transcoding_ && transcoding_->worker)
        transcoding_->worker->request_keyframe();
    else if (ask_)
        ask_(channel_);
}

rtp_feed_stats rtp_feed::stats() const {
    auto said = stats_;
    said.viewers = viewers_.size();
    said.bytes_held = log_.bytes_held();
    said.transcoding = transcoding_ && transcoding_->worker;
    if (said.transcoding)
        said.transcoder = transcoding_->worker->stats();
    return said;
}

} // namespace rivulet::egress
