#include "base/on_every_shard.hpp"

#include <boost/asio/co_spawn.hpp>

#include <future>

namespace rivulet {

void on_every_shard(shards& threads, duration limit, shard_work work) {
    // A coroutine made of a lambda looks into the lambda: it has to live as long.
    const auto kept = std::make_shared<shard_work>(std::move(work));
    std::vector<std::future<void>> waits;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        if (threads.at(i).stopped())
            continue;
        const auto done = std::make_shared<std::promise<void>>();
        waits.push_back(done->get_future());
        auto part = (*kept)(i);
        asio::co_spawn(threads.at(i), std::move(part), [done, kept](std::exception_ptr) {
            done->set_value();
        });
    }
    const auto until = steady_clock::now() + limit;
    for (auto& wait : waits)
        wait.wait_until(until);
}

} // namespace rivulet
