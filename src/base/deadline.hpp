// The one spelling of "this, but at most so long".
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <utility>

namespace rivulet {

inline awaitable<void> expire_after(duration limit) {
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    co_await timer.async_wait(as_tuple);
}

// Runs `work` for at most `limit`; then it is cancelled and errc::timed_out comes back.
template <class T>
awaitable<result<T>> with_deadline(awaitable<result<T>> work, duration limit) {
    using namespace asio::experimental::awaitable_operators;
    auto either = co_await (std::move(work) || expire_after(limit));
    if (either.index() == 1)
        co_return make_error_code(errc::timed_out);
    co_return std::move(std::get<0>(either));
}

} // namespace rivulet
