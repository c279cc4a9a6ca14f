// A checked request worked off to what its client gets: asked of an orchestrator, and the answer's
// files made the gateway's own.
// Thread: any shard. Cancelled with its coroutine.
// Fails with: what the dispatcher says; 500 when a file of the answer can't be had or kept, 503
// when there is no memory for it.
#pragma once

#include "batch/dispatcher.hpp"
#include "batch/result_media.hpp"

namespace rivulet::batch {

struct processed {
    boost::json::object body;
    byte_share held; // the room that it takes

    processed() {}
};

// `base` begins the URLs of files; empty: the path alone. The references outlive the call.
awaitable<answer<processed>> process(
    dispatcher& orchestrators,
    result_media& files,
    std::shared_ptr<const request> what,
    std::string request_id,
    std::string base
);

} // namespace rivulet::batch
