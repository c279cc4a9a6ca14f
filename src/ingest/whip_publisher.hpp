// The media half of a WHIP session: RTP from the peer to the sink. Begins the stream when it knows
// what it consists of: video at once when no audio was offered, else with the first audio, or
// without audio after `audio_wait`; transcodes what is not H.264.
// Thread: the home shard of the stream.
// Owns: the peer, the receiver, the transcoder and the sink.
#pragma once

#include "base/log.hpp"
#include "ingest/source.hpp"
#include "media/rtp_ingest.hpp"
#include "media/video_transcoder.hpp"
#include "webrtc/peer.hpp"

#include <boost/json/fwd.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::ingest {

struct whip_publisher_options {
    bool transcode = true;                                // VP8, VP9, H.265
    bool correct_timestamps = true;                       // of Safari
    duration video_gather = std::chrono::seconds(5);      // from connected to the first picture
    duration audio_wait = std::chrono::milliseconds(500); // after video, for offered audio
    duration media_silence = std::chrono::seconds(60);    // connected, but no packet of media
    duration keyframe_interval = std::chrono::seconds(2);
    media::video_transcoder_options transcoder;
};

struct whip_session_stats {
    std::string session_id, remote, user_agent;
    media::codec video = media::codec::none; // as sent by the publisher
    bool audio = false, transcoding = false, connected = false, tcp = false;
    duration age{};
    media::rtp_ingest_stats media;
    media::video_transcoder_stats transcoder;
};

// For /status.
boost::json::object to_json(const whip_session_stats& stats);
const char* codec_name(media::codec type); // "VP8"

class whip_publisher : public std::enable_shared_from_this<whip_publisher> {
  public:
    whip_publisher(
        asio::any_io_executor executor,
        std::shared_ptr<unit_sink> sink,
        whip_publisher_options options,
        logger log
    );
    ~whip_publisher();

    // For network::make_peer; they hold the publisher weakly.
    webrtc::peer_events peer_events();
    // `ended` is called once when the session ends by itself, not after end().
    outcome<void> start(
        std::shared_ptr<webrtc::peer> peer,
        media::rtp_ingest_options tracks,
        std::function<void(std::string reason)> ended
    );
    // Frees everything; the sink is told. Idempotent.
    void end(std::string reason);

    whip_session_stats stats() const;

  private:
    void connected();
    void received(std::span<const std::uint8_t> packet, bool control);
    void arm();
    void on_timer();
    void take(media::access_unit unit);
    void picture(media::access_unit unit);
    void begin_if_ready(time_point now);
    void deliver(media::access_unit unit);
    void tell_format();
    outcome<void> make_transcoder(media::codec type);
    void fail(std::string reason);

    // given
    asio::any_io_executor executor_;
    std::shared_ptr<unit_sink> sink_; // null after the end
    whip_publisher_options options_;
    logger log_;
    std::function<void(std::string)> ended_;

    // owned
    std::shared_ptr<webrtc::peer> peer_;
    std::unique_ptr<media::rtp_ingest> receiver_;
    std::unique_ptr<media::video_transcoder> transcoder_;
    asio::steady_timer timer_;
    time_point timer_at_ = time_point::max();

    // state
    media::stream_format format_; // video: of what goes to the sink
    media::codec source_ = media::codec::none;
    bool audio_offered_ = false, began_ = false, connected_ = false;
    time_point started_{}, connected_at_{}, last_media_{};
    std::optional<time_point> first_picture_;
    std::deque<media::access_unit> waiting_; // until the stream begins
    std::size_t waiting_bytes_ = 0;
};

} // namespace rivulet::ingest
