// WHIP on loopback without the rest of a gateway: the WebRTC network, the door and its HTTP
// resources; what publishers send ends in sinks that remember it. And a publisher that sends
// made-up RTP and answers NACK. Thread: the test's.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"
#include "ingest/whip_door.hpp"
#include "support/rtp_source.hpp"
#include "support/webrtc_client.hpp"
#include "webrtc/network.hpp"
#include "webrtc/session_routes.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace rivulet::test {

// What the live side was told of one publisher.
struct whip_record {
    std::mutex mutex;
    ingest::publish_request request;
    ingest::kick kick;
    std::vector<media::stream_format> formats;
    std::vector<media::access_unit> units;
    std::size_t units_before_format = 0;
    std::vector<std::string> ended;
    std::function<void()> ask_keyframe; // on the home shard
    std::atomic<int> kick_at{0};        // the live side ends it with this unit; 0: it does not

    std::size_t count(media::track_kind kind);
    std::vector<media::access_unit> of(media::track_kind kind);
};

class whip_rig {
  public:
    explicit whip_rig(
        ingest::whip_options options = {}, webrtc::network_options network = loopback()
    );
    static webrtc::network_options loopback();
    ~whip_rig();

    static std::string path(const std::string& stream) {
        return "/live/video-to-video/" + stream + "/whip";
    }

    std::string url(const std::string& stream, const std::string& query = {}) const {
        return "http://127.0.0.1:" + std::to_string(port_) + path(stream) + query;
    }

    std::uint16_t port() const { return port_; }

    // From now on: how publishers are refused.
    void refuse(failure why);

    // Of the newest publisher of that name; waits for it. Null after 5 s.
    std::shared_ptr<whip_record> record(const std::string& stream);
    std::vector<std::shared_ptr<whip_record>> records();

    ingest::whip_door& door() { return *door_; }

    webrtc::network& network() { return *network_; }

    std::size_t resources() const { return routes_->sessions(); }

    std::vector<ingest::whip_session_stats> stats(const std::string& stream);
    void on_shard_of(const std::string& stream, std::function<void()> work);
    void stop();

  private:
    shards shards_{2};
    std::unique_ptr<webrtc::network> network_;
    std::unique_ptr<ingest::whip_door> door_;
    std::unique_ptr<webrtc::session_routes> routes_;
    std::unique_ptr<http::server> server_;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::vector<std::shared_ptr<whip_record>> records_;
    std::optional<failure> refusal_;
};

// Sends tracks in real time over a webrtc_client; runs a thread of its own.
class whip_client {
  public:
    explicit whip_client(webrtc_client_options options = {});
    ~whip_client();

    // POSTs the offer and, when it is answered, connects. The HTTP status; 0 when connecting
    // failed.
    int publish(
        const std::string& url, std::vector<client_media> media, const std::string& bearer = {}
    );
    // Begins to send: a picture's packets each 1/30 s, an audio packet each 20 ms, once through.
    void send(std::vector<rtp_bytes> video, std::vector<rtp_bytes> audio = {});
    int remove(); // DELETE: its status
    void vanish();

    const http_session& session() const { return session_; }

    std::string header(const std::string& name) const;

    bool ended() const { return ended_; }

    std::atomic<int> keyframes_asked{0}, nacked{0};

  private:
    awaitable<void> send_all(std::vector<rtp_bytes> video, std::vector<rtp_bytes> audio);
    void answer(std::span<const std::uint8_t> compound);
    void run(awaitable<void> work);

    asio::io_context context_;
    std::unique_ptr<asio::executor_work_guard<asio::io_context::executor_type>> work_;
    std::unique_ptr<webrtc_client> client_;
    std::thread thread_;
    http_session session_;
    std::atomic<bool> ended_{false}, stopping_{false};
    rtx_sender rtx_{103, 5678};
    std::map<std::uint16_t, rtp_bytes> sent_;
};

} // namespace rivulet::test
