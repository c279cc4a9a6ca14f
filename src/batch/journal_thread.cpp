#include "batch/journal_thread.hpp"

#include "base/notifier.hpp"

#include <exception>
#include <pthread.h>

namespace rivulet::batch {

struct journal_thread::task {
    task(work w, asio::any_io_executor e) : what(std::move(w)), executor(e), ended(std::move(e)) {}

    work what;
    asio::any_io_executor executor;
    outcome<void> result; // the journal's thread until it is handed back, then the waiter's
    notifier ended;       // from here on the waiter's
    bool finished = false;
};

journal_thread::journal_thread(std::unique_ptr<job_journal> journal)
    : journal_(std::move(journal)), thread_([this] { loop(); }) {}

journal_thread::~journal_thread() {
    stop();
}

void journal_thread::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    filled_.notify_one();
    if (thread_.joinable())
        thread_.join();
}

bool journal_thread::push(std::shared_ptr<task> added) {
    {
        const std::lock_guard lock(mutex_);
        if (stopped_)
            return false;
        waiting_.push_back(std::move(added));
    }
    filled_.notify_one();
    return true;
}

awaitable<outcome<void>> journal_thread::run(work what) {
    auto asked = std::make_shared<task>(std::move(what), co_await asio::this_coro::executor);
    if (!push(asked))
        co_return failure(errc::closed, "the job journal is closed");
    while (!asked->finished)
        co_await asked->ended.wait();
    co_return std::move(asked->result);
}

void journal_thread::loop() {
    pthread_setname_np(pthread_self(), "job-journal");
    for (;;) {
        task_list batch;
        {
            std::unique_lock lock(mutex_);
            filled_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
            if (waiting_.empty())
                return;
            batch.swap(waiting_);
        }
        do_all(batch);
        for (auto& each : batch) {
            const auto executor = each->executor;
            // The task's last part belongs to the waiter's shard, so it goes there whole.
            asio::post(executor, [done = std::move(each)] {
                done->finished = true;
                done->ended.notify_all();
            });
        }
    }
}

void journal_thread::do_all(const task_list& tasks) {
    if (do_together(tasks) || tasks.size() == 1)
        return;
    // One of them fails; the others must not suffer.
    for (const auto& each : tasks)
        do_together({each});
}

bool journal_thread::do_together(const task_list& tasks) {
    const auto fail = [&](const failure& why) {
        journal_->roll_back();
        for (const auto& each : tasks)
            each->result = why;
        return false;
    };
    if (auto begun = journal_->begin(); !begun)
        return fail(begun.error());
    for (const auto& each : tasks) {
        try {
            each->result = each->what(*journal_);
        } catch (const std::exception& e) {
            each->result = failure(errc::invalid_argument, e.what());
        }
        if (!each->result)
            return fail(failure(each->result.error()));
    }
    if (auto committed = journal_->commit(); !committed)
        return fail(committed.error());
    return true;
}

} // namespace rivulet::batch
