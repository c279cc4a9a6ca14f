// Runs a coroutine that waits for nothing outside itself to its end, on the test's own thread.
#pragma once

#include "base/asio.hpp"

#include <optional>
#include <stdexcept>
#include <utility>

namespace rivulet::test {

template <class T>
T run_inline(awaitable<T> work) {
    asio::io_context context;
    std::optional<T> out;
    std::exception_ptr thrown;
    auto keep = [&](std::exception_ptr failure, T value) {
        thrown = failure;
        out.emplace(std::move(value));
    };
    asio::co_spawn(context, std::move(work), std::move(keep));
    context.run_for(std::chrono::seconds(20));
    if (thrown)
        std::rethrow_exception(thrown);
    if (!out)
        throw std::runtime_error("the coroutine did not end in time");
    return std::move(*out);
}

} // namespace rivulet::test
