// Delivers the completion webhooks that the journal holds, a few at a time, until each is taken or
// has been tried long enough. What is left at the end of the process is in the journal still.
// Thread: one shard, `home`.
// Owns: its coroutines.
#pragma once

#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "batch/job_webhook.hpp"
#include "batch/journal_thread.hpp"
#include "observe/metrics.hpp"

#include <map>
#include <memory>
#include <string>

namespace rivulet::batch {

class webhook_teller {
  public:
    // `journal` and `metrics` outlive it.
    webhook_teller(
        asio::any_io_executor home,
        journal_thread& journal,
        webhook_rules rules,
        observe::metrics& metrics,
        logger log
    );

    // `tries`: those that were made already.
    void add(std::string id, unsigned tries);
    void close();
    awaitable<bool> join(duration limit);

  private:
    struct entry {
        std::string id;
        unsigned tries = 0;

        entry(std::string i, unsigned t) : id(std::move(i)), tries(t) {}
    };

    class turn;

    awaitable<void> run();
    awaitable<void> tell(entry due, std::unique_ptr<turn> mine);
    awaitable<void> note_done(std::string id);

    journal_thread& journal_;
    const webhook_rules rules_;
    const logger log_;
    const observe::counter taken_, given_up_;
    task_group tasks_;
    notifier changed_;
    std::multimap<time_point, entry> due_;
    std::size_t under_way_ = 0;
    bool running_ = false;
};

} // namespace rivulet::batch
