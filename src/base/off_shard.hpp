// Work that may block (disk, libav probes) on threads of its own, awaited from a shard.
// Thread: run() from a shard's coroutine; the work runs on one of the blocking threads.
// Owns: the threads. Work that was begun always ends, even when nobody waits for it any more.
#pragma once

#include "base/asio.hpp"
#include "base/notifier.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace rivulet {

class blocking_threads {
  public:
    explicit blocking_threads(std::size_t count) : pool_(count) {}

    ~blocking_threads() { pool_.join(); }

    // What `work()` returns (not void), on the caller's executor; what it throws comes out here. It
    // owns all that it touches: the waiter may be gone. Name a lambda before and std::move it: as a
    // temporary beside co_await g++ 12 destroys it twice.
    template <class Work>
    awaitable<std::invoke_result_t<Work>> run(Work work);

  private:
    // The waiter's half of a call; either side may be gone first.
    class waiting {
      public:
        explicit waiting(asio::any_io_executor executor)
            : waiter_(executor), done_(std::in_place, std::move(executor)) {}

        // On the waiter's executor, until the work has ended.
        awaitable<void> ended() {
            while (!ended_)
                co_await done_->wait();
        }

        // Nothing of the waiter's shard may stay with work that outlives it.
        void abandon() {
            const std::lock_guard lock(guard_);
            waiter_.reset();
            done_.reset();
        }

      protected:
        // On the blocking thread. `self` owns this.
        static void wake(std::shared_ptr<waiting> self) {
            auto& all = *self;
            const std::lock_guard lock(all.guard_);
            if (!all.waiter_)
                return;
            asio::post(*all.waiter_, [self = std::move(self)] {
                self->ended_ = true;
                if (self->done_)
                    self->done_->notify_all();
            });
        }

      private:
        std::mutex guard_;
        std::optional<asio::any_io_executor> waiter_; // empty once nobody waits
        std::optional<notifier> done_;                // the waiter's shard only; empty like waiter_
        bool ended_ = false;                          // the waiter's shard only
    };

    template <class Work>
    class call : public waiting {
      public:
        call(asio::any_io_executor executor, Work work)
            : waiting(std::move(executor)), work_(std::move(work)) {}

        static void perform(std::shared_ptr<call> self) {
            try {
                self->made_.emplace((*self->work_)());
            } catch (...) {
                self->thrown_ = std::current_exception();
            }
            self->work_.reset(); // what it holds may be large, and the waiter slow
            wake(std::move(self));
        }

        std::invoke_result_t<Work> take() {
            if (thrown_)
                std::rethrow_exception(thrown_);
            return std::move(*made_);
        }

      private:
        std::optional<Work> work_;
        std::optional<std::invoke_result_t<Work>> made_;
        std::exception_ptr thrown_;
    };

    struct abandon_on_exit {
        std::shared_ptr<waiting> made;

        explicit abandon_on_exit(std::shared_ptr<waiting> w) : made(std::move(w)) {}

        ~abandon_on_exit() { made->abandon(); }
    };

    asio::thread_pool pool_;
};

template <class Work>
awaitable<std::invoke_result_t<Work>> blocking_threads::run(Work work) {
    auto executor = co_await asio::this_coro::executor;
    auto made = std::make_shared<call<Work>>(std::move(executor), std::move(work));
    const abandon_on_exit leave(made);
    asio::post(pool_, [made]() mutable { call<Work>::perform(std::move(made)); });
    co_await made->ended();
    co_return made->take();
}

} // namespace rivulet
