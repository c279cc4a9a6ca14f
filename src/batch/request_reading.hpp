// Reads the body of a batch request off its connection: JSON into memory, a form's file into a
// spool, both bounded and with a deadline for progress. Checking it (batch/request.hpp) and looking
// at the file is a second step: it costs processor time, reading costs patience.
// Thread: the connection's shard; disk and libav work is done off it.
// Fails with: the api_error's status says what to reply; 408 when the body came too slowly, 503
// when others hold the memory or the disk, 413 when it would not even do if there were no others.
#pragma once

#include "base/asio.hpp"
#include "base/off_shard.hpp"
#include "batch/byte_budget.hpp"
#include "batch/drip_watch.hpp"
#include "batch/media_probe.hpp"
#include "batch/request.hpp"
#include "http/exchange.hpp"

#include <memory>

namespace rivulet::batch {

struct reading_limits {
    std::size_t json_bytes = 10u << 20;
    std::uint64_t form_bytes = 100ull << 20;
    std::size_t value_bytes = 1u << 20; // of one text value of a form
    std::size_t parts = 100;            // of a form
    drip_limits pace;
    std::filesystem::path spool_folder;
    // What all bodies may fill together; null: nobody counts. A part of the memory is left to the
    // answers of requests that are worked on: they could not end without.
    byte_budget_ptr memory, disk;
    std::uint64_t spare_memory = 0;
    probe_limits media;
    request_rules rules;

    reading_limits() {}
};

// The status of a client that left: there is nobody to reply to.
inline constexpr auto client_left = static_cast<http::status>(499);

// A longer text is parsed off the shard: others wait there.
inline constexpr std::size_t quickly_parsed = 256 * 1024;

// A body as it came; nobody has looked at it.
struct raw_body {
    std::string text;   // JSON
    form_values values; // a form
    std::optional<upload> file;
    std::shared_ptr<holding> held;

    raw_body() {}
};

// These answer 100-continue when the client waits for it.
awaitable<answer<raw_body>> read_body(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
);
// JSON, of json_bytes at most.
awaitable<answer<raw_body>> read_json_body(http::exchange& peer, const reading_limits& limits);
// The same without accounts.
awaitable<answer<std::string>> read_json_text(http::exchange& peer, const reading_limits& limits);

// `body` is used up.
awaitable<answer<std::shared_ptr<request>>> check_body(
    const pipeline& kind, raw_body body, const reading_limits& limits, blocking_threads& threads
);
// Both steps.
awaitable<answer<std::shared_ptr<request>>> read_request(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
);

} // namespace rivulet::batch
