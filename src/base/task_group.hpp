// Coroutines that belong to one owner: refuse new ones, cancel all, wait for all, then destroy.
// Thread: the owner's shard only. Exceptions that leave a task are logged here and end that task.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace rivulet {

class task_group {
  public:
    task_group(asio::any_io_executor executor, logger log);
    // Cancels what still runs; tasks that outlive the group must own what they touch.
    ~task_group();
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    // Starts `task`; `name` appears in the log if an exception leaves it. After close() the task is
    // dropped unstarted and false returned.
    bool spawn(std::string name, awaitable<void> task);
    // Refuses new tasks and cancels the running ones. Idempotent.
    void close();
    // Waits until every task has ended or `limit` has passed; true when none is left.
    awaitable<bool> join(duration limit);
    std::size_t running() const;

  private:
    struct state;
    std::shared_ptr<state> state_;
};

} // namespace rivulet
