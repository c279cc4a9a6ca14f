// Client connections that are kept for the next request: per shard and peer, so that none is ever
// shared between threads.
// Thread: take() from a shard's coroutine; a lease goes back on that shard.
// Owns: the idle connections; they are closed when idle too long, or too many.
// Fails with: what client_connection::open() fails with.
#pragma once

#include "base/shards.hpp"
#include "http/client.hpp"

#include <memory>

namespace rivulet::http {

struct pool_limits {
    std::size_t idle_per_peer = 64; // on each shard
    std::size_t idle = 1'000;       // on each shard
    duration idle_time = std::chrono::seconds(50);

    pool_limits() {}
};

class connection_pool;

// One connection, borrowed. It goes back when it is reusable(), else it is closed.
class connection_lease {
  public:
    connection_lease() = default;
    connection_lease(connection_lease&&) noexcept;
    connection_lease& operator=(connection_lease&&) noexcept;
    ~connection_lease();

    client_connection& operator*() const { return *connection_; }

    client_connection* operator->() const { return connection_.get(); }

    explicit operator bool() const { return connection_ != nullptr; }

    // It was used before: a request that fails on it before any byte of a reply may be sent again
    // on a fresh one.
    bool used_before() const { return used_before_; }

    // Whoever holds it gives it back when it is destroyed: the pool's side of a lease.
    struct shelf;
    connection_lease(connection_ptr connection, std::shared_ptr<shelf> home, bool used_before);

  private:
    void give_back();

    connection_ptr connection_;
    std::shared_ptr<shelf> home_;
    bool used_before_ = false;
};

class connection_pool {
  public:
    connection_pool(shards& threads, client_options options, pool_limits limits = {});
    // After the shards' coroutines that use it have ended.
    ~connection_pool();

    // An idle connection to the peer that is still open, else a new one; `fresh` wants a new one.
    awaitable<outcome<connection_lease>> take(http_url peer, bool fresh = false);
    // Closes the idle ones. From outside the shards, while they run.
    void stop();

    struct impl;

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::http
