#include "ingest/rtmp_publisher.hpp"

#include "ingest/legacy_tag.hpp"
#include "media/flv_ingest.hpp"

namespace rivulet::ingest {

rtmp_publisher::rtmp_publisher(
    asio::any_io_executor executor,
    std::shared_ptr<unit_sink> sink,
    rtmp_media_check check,
    std::function<void(std::string)> fail,
    logger log
)
    : executor_(executor), sink_(std::move(sink)), check_(check), fail_(std::move(fail)),
      log_(std::move(log)), drained_(std::make_shared<asio::steady_timer>(executor)) {}

rtmp_publisher::~rtmp_publisher() {
    tell_end("cancelled");
}

outcome<void> rtmp_publisher::start() {
    std::weak_ptr<rtmp_publisher> weak = weak_from_this();
    media::flv_ingest_events events;
    events.format = [weak, executor = executor_](media::stream_format format) {
        asio::post(executor, [weak, format = std::move(format)] {
            if (auto self = weak.lock(); self && self->sink_)
                self->sink_->format_changed(format);
        });
    };
    events.unit = [weak, executor = executor_](media::access_unit unit) {
        asio::post(executor, [weak, unit = std::move(unit)]() mutable {
            if (auto self = weak.lock(); self && self->sink_) {
                ++self->units_;
                if (unit.kind == media::track_kind::video)
                    self->check_.picture();
                self->sink_->unit(std::move(unit));
            }
        });
    };
    events.error = [weak, executor = executor_](std::string text) {
        asio::post(executor, [weak, text = std::move(text)] {
            auto self = weak.lock();
            if (!self)
                return;
            // Nothing follows: finish() must not wait for it.
            self->pipeline_ended_ = true;
            self->drained_->cancel();
            if (self->sink_ && self->fail_)
                self->fail_("media: " + text);
        });
    };
    events.ended = [weak, executor = executor_] {
        asio::post(executor, [weak] {
            if (auto self = weak.lock()) {
                self->pipeline_ended_ = true;
                self->drained_->cancel();
            }
        });
    };
    auto made = media::flv_ingest::create(std::move(events), {}, log_);
    if (!made)
        return made.error();
    pipeline_ = std::move(*made);
    return {};
}

std::optional<std::string> rtmp_publisher::take(const rtmp_media& media, time_point now) {
    const auto body = media.body.view();
    if (auto refused = check_.tag(media.type, body, now))
        return refused;
    if (!pipeline_)
        return std::nullopt;
    const auto plain = legacy_tag(media.type, media.body);
    if (!plain)
        return std::nullopt;
    const auto pushed =
        pipeline_->push_tag(static_cast<std::uint8_t>(media.type), media.timestamp, plain->view());
    if (pushed == media::flv_push::dropped && !drop_logged_) {
        drop_logged_ = true;
        log_.warn("the pipeline is behind: video is dropped to the next keyframe");
    }
    return std::nullopt;
}

awaitable<void> rtmp_publisher::finish(std::string reason, duration limit) {
    auto self = shared_from_this();
    fail_ = nullptr;
    if (pipeline_ && sink_ && !pipeline_ended_) {
        pipeline_->end();
        drained_->expires_after(limit);
        if (!pipeline_ended_)
            co_await drained_->async_wait(as_tuple);
    }
    pipeline_.reset();
    tell_end(reason);
}

void rtmp_publisher::tell_end(const std::string& reason) {
    if (auto sink = std::exchange(sink_, nullptr))
        sink->ended(reason);
}

} // namespace rivulet::ingest
