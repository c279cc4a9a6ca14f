// Reads the body of a batch request off its connection: JSON into memory, a form's file into a
// spool, both bounded and with a deadline for progress; then checks it (batch/request.hpp) and
// looks at the file.
// Thread: the connection's shard; disk and libav work is done off it.
#pragma once

#include "base/asio.hpp"
#include "base/off_shard.hpp"
#include "batch/media_probe.hpp"
#include "batch/request.hpp"
#include "http/exchange.hpp"

#include <memory>

namespace rivulet::batch {

struct reading_limits {
    std::size_t json_bytes = 10u << 20;
    std::uint64_t form_bytes = 100ull << 20;
    std::size_t value_bytes = 1u << 20;          // of one text value of a form
    std::size_t parts = 100;                     // of a form
    duration silence = std::chrono::seconds(30); // without a byte
    // A body must come at this rate, measured over `silence`: a drip is no progress.
    std::size_t bytes_per_second = 1'000;
    std::filesystem::path spool_folder;
    probe_limits media;
    request_rules rules;

    reading_limits() {}
};

// The status of a client that left: there is nobody to reply to.
inline constexpr auto client_left = static_cast<http::status>(499);

// Both answer 100-continue when the client waits for it. The api_error's status says what to reply;
// 408 when the body came too slowly.

// The body alone, of json_bytes at most.
awaitable<answer<std::string>> read_json_text(http::exchange& peer, const reading_limits& limits);

awaitable<answer<std::shared_ptr<request>>> read_request(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
);

} // namespace rivulet::batch
