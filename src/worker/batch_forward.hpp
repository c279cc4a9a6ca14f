// Batch pipelines that external runners serve: one whole request to a free runner, its whole answer
// back. Thread: the connection's shard.
#pragma once

#include "base/asio.hpp"
#include "http/message.hpp"
#include "worker/runner_pool.hpp"

namespace rivulet::worker {

inline constexpr std::size_t batch_body_limit = 32u << 20;
inline constexpr std::size_t batch_reply_limit = 64u << 20;

// Every pipeline with a path of its own, live video excepted.
const std::vector<session::capability_id>& batch_capabilities();

// The answer is 503 when no runner is free or reachable, 400 when the runner calls the request bad,
// 500 for its other failures; their bodies are plain text, as the network's orchestrators answer.
awaitable<http::response>
forward_batch(runner_pool& pool, session::capability_id capability, const http::request& request);

// A failure as the network's orchestrators answer it: text and a line end.
http::response plain_failure(http::status status, std::string text);

} // namespace rivulet::worker
