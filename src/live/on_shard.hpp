// Runs a function on another shard and brings its value back to the caller's.
#pragma once

#include "base/asio.hpp"

#include <boost/asio/io_context.hpp>

#include <type_traits>
#include <utility>

namespace rivulet::live {

template <class Work>
awaitable<std::invoke_result_t<Work>> call(Work work) {
    co_return work();
}

// Name the function before the call: see the coroutine traps in CONTRIBUTING.
template <class Work>
awaitable<std::invoke_result_t<Work>> on_shard(asio::io_context& home, Work work) {
    auto task = call(std::move(work));
    co_return co_await asio::co_spawn(home.get_executor(), std::move(task), asio::use_awaitable);
}

} // namespace rivulet::live
