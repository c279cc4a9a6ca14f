#include "base/resolve.hpp"

#include "base/notifier.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <mutex>
#include <optional>

namespace rivulet {
namespace {

constexpr std::size_t lookup_threads = 4;
constexpr int most_lookups = 256; // under way or waiting for a thread

std::atomic<int> lookups{0};

asio::thread_pool& lookup_pool() {
    // Never destroyed: a thread stuck in getaddrinfo must not hold up the end of the process.
    static auto& pool = *new asio::thread_pool(lookup_threads);
    return pool;
}

// Shared by the waiter and the lookup thread; either may be gone first.
struct lookup {
    explicit lookup(asio::any_io_executor executor)
        : waiter(executor), done(std::in_place, std::move(executor)) {}

    std::mutex guard;
    std::optional<asio::any_io_executor> waiter; // empty once nobody waits
    std::optional<notifier> done;                // the waiter's shard only; empty like `waiter`
    bool finished = false;
    error_code failed;
    std::vector<tcp::endpoint> found;
};

struct abandon_on_exit {
    std::shared_ptr<lookup> asked;

    explicit abandon_on_exit(std::shared_ptr<lookup> l) : asked(std::move(l)) {}

    ~abandon_on_exit() {
        // Nothing of the waiter's shard may stay with a lookup that outlives it.
        const std::lock_guard lock(asked->guard);
        asked->waiter.reset();
        asked->done.reset();
    }
};

void look_up(const std::shared_ptr<lookup>& asked, const std::string& host, std::uint16_t port) {
    asio::io_context nothing;
    tcp::resolver resolver(nothing);
    error_code failed;
    const auto results = resolver.resolve(host, std::to_string(port), failed);
    lookups.fetch_sub(1);
    const std::lock_guard lock(asked->guard);
    if (!asked->waiter)
        return;
    asked->failed = failed;
    for (const auto& each : results)
        asked->found.push_back(each.endpoint());
    asio::post(*asked->waiter, [asked] {
        asked->finished = true;
        if (asked->done)
            asked->done->notify_all();
    });
}

} // namespace

awaitable<result<std::vector<tcp::endpoint>>>
resolve(std::string host, std::uint16_t port, time_point until) {
    error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address)
        co_return std::vector<tcp::endpoint>{{address, port}};
    if (lookups.fetch_add(1) >= most_lookups) {
        lookups.fetch_sub(1);
        co_return make_error_code(errc::too_many);
    }
    auto asked = std::make_shared<lookup>(co_await asio::this_coro::executor);
    const abandon_on_exit leave(asked);
    asio::post(lookup_pool(), [asked, host, port] { look_up(asked, host, port); });
    while (!asked->finished && steady_clock::now() < until)
        co_await asked->done->wait_until(until);
    if (!asked->finished)
        co_return make_error_code(errc::timed_out);
    if (asked->failed)
        co_return asked->failed;
    co_return std::move(asked->found);
}

} // namespace rivulet
