// One stream end to end: publishes a clip in a loop over RTMP, plays the result, and keeps the
// ledger of its frames.
// Thread: its io_context's; construct anywhere before run.
#pragma once

#include "base/asio.hpp"
#include "bench/frame_ledger.hpp"
#include "media/flv_tag.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::test {

struct probe_options {
    std::string publish_url;
    std::string play_url;
    // Every tag as it was sent and received; may be empty.
    std::function<void(const media::flv_tag&)> on_sent, on_received;
};

class stream_probe {
  public:
    stream_probe(
        asio::io_context& context,
        std::shared_ptr<const std::vector<media::flv_tag>> clip,
        probe_options options
    );

    // Begins to publish and to play. A player that is refused or ended tries again.
    void start();
    void stop();

    frame_ledger& ledger() { return ledger_; }

    // Why publishing ended; empty while it goes on.
    const std::string& publish_error() const { return publish_error_; }

    const std::string& play_error() const { return play_error_; }

    // Times the player had to begin again after it had video.
    int replays() const { return replays_; }

  private:
    awaitable<void> publish();
    awaitable<void> play();

    asio::io_context& context_;
    std::shared_ptr<const std::vector<media::flv_tag>> clip_;
    probe_options options_;
    frame_ledger ledger_;
    asio::steady_timer publishing_, playing_; // cancelled to stop
    bool stopped_ = false;
    std::string publish_error_, play_error_;
    int replays_ = 0;
};

// The presentation time of a video frame's tag in milliseconds; nullopt for everything else.
std::optional<std::int64_t> video_frame_pts(const media::flv_tag& tag);

} // namespace rivulet::test
