// The batch API in one object: the routes of every pipeline, OpenAI's names for conversations,
// jobs, results, the list of models, the OpenAPI document and the page to try it.
// Thread: construct, stop and destroy from outside the shards; add_routes() before the server
// listens; handlers run on any shard.
// Owns: dispatcher, result store, job table, blocking threads.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "batch/dispatcher.hpp"
#include "batch/job_table.hpp"
#include "batch/request_reading.hpp"
#include "batch/result_media.hpp"
#include "batch/result_store.hpp"
#include "http/server.hpp"
#include "ingest/access.hpp"

#include <memory>
#include <string>

namespace rivulet::batch {

struct service_options {
    reading_limits reading;
    dispatch_options dispatch;
    result_store_options results;
    result_media_options media;
    job_options jobs;
    http::client_options client; // to orchestrators
    std::string gateway_host; // in result URLs: "host", "host:port" or a URL; empty: the path alone
    bool absolute_urls = false;  // without gateway_host: from the request's Host
    std::size_t running = 256;   // requests worked on at once (-maxConcurrentRequests)
    std::size_t waiting = 1'000; // further ones wait their turn; more get 429
    duration longest_wait = std::chrono::seconds(30);
    // What all requests hold in memory at once: bodies, answers and their files on the way to the
    // result store (-batchMemory). Bodies may fill half of it.
    std::uint64_t memory = 1ull << 30;
    duration heartbeat = std::chrono::seconds(15); // of event streams
    bool done_event = true;                        // "data: [DONE]" ends a good one

    service_options() {}
};

class service {
  public:
    // `check` is asked (control) before a request is read; empty: everybody may. All of the
    // references outlive it.
    static outcome<std::unique_ptr<service>> open(
        shards& threads,
        session::manager& sessions,
        payment::payments& payments,
        observe::metrics& metrics,
        ingest::check_access check,
        service_options options,
        logger log
    );
    ~service(); // stop()s

    void add_routes(http::server& server);
    // Refuses new requests; jobs under way are left to the journal. After the server has stopped.
    void stop();

    struct impl;
    explicit service(std::unique_ptr<impl> parts);

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::batch
