// The media half of a publishing RTMP connection: tags through the GStreamer pipeline to the sink.
// Thread: the home shard of the stream. Units come from the pipeline's thread by post.
// Owns: the pipeline and the sink.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "ingest/rtmp_media_check.hpp"
#include "ingest/rtmp_session_fsm.hpp"
#include "ingest/source.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::media {
class flv_ingest;
}

namespace rivulet::ingest {

class rtmp_publisher : public std::enable_shared_from_this<rtmp_publisher> {
  public:
    rtmp_publisher(
        asio::any_io_executor executor,
        std::shared_ptr<unit_sink> sink,
        rtmp_media_check check,
        std::function<void(std::string)> fail,
        logger log
    );
    ~rtmp_publisher();

    // Builds the pipeline. Fails with a text.
    outcome<void> start();
    // One message; the text of a refusal, or nothing.
    std::optional<std::string> take(const rtmp_media& media, time_point now);

    std::optional<std::string> tick(time_point now) const { return check_.tick(now); }

    time_point deadline() const { return check_.deadline(); }

    // Hands on what the pipeline still holds, for at most `limit`, then tells the sink. Once.
    awaitable<void> finish(std::string reason, duration limit);

    std::uint64_t units() const { return units_; }

  private:
    void tell_end(const std::string& reason);

    asio::any_io_executor executor_;
    std::shared_ptr<unit_sink> sink_; // null after ended()
    rtmp_media_check check_;
    std::function<void(std::string)> fail_; // the pipeline broke
    logger log_;
    std::unique_ptr<media::flv_ingest> pipeline_;
    std::shared_ptr<asio::steady_timer> drained_;
    bool pipeline_ended_ = false;
    bool drop_logged_ = false;
    std::uint64_t units_ = 0;
};

} // namespace rivulet::ingest
