#include "ingest/ts_publisher.hpp"

#include "media/aac.hpp"

#include <utility>

namespace rivulet::ingest {
namespace {

using media::codec;

// A sender that is not an MPEG-TS one is told so after this many bytes without a packet.
constexpr std::uint64_t enough_to_tell = 256u << 10;

bool complete(const media::video_format& video) {
    return video.width > 0;
}

bool complete(const media::audio_format& audio) {
    return audio.sample_rate > 0 && (audio.type != codec::aac || !audio.config.empty());
}

int layer_of(std::span<const std::uint8_t> frame) {
    return frame.size() < 2 ? 0 : 4 - (frame[1] >> 1 & 3);
}

} // namespace

ts_publisher::ts_publisher(
    asio::any_io_executor executor,
    std::shared_ptr<unit_sink> sink,
    ts_publisher_options options,
    std::function<void(std::string)> fail,
    time_point now,
    logger log
)
    : executor_(executor), sink_(std::move(sink)), options_(options), fail_(std::move(fail)),
      log_(std::move(log)), demuxer_({
                                [this](const media::stream_format& f) { demuxed_format(f); },
                                [this](media::access_unit unit) { demuxed(std::move(unit)); },
                            }),
      started_(now), now_(now) {}

ts_publisher::~ts_publisher() {
    finish("cancelled");
}

std::optional<std::string> ts_publisher::take(std::span<const std::uint8_t> data, time_point now) {
    now_ = now;
    bytes_ += data.size();
    demuxer_.push(data);
    release(now);
    if (!refusal_ && bytes_ > enough_to_tell && demuxer_.counters().packets == 0)
        refusal_ = "this is not MPEG-TS";
    return refusal_;
}

std::optional<std::string> ts_publisher::tick(time_point now) {
    now_ = now;
    release(now);
    if (!refusal_ && !video_seen_ && now - started_ >= options_.no_media_limit)
        refusal_ = missing();
    return refusal_;
}

void ts_publisher::begin_segment() {
    demuxer_.reset_continuity();
}

std::string ts_publisher::missing() const {
    if (bytes_ == 0)
        return "no data came";
    if (in_.video)
        return "no usable video came: is there a keyframe every few seconds?";
    if (audio_seen_)
        return "sound without video: this stream needs H.264 or H.265 video";
    return "no H.264 or H.265 video in the MPEG-TS";
}

void ts_publisher::finish(const std::string& reason) {
    if (!sink_)
        return;
    demuxer_.flush();
    stop_transcoding();
    std::exchange(sink_, nullptr)->ended(reason);
}

media::video_transcoder_stats ts_publisher::transcoder_stats() const {
    return video_transcoder_ ? video_transcoder_->stats() : media::video_transcoder_stats{};
}

void ts_publisher::stop_transcoding() {
    ++video_generation_;
    if (video_transcoder_ && sink_)
        sink_->request_keyframe = nullptr;
    video_transcoder_.reset();
}

// --- from the demuxer ----------------------------------------------------------------------------

void ts_publisher::demuxed_format(const media::stream_format& format) {
    const auto before = std::exchange(in_, format);
    if (!format.video) {
        stop_transcoding();
        out_.video.reset();
    } else if (format.video->type == codec::h264) {
        stop_transcoding();
        if (complete(*format.video))
            out_.video = format.video;
        else if (out_.video && (!before.video || before.video->type != codec::h264))
            out_.video.reset();
    } else if (complete(*format.video) && !video_transcoder_) {
        start_video_transcoder(*format.video);
    }
    if (!format.audio) {
        audio_transcoder_.reset();
        audio_layer_ = 0;
        out_.audio.reset();
    } else if (format.audio->type != codec::mp3) {
        audio_transcoder_.reset();
        audio_layer_ = 0;
        if (complete(*format.audio))
            out_.audio = format.audio;
        else if (before.audio && before.audio->type != format.audio->type)
            out_.audio.reset();
    } else if (!before.audio || *before.audio != *format.audio) {
        audio_layer_ = 0; // the next frame tells
    }
}

void ts_publisher::demuxed(media::access_unit unit) {
    if (!sink_)
        return;
    if (unit.kind == media::track_kind::video)
        take_video(std::move(unit));
    else
        take_audio(std::move(unit));
}

void ts_publisher::take_video(media::access_unit unit) {
    if (video_transcoder_)
        return video_transcoder_->push(unit);
    if (in_.video && in_.video->type == codec::h264) {
        video_seen_ = true;
        deliver(std::move(unit));
    }
}

void ts_publisher::start_video_transcoder(const media::video_format& from) {
    const auto generation = ++video_generation_;
    std::weak_ptr<ts_publisher> weak = weak_from_this();
    auto mine = [weak, generation]() -> std::shared_ptr<ts_publisher> {
        auto self = weak.lock();
        return self && self->sink_ && self->video_generation_ == generation ? self : nullptr;
    };
    media::video_transcoder_events events;
    events.format = [mine, executor = executor_](media::video_format format) {
        asio::post(executor, [mine, format = std::move(format)]() mutable {
            if (auto self = mine())
                self->out_.video = std::move(format);
        });
    };
    events.unit = [mine, executor = executor_](media::access_unit unit) {
        asio::post(executor, [mine, unit = std::move(unit)]() mutable {
            if (auto self = mine()) {
                self->video_seen_ = true;
                self->deliver(std::move(unit));
            }
        });
    };
    events.error = [mine, executor = executor_](std::string text) {
        asio::post(executor, [mine, text = std::move(text)] {
            auto self = mine();
            if (self && self->fail_)
                std::exchange(self->fail_, nullptr)("media: " + text);
        });
    };
    auto made = media::video_transcoder::create(from, std::move(events), options_.transcoder, log_);
    if (!made) {
        refusal_ = made.error().detail;
        return;
    }
    log_.info("H.265 {}x{} is transcoded to H.264", from.width, from.height);
    video_transcoder_ = std::move(*made);
    if (sink_)
        sink_->request_keyframe = [weak] {
            if (auto self = weak.lock(); self && self->video_transcoder_)
                self->video_transcoder_->request_keyframe();
        };
}

void ts_publisher::take_audio(media::access_unit unit) {
    audio_seen_ = true;
    if (!in_.audio || in_.audio->type != codec::mp3)
        return deliver(std::move(unit));
    const int layer = layer_of(unit.data.view());
    if (layer != audio_layer_) {
        audio_layer_ = layer;
        audio_transcoder_.reset();
        audio_given_up_ = false;
        if (layer == 3)
            out_.audio = in_.audio;
    }
    if (layer == 3)
        return deliver(std::move(unit));
    if (!audio_transcoder_ && !audio_given_up_) {
        auto made = media::audio_transcoder::create(*in_.audio, codec::aac);
        if (!made) {
            audio_given_up_ = true;
            out_.audio.reset();
            log_.warn("MPEG audio can't be transcoded, it is left out: {}", made.error().message());
        } else {
            audio_transcoder_ = std::move(*made);
            out_.audio = audio_transcoder_->to();
            log_.info("MPEG audio layer {} is transcoded to AAC", layer);
        }
    }
    if (audio_transcoder_)
        for (auto& converted : audio_transcoder_->convert(unit))
            deliver(std::move(converted));
}

// --- to the sink ---------------------------------------------------------------------------------

// Every track that the sender announced can be described.
bool ts_publisher::known() const {
    return (!in_.video || out_.video) && (!in_.audio || out_.audio || audio_given_up_);
}

void ts_publisher::deliver(media::access_unit unit) {
    if (!flowing_) {
        if (!held_since_)
            held_since_ = now_;
        held_bytes_ += unit.data.size();
        held_.push_back(std::move(unit));
        return;
    }
    const bool described =
        unit.kind == media::track_kind::video ? out_.video.has_value() : out_.audio.has_value();
    if (!described)
        return;
    if (told_ != out_) {
        told_ = out_;
        sink_->format_changed(out_);
    }
    ++units_;
    sink_->unit(std::move(unit));
}

void ts_publisher::release(time_point now) {
    if (flowing_ || held_.empty() || !sink_)
        return;
    const bool waits_for_transcoder = video_transcoder_ && !out_.video;
    const auto limit = waits_for_transcoder ? options_.hold_transcoded : options_.hold;
    if (!known() && now - *held_since_ < limit && held_bytes_ < options_.hold_bytes)
        return;
    flowing_ = true;
    for (auto& unit : std::exchange(held_, {}))
        deliver(std::move(unit));
    held_bytes_ = 0;
}

} // namespace rivulet::ingest
