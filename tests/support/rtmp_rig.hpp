// An RTMP server with everything behind it that a stream needs: publishers are admitted, segmented
// and muxed into the channel of their name, players watch it. Without orchestrators. Thread: the
// test's.
#pragma once

#include "base/shards.hpp"
#include "egress/feed_table.hpp"
#include "egress/rtmp_play.hpp"
#include "ingest/rtmp_server.hpp"
#include "media/segmenter.hpp"
#include "media/ts_muxer.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/channel_writer.hpp"

#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

// What one publisher did, readable from the test's thread.
struct published {
    ingest::publish_request request;
    std::vector<media::stream_format> formats;
    std::vector<media::access_unit> units;
    std::string end_reason;
    bool ended = false;
};

class rtmp_rig {
  public:
    static ingest::rtmp_options fast_options();
    explicit rtmp_rig(
        ingest::rtmp_options options = fast_options(), egress::rtmp_play_options play = {}
    );
    ~rtmp_rig();

    std::uint16_t port() const { return port_; }

    std::string url(const std::string& path) const {
        return "rtmp://127.0.0.1:" + std::to_string(port_) + "/" + path;
    }

    shards& all_shards() { return shards_; }

    asio::any_io_executor executor() { return shards_.at(0).get_executor(); }

    ingest::rtmp_server& server() { return *server_; }

    egress::feed_table& feeds() { return *feeds_; }

    trickle::channel_table& channels() { return *channels_; }

    // For doors of other protocols; "full" is a name that is refused.
    ingest::admit_publisher admission();

    egress::rtmp_play_stats& play_stats() { return *play_stats_; }

    // Publishers of all names so far, in order of admission.
    std::vector<published> publishers() const;
    // Ends the newest publisher of a name.
    void kick(
        const std::string& name,
        const std::string& reason,
        ingest::kick_cause cause = ingest::kick_cause::replaced
    );

    // Makes a channel and writes units into it as the live path would, without RTMP.
    class injector;
    std::unique_ptr<injector> inject(const std::string& name, const media::stream_format& format);

  private:
    struct book;
    class sink;

    shards shards_{2};
    std::shared_ptr<book> book_;
    std::unique_ptr<trickle::channel_table> channels_;
    std::unique_ptr<egress::feed_table> feeds_;
    std::shared_ptr<egress::rtmp_play_stats> play_stats_ =
        std::make_shared<egress::rtmp_play_stats>();
    std::unique_ptr<ingest::rtmp_server> server_;
    std::uint16_t port_ = 0;
};

// A channel's writer on its home shard.
class rtmp_rig::injector {
  public:
    injector(shards& shards, trickle::channel_table& channels, std::string name);
    ~injector();
    void format(const media::stream_format& format);
    // Waits until it is written. Each keyframe begins a segment.
    void write(const media::access_unit& unit);
    // Bytes of a finished TS segment.
    void write_segment(bytes ts);
    void close();

  private:
    struct state;

    shards& shards_;
    std::shared_ptr<state> state_;
};

} // namespace rivulet::test
