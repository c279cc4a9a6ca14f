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

void pool_entry::forget_the_gone() {
    std::erase_if(latency_scores, [this](const auto& one) { return !members.find(one.first); });
    std::erase_if(standbys, [this](const auto& one) {
        return !members.find(one.first) || !members.find(one.second);
    });
}

} // namespace rivulet::session
