// The thread that the job journal belongs to. What is asked for while it waits for the disk is
// written together, in one transaction.
// Thread: run() from a coroutine of any shard; stop() from outside the shards.
// Owns: the journal and its thread.
// Fails with: closed after stop(), and what the journal fails with.
#pragma once

#include "base/asio.hpp"
#include "batch/job_journal.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace rivulet::batch {

class journal_thread {
  public:
    explicit journal_thread(std::unique_ptr<job_journal> journal);
    ~journal_thread();
    journal_thread(const journal_thread&) = delete;
    journal_thread& operator=(const journal_thread&) = delete;

    // It owns what it touches: the waiter may be gone. It may be called again, when a transaction
    // that it shared with others has failed.
    using work = std::function<outcome<void>(job_journal&)>;
    // Returns once it is on the disk.
    awaitable<outcome<void>> run(work what);
    // Does what was asked for, then ends. Idempotent.
    void stop();

  private:
    struct task;
    using task_list = std::vector<std::shared_ptr<task>>;

    void loop();
    void do_all(const task_list& tasks);
    bool do_together(const task_list& tasks);
    bool push(std::shared_ptr<task> added);

    const std::unique_ptr<job_journal> journal_;
    std::mutex mutex_;
    std::condition_variable filled_;
    task_list waiting_;
    bool stopped_ = false;
    std::thread thread_;
};

} // namespace rivulet::batch
