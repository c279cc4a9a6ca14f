#include "session/pool_entry.hpp"

namespace rivulet::session {

awaitable<bool> waiter::wait(duration limit) {
    if (!woken_) {
        timer_.expires_after(limit);
        co_await timer_.async_wait(as_tuple);
    }
    co_return woken_;
}

void waiter::wake(const std::shared_ptr<waiter>& self) {
    asio::post(self->timer_.get_executor(), [self] {
        self->woken_ = true;
        self->timer_.cancel();
    });
}

void pool_entry::wake_all() {
    for (const auto& one : waiters)
        waiter::wake(one);
    waiters.clear();
}

} // namespace rivulet::session
