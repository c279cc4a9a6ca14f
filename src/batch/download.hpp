// Fetches one result from where an orchestrator says it is: no redirects, bounded bytes and time.
// Thread: any shard.
// Fails with: http_status, timed_out, too_large, no_capacity (others hold the memory),
// unauthorized, what the client fails with; the text names the host alone.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "batch/byte_budget.hpp"
#include "batch/result_source.hpp"
#include "http/client.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::batch {

// What several downloads hold in memory together. Thread: one shard.
struct download_room {
    byte_share held;        // of what all requests hold
    std::uint64_t most = 0; // these alone

    download_room(byte_budget_ptr memory, std::uint64_t m) : held(std::move(memory)), most(m) {}
};

// The bytes are taken from `room`; what a failed download took is given back.
awaitable<outcome<std::string>> download(
    http::client_options options,
    result_source from,
    std::uint64_t most,
    std::shared_ptr<download_room> room,
    duration limit
);
// Whether a second try may help.
bool is_worth_another_try(const failure& why);

} // namespace rivulet::batch
