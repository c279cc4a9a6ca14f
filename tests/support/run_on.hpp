// Runs a coroutine of a test to its end on a given executor; the test's thread waits.
#pragma once

#include "base/asio.hpp"

#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>
#include <stdexcept>

namespace rivulet::test {

// Exceptions of the coroutine come out here; so does a deadline, since a hung test tells nothing.
inline void run_on(
    asio::any_io_executor executor,
    awaitable<void> work,
    std::chrono::seconds limit = std::chrono::seconds(20)
) {
    auto done = asio::co_spawn(executor, std::move(work), asio::use_future);
    if (done.wait_for(limit) != std::future_status::ready)
        throw std::runtime_error("the test did not end in time");
    done.get();
}

inline awaitable<void> sleep_for(duration time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(as_tuple);
}

} // namespace rivulet::test
