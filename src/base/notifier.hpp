// A condition variable for one shard: coroutines wait, a handler of the same shard wakes them all.
// Thread: one shard. A wait may end spuriously: callers loop on their condition.
#pragma once

#include "base/asio.hpp"

#include <memory>

namespace rivulet {

class notifier {
  public:
    explicit notifier(asio::any_io_executor executor)
        : timer_(std::make_shared<asio::steady_timer>(executor, time_point::max())) {}

    void notify_all() { timer_->cancel(); }

    // The waiter keeps the timer alive, so the notifier may go while somebody waits.
    awaitable<void> wait() {
        auto timer = timer_;
        co_await timer->async_wait(as_tuple);
    }

    // Waits until notified or `until`.
    awaitable<void> wait_until(time_point until) {
        auto timer = timer_;
        asio::steady_timer limit(timer->get_executor(), until);
        limit.async_wait([timer](error_code ec) {
            if (!ec)
                timer->cancel();
        });
        co_await timer->async_wait(as_tuple);
    }

  private:
    std::shared_ptr<asio::steady_timer> timer_;
};

} // namespace rivulet
