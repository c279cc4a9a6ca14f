#include "base/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/system_error.hpp>

#include <list>

namespace rivulet {

struct task_group::state {
    state(asio::any_io_executor ex, logger l)
        : executor(ex), log(std::move(l)), empty(ex, time_point::max()) {}

    asio::any_io_executor executor;
    logger log;
    asio::steady_timer empty; // cancelled when the last task ends
    std::list<asio::cancellation_signal> signals;
    bool closed = false;
};

task_group::task_group(asio::any_io_executor executor, logger log)
    : state_(std::make_shared<state>(executor, std::move(log))) {}

task_group::~task_group() {
    close();
}

bool task_group::spawn(std::string name, awaitable<void> task) {
    if (state_->closed)
        return false;
    auto signal = state_->signals.emplace(state_->signals.end());
    auto on_end = [group = state_, signal, name = std::move(name)](std::exception_ptr failure) {
        try {
            if (failure)
                std::rethrow_exception(failure);
        } catch (const boost::system::system_error& e) {
            if (e.code() != asio::error::operation_aborted)
                group->log.error("{}: {}", name, e.what());
        } catch (const std::exception& e) {
            group->log.error("{}: {}", name, e.what());
        }
        group->signals.erase(signal);
        if (group->signals.empty())
            group->empty.cancel();
    };
    auto slot = signal->slot();
    asio::co_spawn(
        state_->executor, std::move(task), asio::bind_cancellation_slot(slot, std::move(on_end))
    );
    return true;
}

void task_group::close() {
    state_->closed = true;
    // A task may end inside emit() and erase its signal, so step over it first.
    for (auto it = state_->signals.begin(); it != state_->signals.end();) {
        auto& signal = *it++;
        signal.emit(asio::cancellation_type::all);
    }
}

awaitable<bool> task_group::join(duration limit) {
    auto held = state_;
    const auto until = steady_clock::now() + limit;
    while (!held->signals.empty() && steady_clock::now() < until) {
        held->empty.expires_at(until);
        co_await held->empty.async_wait(as_tuple);
    }
    co_return held->signals.empty();
}

std::size_t task_group::running() const {
    return state_->signals.size();
}

} // namespace rivulet
