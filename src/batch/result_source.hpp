// Where a result's URL leads, and whether the gateway goes there: only to the host that answered,
// unless the operator allows more (spec/batch.md 5.10). Pure.
// Fails with: unauthorized, invalid_argument; the text names the host, never the whole URL (it may
// carry a key).
#pragma once

#include "base/error.hpp"
#include "http/client_url.hpp"

#include <string_view>

namespace rivulet::batch {

struct result_source {
    http::http_url url;
    bool own = false;         // the orchestrator's host
    bool public_only = false; // its name may only lead to public addresses
};

// `text` as the answer has it, perhaps relative to `orchestrator`.
outcome<result_source>
find_source(std::string_view text, const http::http_url& orchestrator, bool foreign_hosts);

} // namespace rivulet::batch
