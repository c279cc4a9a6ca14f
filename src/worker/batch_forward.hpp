// Batch pipelines that external runners serve: a request goes to a free runner as it came, its
// answer back; events of a conversation as they come. An upload is spooled on the way, since the
// form's model decides who gets it.
// Thread: the connection's shard.
#pragma once

#include "base/off_shard.hpp"
#include "batch/request_reading.hpp"
#include "worker/batch_reply.hpp"
#include "worker/runner_pool.hpp"

namespace rivulet::worker {

inline constexpr std::size_t batch_reply_limit = 64u << 20;

// What a body may have, in memory and as a form.
batch::reading_limits forward_limits();

// The answer is 503 when no runner is free or reachable; when the runner calls the request bad, its
// status and words (runner_failure); 500 for its other failures. Their bodies are plain text, as
// the network's orchestrators answer.
awaitable<void> forward_batch(
    runner_pool& pool,
    session::capability_id capability,
    http::exchange& peer,
    const batch::reading_limits& limits,
    blocking_threads& disk
);

} // namespace rivulet::worker
