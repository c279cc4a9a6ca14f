#include "base/deadline.hpp"
#include "base/off_shard.hpp"

#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>

namespace rivulet {
namespace {

// Runs it on this thread, which plays the shard, until it has ended.
void run_here(asio::io_context& shard, awaitable<void> work) {
    std::exception_ptr thrown;
    asio::co_spawn(shard, std::move(work), [&](std::exception_ptr e) { thrown = e; });
    shard.run();
    if (thrown)
        std::rethrow_exception(thrown);
}

awaitable<void> ask(blocking_threads& threads, std::string& answer, std::thread::id& worked_on) {
    const auto here = std::this_thread::get_id();
    auto work = [&worked_on, question = std::string("six times seven")] {
        worked_on = std::this_thread::get_id();
        return question + " is 42";
    };
    answer = co_await threads.run(std::move(work));
    EXPECT_EQ(std::this_thread::get_id(), here);
}

TEST(off_shard, works_elsewhere_and_answers_here) {
    asio::io_context shard;
    blocking_threads threads(1);
    std::string answer;
    std::thread::id worked_on;
    run_here(shard, ask(threads, answer, worked_on));
    EXPECT_EQ(answer, "six times seven is 42");
    EXPECT_NE(worked_on, std::this_thread::get_id());
}

awaitable<void> ask_in_vain(blocking_threads& threads) {
    auto work = []() -> int { throw std::runtime_error("no disk"); };
    co_await threads.run(std::move(work));
}

TEST(off_shard, what_the_work_throws_comes_out_here) {
    asio::io_context shard;
    blocking_threads threads(1);
    EXPECT_THROW(run_here(shard, ask_in_vain(threads)), std::runtime_error);
}

struct slow_work {
    std::shared_future<void> go;
    std::shared_ptr<int> token;

    slow_work(std::shared_future<void> g, std::shared_ptr<int> t)
        : go(std::move(g)), token(std::move(t)) {}

    std::unique_ptr<int> operator()() const {
        go.wait();
        return std::make_unique<int>(*token);
    }
};

awaitable<result<int>> wait_for(blocking_threads& threads, slow_work work) {
    auto made = co_await threads.run(std::move(work));
    co_return *made;
}

awaitable<void> give_up(blocking_threads& threads, slow_work work, error_code& seen) {
    auto asked = wait_for(threads, std::move(work));
    auto got = co_await with_deadline(std::move(asked), std::chrono::milliseconds(1));
    seen = got.error();
}

TEST(off_shard, a_waiter_may_leave_and_the_work_ends) {
    std::promise<void> go;
    auto token = std::make_shared<int>(7);
    const std::weak_ptr<int> held = token;
    {
        blocking_threads threads(1);
        error_code seen;
        {
            asio::io_context shard;
            slow_work work(go.get_future().share(), std::move(token));
            run_here(shard, give_up(threads, std::move(work), seen));
        }
        EXPECT_EQ(seen, errc::timed_out);
        EXPECT_FALSE(held.expired()) << "it is at work, though nobody waits and the shard is gone";
        go.set_value();
    }
    EXPECT_TRUE(held.expired());
}

awaitable<void> wait_and_forget(blocking_threads& threads, slow_work work) {
    co_await wait_for(threads, std::move(work));
}

TEST(off_shard, a_shard_may_end_with_a_waiter_on_it) {
    std::promise<void> go;
    blocking_threads threads(1);
    {
        asio::io_context shard;
        slow_work work(go.get_future().share(), std::make_shared<int>(7));
        asio::co_spawn(shard, wait_and_forget(threads, std::move(work)), asio::detached);
        shard.poll();
    }
    go.set_value();
}

TEST(off_shard, calls_do_not_wait_for_one_another) {
    asio::io_context shard;
    blocking_threads threads(2);
    std::promise<void> go, second;
    auto first_ends_last = [](blocking_threads& on, slow_work work) -> awaitable<void> {
        co_await wait_for(on, std::move(work));
    };
    slow_work waits(go.get_future().share(), std::make_shared<int>(1));
    asio::co_spawn(shard, first_ends_last(threads, std::move(waits)), asio::detached);
    second.set_value();
    slow_work quick(second.get_future().share(), std::make_shared<int>(2));
    auto release = [](blocking_threads& on, slow_work work, std::promise<void>& to
                   ) -> awaitable<void> {
        co_await wait_for(on, std::move(work));
        to.set_value();
    };
    run_here(shard, release(threads, std::move(quick), go));
}

} // namespace
} // namespace rivulet
