// Makes an orchestrator's answer the gateway's own: data URLs are unpacked, download URLs fetched
// (from the orchestrator's own host only, unless allowed), both are checked and stored, and the
// answer's URLs name the gateway (spec/batch.md 5).
// Thread: any shard. Fails with: http_status, timed_out, too_large, unauthorized (a foreign or
// private host), media_error, no_capacity (no memory); each file is tried twice, all of them at
// once.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/off_shard.hpp"
#include "batch/byte_budget.hpp"
#include "batch/catalog.hpp"
#include "batch/result_store.hpp"
#include "http/client.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string>

namespace rivulet::batch {

struct result_media_options {
    http::client_options client;                // as for orchestrators
    bool foreign_hosts = false;                 // -resultForeignHosts: also other public hosts
    duration limit = std::chrono::seconds(120); // of one file
    // What all requests hold in memory: files are there until they are kept.
    byte_budget_ptr memory = std::make_shared<byte_budget>(1ull << 30);

    result_media_options() {}
};

class result_media {
  public:
    // `threads` decode, check and store; they outlive it.
    result_media(
        std::shared_ptr<result_store> store, blocking_threads& threads, result_media_options options
    );

    // Rewrites `body` in place. `orchestrator`: base URL of who answered. `base`: what the URLs
    // start with ("http://host:8935"), empty for paths alone.
    awaitable<outcome<void>>
    take_in(reply_kind kind, boost::json::object& body, std::string orchestrator, std::string base);

  private:
    std::shared_ptr<result_store> store_;
    blocking_threads& threads_;
    const result_media_options options_;
};

} // namespace rivulet::batch
