#include "session/refreshed_source.hpp"

#include "base/utf8.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/system_error.hpp>

#include <mutex>
#include <optional>

namespace rivulet::session {

struct refreshed_source::state : std::enable_shared_from_this<refreshed_source::state> {
    state(
        asio::any_io_executor ex, fetch f, refresh_rules rules, logger l, std::function<void()> stop
    )
        : executor(std::move(ex)), get(std::move(f)), on_stop(std::move(stop)), fsm(rules),
          log(std::move(l)) {}

    // Waits on a shard of its own until something is known; the timer is touched only there.
    struct waiter {
        explicit waiter(asio::any_io_executor ex) : timer(std::move(ex), time_point::max()) {}

        asio::steady_timer timer;
        bool woken = false;
    };

    awaitable<void> run();
    void learnt(outcome<std::vector<candidate>> list);
    void wake_all();
    void ended(std::exception_ptr thrown);

    bool is_stopped() {
        const std::lock_guard lock(guard);
        return stopped;
    }

    asio::any_io_executor executor;
    fetch get;
    std::function<void()> on_stop;
    refresh_fsm fsm; // on `executor` only, as `cancel`
    logger log;
    asio::cancellation_signal cancel;

    std::mutex guard;
    std::optional<outcome<std::vector<candidate>>> known; // a list, or why there is none
    std::vector<std::shared_ptr<waiter>> waiting;
    bool stopped = false;
};

refreshed_source::refreshed_source(
    asio::any_io_executor executor,
    fetch fetch,
    refresh_rules rules,
    logger log,
    std::function<void()> on_stop
)
    : state_(std::make_shared<state>(
          std::move(executor), std::move(fetch), rules, std::move(log), std::move(on_stop)
      )) {
    asio::post(state_->executor, [self = state_] {
        if (self->is_stopped())
            return;
        auto slot = self->cancel.slot();
        asio::co_spawn(
            self->executor,
            self->run(),
            asio::bind_cancellation_slot(
                slot, [self](std::exception_ptr thrown) { self->ended(thrown); }
            )
        );
    });
}

refreshed_source::~refreshed_source() {
    stop();
}

void refreshed_source::stop() {
    {
        const std::lock_guard lock(state_->guard);
        if (std::exchange(state_->stopped, true))
            return;
    }
    if (state_->on_stop)
        state_->on_stop();
    asio::post(state_->executor, [self = state_] {
        self->cancel.emit(asio::cancellation_type::all);
        self->wake_all();
    });
}

awaitable<void> refreshed_source::state::run() {
    auto self = shared_from_this();
    asio::steady_timer timer(executor);
    for (;;) {
        auto list = co_await get();
        if (is_stopped())
            co_return;
        const auto now = steady_clock::now();
        const auto failed_before = fsm.failures();
        const auto next = list ? fsm.succeeded(now) : fsm.failed(now);
        if (!list && failed_before == 0)
            log.warn(
                "{}{}",
                valid_utf8(list.error().detail, 300),
                fsm.has_list() ? "; the last list is used on" : ""
            );
        else if (list && failed_before > 0)
            log.info("it answers again: {} orchestrators", list->size());
        learnt(std::move(list));
        timer.expires_at(next);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

// Cancelling is no error; anything else is, and nobody may wait for ever because of it.
void refreshed_source::state::ended(std::exception_ptr thrown) {
    try {
        if (thrown)
            std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) {
        if (e.code() == asio::error::operation_aborted)
            return;
        log.error("{}", e.what());
        learnt(failure(e.code(), e.what()));
    } catch (const std::exception& e) {
        log.error("{}", e.what());
        learnt(failure(errc::protocol_violation, e.what()));
    }
}

void refreshed_source::state::learnt(outcome<std::vector<candidate>> list) {
    {
        const std::lock_guard lock(guard);
        // A failure takes nothing away.
        if (list || !known || !*known)
            known = std::move(list);
    }
    wake_all();
}

void refreshed_source::state::wake_all() {
    std::vector<std::shared_ptr<waiter>> all;
    {
        const std::lock_guard lock(guard);
        all.swap(waiting);
    }
    for (auto& one : all) {
        auto executor = one->timer.get_executor();
        asio::post(executor, [one = std::move(one)] {
            one->woken = true;
            one->timer.cancel();
        });
    }
}

awaitable<outcome<std::vector<candidate>>> refreshed_source::candidates() {
    auto self = state_;
    auto here = std::make_shared<state::waiter>(co_await asio::this_coro::executor);
    {
        const std::lock_guard lock(self->guard);
        if (self->known)
            co_return *self->known;
        if (self->stopped)
            co_return failure(errc::cancelled, "the list of orchestrators was stopped");
        self->waiting.push_back(here);
    }
    // Every fetch has its deadline, so this wait has one, too.
    if (!here->woken)
        co_await here->timer.async_wait(as_tuple);
    const std::lock_guard lock(self->guard);
    if (self->known)
        co_return *self->known;
    co_return failure(errc::cancelled, "the list of orchestrators was stopped");
}

} // namespace rivulet::session
