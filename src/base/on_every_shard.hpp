// How owners that have a part on every shard end: the work of each part runs on its own shard while
// the owner's thread waits.
// Thread: any outside the shards.
#pragma once

#include "base/shards.hpp"

#include <functional>

namespace rivulet {

using shard_work = std::function<awaitable<void>(std::size_t shard)>;

// Returns when all are done, at the latest after `limit`; work that is late goes on by itself, so
// it must own what it touches. Shards that have stopped are left out.
void on_every_shard(shards& threads, duration limit, shard_work work);

} // namespace rivulet
