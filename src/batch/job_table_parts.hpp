// The job table's state and steps. Private to src/batch.
// Thread: construct outside the shards; everything else on the home shard.
#pragma once

#include "base/notifier.hpp"
#include "base/off_shard.hpp"
#include "base/task_group.hpp"
#include "batch/job_routes.hpp"
#include "batch/job_table.hpp"
#include "batch/job_uploads.hpp"
#include "batch/journal_thread.hpp"
#include "batch/webhook_teller.hpp"

#include <atomic>
#include <deque>
#include <unordered_map>

namespace rivulet::batch {

// A job that isn't over, or whose end isn't on the disk yet.
struct job {
    job(asio::any_io_executor executor, job_row r) : row(std::move(r)), changed(executor) {}

    job_row row;                         // without its record
    std::shared_ptr<const request> what; // null: in the journal only
    std::uint64_t bytes = 0;             // of its request
    std::uint64_t number = 0;            // in the order of acceptance
    bool recovered = false;              // of an earlier process
    std::uint64_t memory = 0;            // of it, when it stays in memory until the end
    unsigned lost_answers = 0;           // for which there was no memory
    time_point begun;
    notifier changed; // it was cancelled, or everything ends

    bool over() const { return is_over(row.state); }
};

using job_ptr = std::shared_ptr<job>;

struct job_table::impl {
    using self_ptr = std::shared_ptr<impl>;

    impl(
        shards& threads,
        job_options options,
        process_request process,
        std::unique_ptr<job_journal> journal,
        observe::metrics& metrics,
        logger log
    );

    // Takes over what an earlier process left. Before the first coroutine.
    void recover(const std::vector<job_row>& rows, const journal_totals& totals);
    void start(self_ptr self, std::vector<pending_webhook> untold);

    // The coroutines own the table.
    // --- for clients
    static awaitable<answer<std::string>>
    accept(self_ptr self, std::shared_ptr<const request> what, std::string base, std::string hook);
    static awaitable<std::optional<job_view>> look(self_ptr self, std::string id);
    // 404 or 409 when there is nothing to cancel.
    static awaitable<answer<job_view>> cancel(self_ptr self, std::string id);

    // --- the work
    static void pump(const self_ptr& self);
    static awaitable<void> run(self_ptr self, job_ptr now);
    static awaitable<outcome<std::shared_ptr<const request>>> load(self_ptr self, job_ptr now);
    static awaitable<answer<boost::json::object>>
    work_off(self_ptr self, job_ptr now, std::shared_ptr<const request> what);
    // Back into the queue, after a pause.
    static awaitable<void> wait_for_capacity(self_ptr self, job_ptr now);
    // Its end, which is the job's state from here on; returns once it is on the disk.
    static awaitable<void> settle(self_ptr self, job_ptr now, job_state state, std::string body);
    // `row` and `what` outlive the call.
    static awaitable<outcome<void>> write(self_ptr self, const job_row& row, const request& what);
    static awaitable<void> remove_upload(self_ptr self, std::string id);
    static awaitable<void> forget_expired(self_ptr self);
    static awaitable<void> wind_down(self_ptr self);

    std::optional<api_error> refusal(const job& of) const;
    job_view view_of(const job& of) const;
    void count();

    asio::any_io_executor home() { return shards_.at(home_shard).get_executor(); }

    shards& shards_;
    const std::size_t home_shard;
    const job_options options;
    const process_request process;
    const logger log;
    observe::metrics& metrics;
    const std::shared_ptr<const job_uploads> uploads;
    const time_point settled_by;

    std::unordered_map<std::string, job_ptr> unfinished;
    std::deque<job_ptr> queue;
    std::uint64_t last_number = 0;
    std::size_t running = 0, arriving = 0;
    std::uint64_t request_bytes = 0, request_memory = 0;
    journal_totals kept;
    bool stopping = false;
    std::atomic<std::size_t> unfinished_count{0};
    std::atomic<bool> stopped{false};

    const observe::gauge queued_jobs, running_jobs;
    const observe::counters ended_jobs;

    task_group works, chores;
    blocking_threads files;
    journal_thread journal;
    webhook_teller teller;
};

// Milliseconds since 1970.
std::int64_t time_now();

} // namespace rivulet::batch
