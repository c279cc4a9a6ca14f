// The live side of a gateway without RTMP: registry, channels, HTTP face on loopback, and
// publishers that a test plays itself. Deadlines are short enough for tests. Thread: the test's.
#pragma once

#include "base/shards.hpp"
#include "egress/feed_table.hpp"
#include "http/server.hpp"
#include "live/door_channels.hpp"
#include "live/gate.hpp"
#include "live/registry.hpp"
#include "support/known_orchestrators.hpp"
#include "support/raw_http.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/server.hpp"

#include <boost/json/value.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::test {

// A publisher whose frames are made up: 50 a second, a keyframe every 200 ms, each with a filler.
class fake_publisher {
  public:
    fake_publisher(asio::any_io_executor home, std::string name)
        : home_(home), name_(std::move(name)) {}

    ~fake_publisher() { pause(); }

    const std::string& name() const { return name_; }

    void start();
    void pause();
    // Says goodbye as an RTMP encoder does.
    void leave(const std::string& reason = "the publisher left");
    // Why the gateway ended it; empty while it did not.
    std::string kicked();
    std::optional<ingest::kick_cause> kick_cause();

    static media::stream_format format(); // what start() says
    // Says something else about its media than start() does.
    void announce(const media::stream_format& format);

    // For live_rig.
    ingest::kick kick();

    void use(std::shared_ptr<ingest::unit_sink> sink) { play_->sink = std::move(sink); }

    // Of each frame from now on.
    void frame_bytes(std::size_t size) { play_->frame_bytes = size; }

  private:
    struct play {
        std::shared_ptr<ingest::unit_sink> sink;
        std::atomic<std::size_t> frame_bytes{400};
        std::atomic<int> run{0}; // counts start() and pause(): a coroutine of an older one ends
        std::int64_t frame = 0;
    };

    static awaitable<void> send_frames(std::shared_ptr<play> state, int run);

    asio::any_io_executor home_;
    std::string name_;
    std::shared_ptr<play> play_ = std::make_shared<play>();

    struct kicks {
        std::mutex mutex;
        std::string reason;
        std::optional<ingest::kick_cause> cause;
    };

    std::shared_ptr<kicks> kicks_ = std::make_shared<kicks>();
};

using query_list = std::vector<std::pair<std::string, std::string>>;

live::job_timing quick_timing();

class live_rig {
  public:
    explicit live_rig(
        std::vector<std::string> orchestrators,
        live::job_timing timing = quick_timing(),
        live::registry_options options = live::registry_options(),
        live::gate_options access = live::gate_options(),
        live::swap_limits swaps = live::swap_limits()
    );
    ~live_rig();

    // Throws with the refusal's text.
    std::unique_ptr<fake_publisher> publish(const std::string& name, query_list query = {});

    raw_reply get(const std::string& path) { return ask(port_, request_text("GET", path)); }

    raw_reply post(const std::string& path, std::string_view body) {
        return ask(port_, request_with_body("POST", path, body));
    }

    raw_reply call(std::string_view method, const std::string& path) {
        return ask(port_, request_text(method, path));
    }

    // Of /status; throws when it is not a 200.
    boost::json::value status(const std::string& id_or_name);
    std::string state(const std::string& id_or_name);
    bool channel_exists(const std::string& name);
    bool channel_kept(const std::string& name);                    // out of the sweeper's reach
    std::vector<std::string> segments_of(const std::string& name); // whole ones in the window

    std::uint16_t port() const { return port_; }

    live::registry& streams() { return *registry_; }

    live::gate& gate() { return gate_; }

    known_orchestrators& known() { return known_; }

    shards& threads() { return shards_; }

    egress::feed_table& feeds() { return feeds_; }

    trickle::channel_table& table() { return table_; }

    live::door_channels& door_channels() { return door_channels_; } // what trickle doors open

    http::server& front() { return front_; } // listens already: more routes before a request only

    void stop();

  private:
    shards shards_{2};
    known_orchestrators known_;
    trickle::channel_table table_;
    live::door_channels door_channels_{shards_, table_};
    egress::feed_table feeds_;
    std::unique_ptr<live::registry> registry_;
    live::gate gate_;
    http::server front_;
    trickle::server trickle_;
    std::uint16_t port_ = 0;
};

// Asks every few milliseconds until it is true; false after `limit`.
bool eventually(const std::function<bool()>& condition, milliseconds limit = milliseconds(8000));

} // namespace rivulet::test
