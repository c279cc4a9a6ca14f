// Work that may block (disk, libav probes) on threads of its own, awaited from a shard.
// Thread: run() from a shard's coroutine; the work runs on one of the blocking threads.
// Owns: the threads. Work that was begun always ends, even when nobody waits for it any more.
#pragma once

#include "base/asio.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace rivulet {

class blocking_threads {
  public:
    explicit blocking_threads(std::size_t count) : pool_(count) {}

    ~blocking_threads() { pool_.join(); }

    // What `work()` returns (not void). It owns all that it touches: the waiter may be gone.
    template <class Work>
    awaitable<std::invoke_result_t<Work>> run(Work work);

  private:
    asio::thread_pool pool_;
};

} // namespace rivulet
