// The built-in orchestrator: takes live jobs over HTTP, gives each one its four trickle channels
// and runs one of the built-in models on them (passthrough, noop, avfilter); serves batch requests
// with CPU models or hands them to runners. Routes: POST /live-video-to-video and the batch
// pipelines, GET /health, /status, /capabilities, /version, /stream/{id}/{name}. Thread: construct,
// stop and destroy from outside the shards; handlers run on the shards. Owns: the jobs and their
// threads. The channel table and the HTTP server belong to the caller.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/server.hpp"
#include "session/price_caps.hpp"
#include "trickle/channel_table.hpp"
#include "worker/node_offer.hpp"
#include "worker/session_token.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::worker {

struct orchestrator_options {
    std::size_t capacity = 0;             // transcoding jobs at once; 0 means one per core
    std::size_t passthrough_jobs = 4'000; // these only move references, see capacity_ledger
    std::size_t batch_requests = 0;       // taken at once, most of them waiting; 0 means 8 per core
    // Built-in ones that are offered, of model_names() and batch_models(); empty means all of them,
    // or none with `runners`.
    std::vector<std::string> models;
    // External runners to stand in front of: ai-runner, pytrickle, ComfyStream.
    std::vector<std::string> runners;       // "http://127.0.0.1:8000"
    std::vector<std::string> runner_models; // names for gateways; empty: what each one says
    std::string runner_kind = "auto";       // or "ai-runner", "pytrickle": asked for, or given
    std::string runner_token;               // bearer
    std::string runner_callback;            // how runners reach this node, if not by its own URL
    // What the URLs of a reply start with ("http://10.0.0.7:8936"). Empty: the request's Host
    // header, and a bare path when there is none.
    std::string public_url;
    std::string trickle_path = "/ai/trickle/"; // where the channel table is served
    duration status_interval = std::chrono::seconds(10);
    // Jobs must show a living token of this node's discovery (the header Livepeer-Segment).
    bool check_tokens = false;
    std::string version = RIVULET_VERSION; // what discovery says
    std::vector<std::string> nodes;        // siblings that discovery names
    std::shared_ptr<const session::price_caps>
        prices; // read as what this node asks for; may be null
    duration input_timeout = std::chrono::seconds(60);   // a job without input for so long ends
    std::size_t width_limit = 4096, height_limit = 2160; // or on its side
};

// Every built-in live model.
const std::vector<std::string>& model_names();

class orchestrator {
  public:
    // Registers its routes on `server`, which must not listen yet.
    orchestrator(
        shards& shards,
        http::server& server,
        trickle::channel_table& channels,
        orchestrator_options options,
        logger log
    );
    ~orchestrator();
    orchestrator(const orchestrator&) = delete;
    orchestrator& operator=(const orchestrator&) = delete;

    // Fails with invalid_argument when an option can't be used; the node must not start then.
    const std::optional<failure>& fault() const;
    // Jobs for external runners are taken from now on; `own_url` is how they reach this node if the
    // options do not say otherwise.
    void begin(const std::string& own_url);

    // Refuses new jobs and ends the running ones (their channels close). Blocks for at most about
    // `limit` and five seconds; a thread that is inside a picture even then is left behind.
    // Idempotent; the destructor calls it.
    void stop(duration limit);

    // What discovery says now; `url` is the caller's to fill in. Any thread.
    node_offer offer() const;
    std::shared_ptr<const token_mint> tokens() const;

    // Jobs that have not ended yet. Any thread.
    std::size_t jobs() const;

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::worker
