// One WHEP viewer: joins its transport (webrtc::peer) to the shared feed of its channel.
// Thread: the home shard of the channel's name. Made and kept by the door, which is told its end.
// Owns: the peer, and a use of the feed.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "egress/rtp_feed.hpp"
#include "egress/rtp_viewer.hpp"
#include "webrtc/peer.hpp"

#include <functional>
#include <memory>
#include <string>

namespace rivulet::egress {

struct whep_session_stats {
    std::string id;
    webrtc::peer_stats transport;
    rtp_viewer_stats media;
    duration age{};
};

class whep_session final : public rtp_feed::viewer,
                           public std::enable_shared_from_this<whep_session> {
  public:
    // Told once, from the loop, not from inside a call of the session's.
    using ended = std::function<void(std::string reason)>;

    static std::shared_ptr<whep_session> create(
        asio::any_io_executor executor,
        std::string id,
        std::unique_ptr<rtp_feed::use> feed,
        rtp_viewer_setup setup,
        ended on_end,
        logger log
    );
    ~whep_session();

    // For network::make_peer; they hold the session weakly.
    webrtc::peer_events events();
    void start(std::shared_ptr<webrtc::peer> transport);

    // Says goodbye and frees everything but the object. on_end is called unless `quietly`.
    void end(const std::string& reason, bool quietly = false);

    whep_session_stats stats() const;

    void log_grew(time_point now) override;
    void second_passed(time_point now) override;
    void feed_ended(const std::string& reason) override;

  private:
    whep_session(
        asio::any_io_executor executor,
        std::string id,
        std::unique_ptr<rtp_feed::use> feed,
        rtp_viewer_setup setup,
        ended on_end,
        logger log
    );
    void connected();
    void take_rtcp(std::span<const std::uint8_t> packet);
    void pump(time_point now);

    const asio::any_io_executor executor_;
    const std::string id_;
    const logger log_;
    const time_point begun_ = steady_clock::now();
    ended on_end_;

    std::unique_ptr<rtp_feed::use> feed_;
    std::shared_ptr<webrtc::peer> transport_;
    rtp_viewer viewer_;
    asio::steady_timer due_;
    std::optional<time_point> due_at_;
    bool connected_ = false, reported_ = false, over_ = false;
};

} // namespace rivulet::egress
