// WHEP on loopback without the rest of a gateway: channels, feeds, the WebRTC network, the door and
// its HTTP resources; clips are written into channels in real time. No RTMP anywhere.
// Thread: the test's.
#pragma once

#include "base/shards.hpp"
#include "egress/feed_table.hpp"
#include "egress/whep_door.hpp"
#include "http/server.hpp"
#include "support/ts_clip.hpp"
#include "trickle/channel_table.hpp"
#include "webrtc/network.hpp"
#include "webrtc/session_routes.hpp"

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

class whep_rig {
  public:
    static egress::whep_options quick(); // waits for half a second only
    explicit whep_rig(
        egress::whep_options options = quick(), webrtc::network_options network = loopback()
    );
    static webrtc::network_options loopback();
    ~whep_rig();

    std::uint16_t port() const { return port_; }

    // "/live/video-to-video/{path}/whep"
    static std::string path(const std::string& stream) {
        return "/live/video-to-video/" + stream + "/whep";
    }

    // A channel without media.
    void create(const std::string& channel);
    // For who writes it otherwise, at_home().
    trickle::channel_ptr channel(const std::string& name);

    asio::any_io_executor home(const std::string& name) { return shards_.of(name).get_executor(); }

    // Writes the clip over and over, in real time, until end(). Creates the channel.
    void publish(const std::string& channel, clip media);
    void end(const std::string& channel);

    // Whose key watches; empty: anybody's.
    void require_key(const std::string& key);
    // Keyframe requests so far, by channel.
    std::map<std::string, int> keyframe_requests();
    std::vector<std::string> left(); // "stream: reason"

    egress::whep_door& door() { return *door_; }

    webrtc::network& network() { return *network_; }

    std::size_t resources() const { return routes_->sessions(); }

    egress::whep_channel_stats stats(const std::string& channel);

    template <class Work>
    auto at_home(const std::string& name, Work work) {
        std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
        auto done = task.get_future();
        asio::post(shards_.of(name), [&task] { task(); });
        return done.get();
    }

  private:
    struct writing {
        std::atomic<bool> running{true}, ended{false};
    };

    static awaitable<void> write(
        trickle::channel_ptr target,
        std::shared_ptr<const clip> media,
        std::shared_ptr<writing> state
    );
    void stop_writing(const std::string& channel);

    shards shards_{2};
    std::unique_ptr<trickle::channel_table> channels_;
    std::unique_ptr<egress::feed_table> feeds_;
    std::unique_ptr<webrtc::network> network_;
    std::unique_ptr<egress::whep_door> door_;
    std::unique_ptr<webrtc::session_routes> routes_;
    std::unique_ptr<http::server> server_;
    std::uint16_t port_ = 0;

    std::mutex mutex_;
    std::string key_;
    std::map<std::string, int> asked_;
    std::vector<std::string> left_;
    std::map<std::string, std::shared_ptr<writing>> writing_; // the test's thread
};

} // namespace rivulet::test
