// Serves batch requests with the built-in CPU models: reads and checks a request, runs its model on
// a thread of its own, answers as the network's orchestrators do.
// Thread: construct and destroy from outside the shards; serve() on the connection's shard.
// Owns: the threads, and the files that answers point to.
#pragma once

#include "base/log.hpp"
#include "base/off_shard.hpp"
#include "batch/request_reading.hpp"
#include "batch/result_store.hpp"
#include "http/server.hpp"
#include "observe/metrics.hpp"
#include "worker/batch_model.hpp"
#include "worker/capacity_ledger.hpp"
#include "worker/node_offer.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet::worker {

struct desk_options {
    std::vector<std::string> models; // offered ones; names of other kinds are passed over
    std::size_t threads = 1;         // models at work at once; further requests wait for one
    std::string public_url;          // as orchestrator_options
    duration limit = std::chrono::minutes(5); // of one request, from its last byte
    // Larger pictures and sounds, and every video, are fetched by the gateway.
    std::size_t inline_bytes = 1u << 20;
    batch::reading_limits reading;
    batch::result_store_options results;

    desk_options();
};

class batch_desk {
  public:
    static outcome<std::unique_ptr<batch_desk>>
    open(desk_options options, capacity_ledger& places, logger log);
    ~batch_desk(); // stop()s

    // The files of answers. Before it listens.
    void add_routes(http::server& server);

    // Does this pipeline have a model here?
    bool serves(session::capability_id capability) const;
    awaitable<void>
    serve(const batch::pipeline& kind, const http::request& head, http::exchange& peer);

    // Prices are the caller's to fill in.
    std::vector<offered_model> offers() const;

    // The models at work end as soon as they can.
    void stop();

  private:
    struct errand;
    struct parts;

    batch_desk(std::shared_ptr<parts> shared, desk_options options, capacity_ledger& places);

    const batch_model* choose(session::capability_id capability, std::string_view name) const;
    awaitable<void>
    refuse(const batch::pipeline& kind, http::exchange& peer, const failure& why) const;

    std::shared_ptr<parts> parts_; // also the works', which may outlast whoever waits for them
    const desk_options options_;
    capacity_ledger& places_;
    std::vector<const batch_model*> models_;
    blocking_threads reading_, working_;
};

} // namespace rivulet::worker
