// The network threads: one io_context and one thread per shard. All state of a stream, its channels
// and its connections lives on the shard that its name hashes to, so none of it needs a lock.
// Thread: construct and destroy from the owner's thread; the rest from any.
#pragma once

#include "base/asio.hpp"

#include <cstddef>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

namespace rivulet {

class shards {
  public:
    // Starts `count` threads; 0 means one per two cores: one shard moves well over a gigabyte per
    // second, media threads need the other half, and fewer threads wake up for fewer messages each.
    explicit shards(std::size_t count);
    // Stops the loops and joins the threads. Owners drain before: what is still pending is dropped.
    ~shards();
    shards(const shards&) = delete;
    shards& operator=(const shards&) = delete;

    std::size_t size() const { return contexts_.size(); }

    asio::io_context& at(std::size_t index) { return *contexts_[index]; }

    asio::io_context& of(std::string_view name) { return at(index_of(name)); }

    // The home of a name. The channels of one stream (NAME, NAME-out, NAME-control, NAME-events,
    // NAME-data) share a home.
    std::size_t index_of(std::string_view name) const;
    // The shard whose thread is calling; size() on a foreign thread.
    std::size_t current() const;
    // Stops the loops and joins. Called by the destructor; idempotent.
    void stop();

  private:
    std::vector<std::unique_ptr<asio::io_context>> contexts_;
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
    std::vector<std::thread> threads_;
};

} // namespace rivulet
