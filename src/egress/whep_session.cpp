#include "egress/whep_session.hpp"

namespace rivulet::egress {

std::shared_ptr<whep_session> whep_session::create(
    asio::any_io_executor executor,
    std::string id,
    std::unique_ptr<rtp_feed::use> feed,
    rtp_viewer_setup setup,
    ended on_end,
    logger log
) {
    return std::shared_ptr<whep_session>(new whep_session(
        executor,
        std::move(id),
        std::move(feed),
        std::move(setup),
        std::move(on_end),
        std::move(log)
    ));
}

whep_session::whep_session(
    asio::any_io_executor executor,
    std::string id,
    std::unique_ptr<rtp_feed::use> feed,
    rtp_viewer_setup setup,
    ended on_end,
    logger log
)
    : executor_(executor), id_(std::move(id)), log_(std::move(log)), on_end_(std::move(on_end)),
      feed_(std::move(feed)),
      viewer_(
          (*feed_)->log(),
          std::move(setup),
          [this](std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload) {
              return transport_->send_rtp(header, payload);
          }
      ),
      due_(executor) {}

whep_session::~whep_session() {
    end("the gateway ends", true);
}

webrtc::peer_events whep_session::events() {
    const auto weak = weak_from_this();
    webrtc::peer_events events;
    events.connected = [weak] {
        if (auto self = weak.lock())
            self->connected();
    };
    events.rtcp = [weak](std::span<const std::uint8_t> packet) {
        if (auto self = weak.lock())
            self->take_rtcp(packet);
    };
    events.gone = [weak](std::string reason) {
        if (auto self = weak.lock())
            self->end(reason);
    };
    events.rtp = [](std::span<const std::uint8_t>) {}; // a viewer has nothing to send
    return events;
}

void whep_session::start(std::shared_ptr<webrtc::peer> transport) {
    transport_ = std::move(transport);
    (*feed_)->add(*this);
}

void whep_session::connected() {
    if (over_)
        return;
    connected_ = true;
    const auto now = steady_clock::now();
    log_.info(
        "watching, {} ms after the offer",
        std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_).count()
    );
    if (!(*feed_)->ready())
        (*feed_)->need_keyframe(now);
    pump(now);
}

void whep_session::log_grew(time_point now) {
    if (connected_)
        pump(now);
}

void whep_session::pump(time_point now) {
    const auto again = viewer_.pump(now);
    if (!reported_ && viewer_.stats().packets > 0) {
        // Lip sync needs a report of each track; the first ones wait for no second to pass.
        reported_ = true;
        second_passed(now);
    }
    if (again == due_at_)
        return;
    due_at_ = again;
    if (!again) {
        due_.cancel();
        return;
    }
    due_.expires_at(*again);
    due_.async_wait([weak = weak_from_this()](error_code ec) {
        auto self = weak.lock();
        if (ec || !self || self->over_)
            return;
        self->due_at_.reset();
        self->pump(steady_clock::now());
    });
}

void whep_session::take_rtcp(std::span<const std::uint8_t> packet) {
    const auto said = media::parse_rtcp(packet);
    if (over_ || !said)
        return;
    const auto now = steady_clock::now();
    if (viewer_.feedback(*said, (*feed_)->clock(), now))
        (*feed_)->need_keyframe(now);
}

void whep_session::second_passed(time_point now) {
    if (!connected_)
        return;
    const auto report = viewer_.reports((*feed_)->clock(), now);
    if (!report.empty())
        transport_->send_rtcp(report);
}

void whep_session::feed_ended(const std::string& reason) {
    end(reason);
}

void whep_session::end(const std::string& reason, bool quietly) {
    if (std::exchange(over_, true))
        return;
    due_.cancel();
    if (transport_) {
        (*feed_)->remove(*this);
        if (connected_) {
            const auto bye = viewer_.goodbye((*feed_)->clock(), steady_clock::now());
            if (!bye.empty())
                transport_->send_rtcp(bye);
        }
        transport_->close();
    }
    connected_ = false;
    const auto& media = viewer_.stats();
    log_.info(
        "ended: {}; {} packets, {} resent, {:.1f} % lost at last",
        reason,
        media.packets,
        media.resent,
        media.loss_percent
    );
    auto told = std::exchange(on_end_, {});
    if (!quietly && told)
        asio::post(executor_, [told = std::move(told), reason] { told(reason); });
}

whep_session_stats whep_session::stats() const {
    whep_session_stats said;
    said.id = id_;
    if (transport_)
        said.transport = transport_->stats();
    said.media = viewer_.stats();
    said.age = steady_clock::now() - begun_;
    return said;
}

} // namespace rivulet::egress
