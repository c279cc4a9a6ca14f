// The named channels of one trickle server, a part per shard.
// Thread: find/create/remove on the shard that `home(name)` names; size() from any; construct, stop
// and destroy from the owner's thread, while the shards run.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "trickle/channel.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::trickle {

struct table_options {
    channel_limits channel;
    std::size_t channels = 10'000;                   // over all shards
    duration idle_timeout = std::chrono::minutes(5); // swept when nothing was written for so long
    duration sweep_interval = std::chrono::minutes(1);
    bool changefeed = false; // publish additions and removals on `_changes`
};

class channel_table {
  public:
    channel_table(shards& shards, table_options options, logger log);
    ~channel_table();

    asio::io_context& home(std::string_view name) { return shards_.of(name); }

    // --- home shard of `name` ------------------------------------------------------------------
    channel_ptr find(std::string_view name) const;
    // Creates, or returns the existing one (whose MIME stays). Fails with too_many.
    result<channel_ptr> create(const std::string& name, const std::string& mime);
    // Creates a channel in a name that must be free: an existing one is closed and replaced.
    result<channel_ptr> replace(const std::string& name, const std::string& mime);
    // Closes and forgets it. False when there is none.
    bool remove(const std::string& name);
    // The same, only if the name still belongs to `which`.
    bool remove(const channel_ptr& which);

    // --- any thread ------------------------------------------------------------------------------
    std::size_t size() const { return count_.load(std::memory_order_relaxed); }

    const table_options& options() const { return options_; }

    // Closes every channel (end of stream to all readers) and refuses new ones. Blocks; from
    // outside the shards.
    void stop();

  private:
    struct part;

    part& part_of(std::string_view name) const;
    void announce(const char* key, const std::string& name);
    void sweep_later(const std::shared_ptr<part>& held);
    void sweep(part& swept, time_point now);

    shards& shards_;
    table_options options_;
    logger log_;
    std::atomic<std::size_t> count_{0};
    std::vector<std::shared_ptr<part>> parts_;
    bool stopped_ = false; // the owner's thread
};

} // namespace rivulet::trickle
