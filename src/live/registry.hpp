// All streams of the gateway: admits publishers, finds streams by name or id, ends them.
// Thread: construct, start, stop and destroy from outside the shards; admit() on the home shard of
// the name (where the doors for publishers call it); the rest from any shard.
// Owns: the streams, a part per shard.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "egress/feed_table.hpp"
#include "ingest/source.hpp"
#include "live/event_hub.hpp"
#include "live/job.hpp"
#include "live/stream.hpp"
#include "trickle/channel_table.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace rivulet::live {

struct registry_options {
    std::size_t max_streams = 1'000;
    bool rtmp_output = true;                       // false: a publisher's rtmpOutput is ignored
    bool private_rtmp_output = false;              // see check_target
    duration keep_ended = std::chrono::minutes(1); // the last status of a stream that is gone
    std::size_t keep_ended_count = 200;            // per shard
    duration resolve_limit = std::chrono::seconds(3);
    media::segmenter_options segments;
    egress::rtmp_push_options push;
    swap_filler filler = swap_filler::freeze; // -swapFiller
    std::shared_ptr<event_hub> events; // what happens to the streams goes there; may be empty
    std::shared_ptr<observe::event_queue> queue; // the operator's; may be empty
    std::shared_ptr<const live_metrics> metrics; // may be empty
    std::function<viewer_report(const std::string& channel, bool details)> viewers;
};

class registry {
  public:
    registry(
        shards& shards,
        trickle::channel_table& channels,
        egress::feed_table& feeds,
        job_services jobs,
        registry_options options,
        logger log
    );
    ~registry();
    registry(const registry&) = delete;
    registry& operator=(const registry&) = delete;

    // Decides over a publisher. A second one of the same name takes over, the first is told. Fails
    // with a text for the publisher.
    awaitable<outcome<std::shared_ptr<ingest::unit_sink>>>
    admit(ingest::publish_request request, ingest::kick kick);

    // By name. False when there is no such stream.
    awaitable<bool> update(std::string name, std::string body);
    // The name of a stream that has a publisher, by name, else by id.
    awaitable<std::optional<std::string>> name_of(std::string name_or_id);
    // Ends the stream of this name and tells its publisher. False when there is none.
    awaitable<bool> stop_stream(std::string name);
    // Ends every stream of exactly this id; how many there were.
    awaitable<std::size_t> terminate(std::string id, std::string reason);
    // By id, else by name; also for a minute after the end.
    awaitable<std::optional<stream_snapshot>> find(std::string id_or_name);
    // Every stream that has a publisher, by name.
    awaitable<std::vector<stream_snapshot>> list();

    // The stream that a viewer's path means (see playback.hpp), whether it exists or not.
    awaitable<std::string> locate_playback(std::string path);
    // The same at once, for doors that can't wait.
    std::string stream_of(const std::string& path) const;
    // The channel to play for that path; nothing when it names a session that is over. Called on
    // the home shard of the stream.
    std::optional<std::string> playback_channel(const std::string& path);

    // Asks the publisher of a source channel for a keyframe, where its protocol can. Home shard.
    void request_keyframe(const std::string& channel);

    std::size_t count() const { return count_.load(std::memory_order_relaxed); }

    // Refuses publishers, ends every stream and waits until their channels are deleted at the
    // orchestrators. Blocks at most about `limit`; idempotent.
    void stop(duration limit);

  private:
    struct part;

    // Which streams there are, for those who ask about several shards at once.
    class name_set {
      public:
        void add(const std::string& name);
        void remove(const std::string& name);
        bool has(const std::string& name) const;

      private:
        mutable std::mutex mutex_;
        std::unordered_set<std::string> names_;
    };

    part& home(const std::string& name) { return *parts_[shards_.index_of(name)]; }

    awaitable<void> stop_part(part& on, duration limit);

    shards& shards_;
    registry_options options_;
    logger log_;
    job_services jobs_;
    stream_services services_;
    std::atomic<std::size_t> count_{0};
    std::atomic<bool> stopping_{false};
    bool stopped_ = false;
    name_set names_;
    std::vector<std::unique_ptr<part>> parts_;
};

} // namespace rivulet::live
