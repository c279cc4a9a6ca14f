#include "ingest/whip_publisher.hpp"

#include <boost/json/object.hpp>
#include <fmt/core.h>

namespace rivulet::ingest {

namespace {

// A second of the largest streams, and far more than half a second of usual ones.
constexpr std::size_t max_waiting_bytes = 8u << 20;

constexpr auto undecodable = "the video can't be transcoded: no picture of it could be decoded";

media::audio_format opus_format() {
    media::audio_format format;
    format.type = media::codec::opus;
    format.sample_rate = 48'000;
    format.channels = 2;
    return format;
}

double milliseconds_of(duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

} // namespace

const char* codec_name(media::codec type) {
    switch (type) {
    case media::codec::h264:
        return "H.264";
    case media::codec::h265:
        return "H.265";
    case media::codec::vp8:
        return "VP8";
    case media::codec::vp9:
        return "VP9";
    default:
        return "unknown";
    }
}

boost::json::object to_json(const whip_session_stats& stats) {
    boost::json::object out{
        {"protocol", "whip"},
        {"video_codec", codec_name(stats.video)},
        {"audio", stats.audio},
        {"connected", stats.connected},
        {"transport", stats.tcp ? "tcp" : "udp"},
        {"packets", stats.media.packets},
        {"bytes", stats.media.bytes},
        {"packets_lost", stats.media.lost},
        {"packets_recovered", stats.media.recovered},
        {"packets_given_up", stats.media.given_up},
        {"nacks_sent", stats.media.nacks},
        {"keyframe_requests", stats.media.keyframe_requests},
        {"pictures", stats.media.pictures},
        {"keyframes", stats.media.keyframes},
        {"pictures_damaged", stats.media.damaged},
        {"rtt_ms", milliseconds_of(stats.media.round_trip)},
        {"jitter_ms", milliseconds_of(stats.media.jitter)},
        {"audio_aligned", stats.media.aligned},
        {"timestamps_corrected", stats.media.corrected},
        {"b_frames", stats.media.reordered},
        {"transcoding", stats.transcoding},
    };
    if (stats.transcoding) {
        const double age = std::chrono::duration<double>(stats.age).count();
        out["transcoder"] = boost::json::object{
            {"frames_in", stats.transcoder.frames_in},
            {"frames_out", stats.transcoder.frames_out},
            {"frames_dropped", stats.transcoder.dropped},
            {"cpu_s", stats.transcoder.cpu_seconds},
            {"cores", age > 0 ? stats.transcoder.cpu_seconds / age : 0},
        };
    }
    return out;
}

whip_publisher::whip_publisher(
    asio::any_io_executor executor,
    std::shared_ptr<unit_sink> sink,
    whip_publisher_options options,
    logger log
)
    : executor_(executor), sink_(std::move(sink)), options_(options), log_(std::move(log)),
      timer_(executor), started_(steady_clock::now()) {}

whip_publisher::~whip_publisher() {
    end("cancelled");
}

webrtc::peer_events whip_publisher::peer_events() {
    std::weak_ptr<whip_publisher> weak = weak_from_this();
    webrtc::peer_events events;
    events.connected = [weak] {
        if (auto self = weak.lock())
            self->connected();
    };
    events.rtp = [weak](std::span<const std::uint8_t> packet) {
        if (auto self = weak.lock())
            self->received(packet, false);
    };
    events.rtcp = [weak](std::span<const std::uint8_t> packet) {
        if (auto self = weak.lock())
            self->received(packet, true);
    };
    events.gone = [weak](std::string reason) {
        if (auto self = weak.lock())
            self->fail(std::move(reason));
    };
    return events;
}

outcome<void> whip_publisher::start(
    std::shared_ptr<webrtc::peer> peer,
    media::rtp_ingest_options tracks,
    std::function<void(std::string reason)> ended
) {
    std::weak_ptr<whip_publisher> weak = weak_from_this();
    peer_ = std::move(peer);
    source_ = tracks.video.type;
    audio_offered_ = tracks.audio.has_value();
    tracks.keyframe_interval = options_.keyframe_interval;
    tracks.correct_timestamps = tracks.correct_timestamps && options_.correct_timestamps;
    if (source_ != media::codec::h264)
        if (auto made = make_transcoder(source_); !made)
            return made.error();

    media::rtp_ingest_events events;
    events.unit = [weak](media::access_unit unit) {
        if (auto self = weak.lock())
            self->take(std::move(unit));
    };
    events.format = [weak](const media::video_format& format) {
        if (auto self = weak.lock()) {
            self->format_.video = format;
            if (self->began_)
                self->tell_format();
        }
    };
    events.rtcp = [weak](std::span<const std::uint8_t> compound) {
        if (auto self = weak.lock(); self && self->peer_)
            self->peer_->send_rtcp(compound);
    };
    auto receiver = media::rtp_ingest::create(std::move(tracks), std::move(events), log_);
    if (!receiver)
        return receiver.error();
    receiver_ = std::move(*receiver);
    ended_ = std::move(ended);
    if (sink_)
        sink_->request_keyframe = [weak] {
            auto self = weak.lock();
            if (!self || !self->receiver_)
                return;
            if (self->transcoder_) // the publisher's own keyframes would not help
                return self->transcoder_->request_keyframe();
            self->receiver_->request_keyframe(steady_clock::now());
            self->arm();
        };
    if (sink_)
        sink_->session_stats = [weak] {
            auto self = weak.lock();
            return self ? to_json(self->stats()) : boost::json::object();
        };
    return {};
}

outcome<void> whip_publisher::make_transcoder(media::codec type) {
    std::weak_ptr<whip_publisher> weak = weak_from_this();
    media::video_transcoder_events events;
    events.format = [weak, executor = executor_](media::video_format format) {
        asio::post(executor, [weak, format = std::move(format)] {
            if (auto self = weak.lock(); self && self->sink_) {
                self->format_.video = format;
                if (self->began_)
                    self->tell_format();
            }
        });
    };
    events.unit = [weak, executor = executor_](media::access_unit unit) {
        asio::post(executor, [weak, unit = std::move(unit)]() mutable {
            if (auto self = weak.lock(); self && self->sink_)
                self->deliver(std::move(unit));
        });
    };
    events.error = [weak, executor = executor_](std::string text) {
        asio::post(executor, [weak, text = std::move(text)] {
            if (auto self = weak.lock())
                self->fail("the video can't be transcoded: " + text);
        });
    };
    media::video_format input;
    input.type = type;
    auto wanted = options_.transcoder;
    wanted.keyframe_interval = options_.keyframe_interval;
    auto made = media::video_transcoder::create(input, std::move(events), wanted, log_);
    if (!made)
        return made.error();
    transcoder_ = std::move(*made);
    return {};
}

void whip_publisher::connected() {
    if (!sink_)
        return;
    connected_ = true;
    connected_at_ = last_media_ = steady_clock::now();
    arm();
}

void whip_publisher::received(std::span<const std::uint8_t> packet, bool control) {
    if (!receiver_)
        return;
    const auto now = steady_clock::now();
    if (control) {
        receiver_->rtcp(packet, now);
    } else {
        last_media_ = now;
        receiver_->rtp(packet, now);
    }
    arm();
}

// One timer for everything. It may fire early: then nothing is due and it is set again.
void whip_publisher::arm() {
    if (!receiver_)
        return;
    auto at = receiver_->deadline();
    if (connected_) {
        if (!first_picture_)
            at = std::min(at, connected_at_ + options_.video_gather);
        at = std::min(at, last_media_ + options_.media_silence);
    }
    if (first_picture_ && !began_)
        at = std::min(
            at, *first_picture_ + (format_.video ? options_.audio_wait : options_.video_gather)
        );
    if (at >= timer_at_ || at == time_point::max())
        return;
    timer_at_ = at;
    timer_.expires_at(at);
    timer_.async_wait([weak = weak_from_this()](error_code ec) {
        if (ec)
            return;
        if (auto self = weak.lock())
            self->on_timer();
    });
}

void whip_publisher::on_timer() {
    timer_at_ = time_point::max();
    if (!receiver_)
        return;
    const auto now = steady_clock::now();
    if (receiver_->deadline() <= now)
        receiver_->tick(now);
    if (connected_ && !first_picture_ && now >= connected_at_ + options_.video_gather)
        return fail(fmt::format(
            "no picture came within {} s",
            std::chrono::duration_cast<std::chrono::seconds>(options_.video_gather).count()
        ));
    if (connected_ && now >= last_media_ + options_.media_silence)
        return fail("the publisher sends nothing any more");
    if (first_picture_ && !format_.video && now >= *first_picture_ + options_.video_gather)
        return fail(undecodable);
    begin_if_ready(now);
    arm();
}

void whip_publisher::take(media::access_unit unit) {
    if (!sink_)
        return;
    if (unit.kind == media::track_kind::video) {
        if (!first_picture_)
            first_picture_ = steady_clock::now();
        if (transcoder_)
            transcoder_->push(unit);
        else
            deliver(std::move(unit));
        return;
    }
    if (!format_.audio) {
        format_.audio = opus_format();
        if (began_)
            tell_format();
    }
    deliver(std::move(unit));
}

void whip_publisher::deliver(media::access_unit unit) {
    if (began_) {
        const auto sink = sink_; // it may end the session
        sink->unit(std::move(unit));
        return;
    }
    waiting_bytes_ += unit.data.size() + sizeof(media::access_unit);
    waiting_.push_back(std::move(unit));
    begin_if_ready(steady_clock::now());
    // Sound goes on while nothing comes of the video.
    if (!began_ && waiting_bytes_ > max_waiting_bytes) {
        waiting_.clear();
        fail(undecodable);
    }
}

void whip_publisher::begin_if_ready(time_point now) {
    if (began_ || !sink_ || !format_.video || !first_picture_)
        return;
    const bool audio_settled = !audio_offered_ || format_.audio ||
                               now >= *first_picture_ + options_.audio_wait ||
                               waiting_bytes_ > max_waiting_bytes;
    if (!audio_settled)
        return;
    began_ = true;
    tell_format();
    auto waiting = std::exchange(waiting_, {});
    for (auto& unit : waiting) {
        const auto sink = sink_; // it may end the session
        if (!sink)
            return;
        sink->unit(std::move(unit));
    }
}

void whip_publisher::tell_format() {
    if (const auto sink = sink_) // it may end the session
        sink->format_changed(format_);
}

// From here the owner ends the session; not inside a callback of what it destroys.
void whip_publisher::fail(std::string reason) {
    if (auto ended = std::exchange(ended_, nullptr))
        asio::post(executor_, [ended = std::move(ended), reason = std::move(reason)] {
            ended(reason);
        });
}

void whip_publisher::end(std::string reason) {
    ended_ = nullptr;
    timer_.cancel();
    if (auto sink = std::exchange(sink_, nullptr)) {
        sink->request_keyframe = nullptr;
        sink->session_stats = nullptr;
        if (receiver_) {
            const auto seen = receiver_->stats();
            log_.info(
                "ends after {} pictures: {} ({} packets, {} lost, {} of them recovered)",
                seen.pictures,
                reason,
                seen.packets,
                seen.lost,
                seen.recovered
            );
        }
        sink->ended(reason);
    }
    waiting_.clear();
    if (!peer_ && !receiver_ && !transcoder_)
        return;
    // The call may come from inside one of them.
    auto post = [](auto executor, auto... what) { asio::post(executor, [... held = what] {}); };
    if (peer_)
        asio::post(executor_, [peer = std::move(peer_)] { peer->close(); });
    post(
        executor_,
        std::shared_ptr<media::rtp_ingest>(std::move(receiver_)),
        std::shared_ptr<media::video_transcoder>(std::move(transcoder_))
    );
}

whip_session_stats whip_publisher::stats() const {
    whip_session_stats out;
    out.video = source_;
    out.audio = format_.audio.has_value();
    out.transcoding = transcoder_ != nullptr;
    out.connected = connected_;
    out.age = steady_clock::now() - started_;
    if (peer_) {
        const auto transport = peer_->stats();
        out.remote = transport.remote;
        out.tcp = transport.tcp;
    }
    if (receiver_)
        out.media = receiver_->stats();
    if (transcoder_)
        out.transcoder = transcoder_->stats();
    return out;
}

} // namespace rivulet::ingest
