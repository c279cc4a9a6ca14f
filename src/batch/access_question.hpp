// Whether a request of the batch API may go on: the gate's answer, as that API words a refusal.
// Thread: any shard.
#pragma once

#include "base/asio.hpp"
#include "batch/api_error.hpp"
#include "http/message.hpp"
#include "ingest/access.hpp"

#include <optional>

namespace rivulet::batch {

// Absent when it may. Without `check` everybody may. Both outlive the call.
awaitable<std::optional<api_error>>
ask_access(const ingest::check_access& check, const http::request& head);

} // namespace rivulet::batch
