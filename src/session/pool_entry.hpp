// One pool with its lock, who waits for it, and how its gathering goes. Part of the manager.
// Thread: any; everything below `guard` is read and written under it.
#pragma once

#include "base/asio.hpp"
#include "observe/metrics.hpp"
#include "session/pool.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::session {

// One coroutine that waits, on its own executor, until somebody on another thread wakes it.
class waiter {
  public:
    explicit waiter(asio::any_io_executor executor) : timer_(std::move(executor)) {}

    // True when woken, false when `limit` passed first.
    awaitable<bool> wait(duration limit);
    // From any thread. `self` is this one.
    static void wake(const std::shared_ptr<waiter>& self);

  private:
    asio::steady_timer timer_;
    bool woken_ = false; // its own thread only
};

using waiter_list = std::vector<std::shared_ptr<waiter>>;

// A question to one orchestrator that several requests wait for.
struct renewal {
    bool done = false;
    outcome<info_ptr> result = info_ptr();
    waiter_list waiters;
};

struct pool_entry {
    pool_entry(capability_id id, const std::string& model, const manager_options& options)
        : members(id, model, options) {}

    std::mutex guard;
    pool members;

    time_point used{};
    bool refreshing = false;
    bool gathered = false;     // at least once, to its end
    time_point last_refresh{}; // its end
    std::int64_t last_refresh_unix = 0;
    int refreshes = 0;
    time_point not_before{};   // of the next gathering because nobody was there
    bool list_changed = false; // and no gathering has begun since
    duration backoff{};
    std::string trouble; // of the last gathering, for people
    waiter_list waiters;

    std::map<std::string, std::string> standbys; // by who serves now
    std::map<std::pair<std::string, bool>, std::shared_ptr<renewal>> renewals;

    observe::counter requested;
    std::map<std::string, observe::gauge> latency_scores; // by URL

    // Under the lock.
    void wake_all();
    // What was kept about members that have left the pool.
    void forget_the_gone();
};

} // namespace rivulet::session
