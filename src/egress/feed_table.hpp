// The feeds of a process: at most one per channel, made when the first viewer asks.
// Thread: find() and peek() on the home shard of the name; stop() from outside the shards.
#pragma once

#include "egress/feed.hpp"
#include "trickle/channel_table.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet::egress {

// The feed of a name, null while it does not exist. Runs on the home shard of the name.
using find_feed = std::function<awaitable<std::shared_ptr<channel_feed>>(std::string name)>;

class feed_table {
  public:
    feed_table(shards& shards, trickle::channel_table& channels, feed_options options, logger log);
    ~feed_table();

    // The feed of the channel `name`; null when there is no such channel now.
    std::shared_ptr<channel_feed> find(const std::string& name);
    // The same, but none is made for the question; null while nobody uses it.
    std::shared_ptr<channel_feed> peek(const std::string& name) const;
    // find() in the shape that rtmp_play and rtmp_push want; the table outlives its use.
    find_feed finder();
    // The feeds of the calling shard that somebody uses.
    std::vector<std::shared_ptr<channel_feed>> live_here();
    // Ends every feed. Blocks; from outside the shards.
    void stop();

  private:
    struct part;

    shards& shards_;
    trickle::channel_table& channels_;
    feed_options options_;
    logger log_;
    std::vector<std::unique_ptr<part>> parts_;
};

} // namespace rivulet::egress
