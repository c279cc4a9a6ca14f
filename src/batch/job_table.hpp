// Requests that are answered later: accepted with 202, worked off in the background, kept in a
// journal so that a restart finishes them or says why not (spec/batch.md 6.3). Nothing vanishes
// before it expires.
// Thread: any shard; the journal is written off the shards.
// Owns: the SQLite journal and the uploads beside it.
// Fails with: 429 (enough jobs are kept), 400 (an address that can't be told), the journal's
// errors.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "batch/api_error.hpp"
#include "batch/byte_budget.hpp"
#include "batch/job_webhook.hpp"
#include "batch/request.hpp"
#include "http/server.hpp"
#include "ingest/access.hpp"
#include "observe/metrics.hpp"

#include <boost/json/object.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace rivulet::batch {

// Does the work of one request, to the body that its client gets. Cancelled when the job is.
using process_request = std::function<awaitable<answer<boost::json::object>>(
    std::shared_ptr<const request> what, std::string request_id, std::string base
)>;

struct job_options {
    std::filesystem::path folder;           // of the journal and the uploads; empty: memory only
    std::size_t most = 10'000;              // kept at once, the ones that are over among them
    std::size_t running = 8;                // worked on at once; more wait
    duration keep = std::chrono::hours(24); // after the end
    unsigned tries = 3; // a job that was running at so many crashes is not begun again
    std::uint64_t request_bytes = 2ull << 30;  // of requests that aren't over, uploads included
    std::uint64_t result_bytes = 256ull << 20; // of results that are kept
    // Jobs of an earlier process that find nobody to do them are tried again for so long: the
    // network is only being looked for.
    duration settling = std::chrono::seconds(30);
    // A job that finds every orchestrator full goes to the queue's end for so long since it came.
    duration patience = std::chrono::hours(1);
    duration pause_when_full = std::chrono::seconds(2);
    byte_budget_ptr memory; // of all requests; null: nobody counts
    webhook_rules webhooks;

    job_options() {}
};

class job_table {
  public:
    // Reads the journal; what was under way is begun again, so `process` may be called before this
    // returns. Blocks. `metrics` outlives it.
    static outcome<std::shared_ptr<job_table>> open(
        shards& threads,
        job_options options,
        process_request process,
        observe::metrics& metrics,
        logger log
    );
    ~job_table();

    // Once this returns the job survives a crash. `base` begins its result's URLs; `webhook`, if
    // any, is told the end. The id: 32 hex digits.
    awaitable<answer<std::string>>
    accept(std::shared_ptr<const request> what, std::string base, std::string webhook);

    // GET and DELETE /jobs/{id}, POST /image-to-video/result. Before it listens. `check` is asked
    // first (the id alone opens nothing when keys are asked for); empty: everybody may.
    void add_routes(http::server& server, ingest::check_access check);

    std::size_t unfinished() const;
    // Ends what runs; the journal knows that it was under way. Blocks; idempotent. From outside the
    // shards.
    void stop();

    struct impl;
    explicit job_table(std::shared_ptr<impl> parts);

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::batch
