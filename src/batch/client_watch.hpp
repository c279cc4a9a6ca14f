// Work that somebody waits for: it ends when they leave.
// Thread: the connection's shard.
#pragma once

#include "base/notifier.hpp"
#include "http/exchange.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace rivulet::batch {

// Whether the client of one exchange is still there.
class client_watch {
  public:
    // From now on what the client sends is read ahead: it belongs to the next request, or to the
    // body that is not read yet.
    explicit client_watch(http::exchange& peer)
        : peer_(peer), seen_(std::make_shared<sight>(peer.connection().executor())) {
        std::function<void()> left = [seen = seen_] {
            seen->left = true;
            seen->changed.notify_all();
        };
        peer_.reader().watch_peer(std::move(left));
    }

    ~client_watch() { peer_.reader().unwatch_peer(); }

    client_watch(const client_watch&) = delete;
    client_watch& operator=(const client_watch&) = delete;

    // What `work` gives; nothing, and the work is cancelled, when the client leaves before.
    template <class T>
    awaitable<std::optional<T>> run(awaitable<T> work) {
        using namespace asio::experimental::awaitable_operators;
        auto either = co_await (ended(std::move(work)) || leaving(seen_));
        if (either.index() == 1)
            co_return std::nullopt;
        auto& end = std::get<0>(either);
        if (end.thrown)
            std::rethrow_exception(end.thrown);
        co_return std::move(end.made);
    }

  private:
    struct sight {
        explicit sight(asio::any_io_executor executor) : changed(executor) {}

        notifier changed;
        bool left = false;
    };

    template <class T>
    struct work_end {
        std::optional<T> made;
        std::exception_ptr thrown;

        work_end() {} // not an aggregate: see the coroutine traps in CONTRIBUTING
    };

    // `||` goes on waiting for the other side when one throws: work that failed would end only with
    // its client.
    template <class T>
    static awaitable<work_end<T>> ended(awaitable<T> work) {
        work_end<T> end;
        try {
            auto made = co_await std::move(work);
            end.made.emplace(std::move(made));
        } catch (...) {
            end.thrown = std::current_exception();
        }
        co_return std::move(end);
    }

    static awaitable<void> leaving(std::shared_ptr<sight> seen) {
        while (!seen->left)
            co_await seen->changed.wait();
    }

    http::exchange& peer_;
    std::shared_ptr<sight> seen_;
};

} // namespace rivulet::batch
