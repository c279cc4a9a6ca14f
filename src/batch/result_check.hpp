// A result's bytes seen to be what its pipeline promises, whatever they were declared to be; then
// kept as they came.
// Thread: any but a shard. Fails with: media_error, the store's codes.
#pragma once

#include "batch/catalog.hpp"
#include "batch/media_format.hpp"
#include "batch/result_store.hpp"

#include <string>

namespace rivulet::batch {

// The extension that its content asks for.
outcome<std::string> check_result(reply_kind kind, const std::string& bytes);
// Checked and stored: the path under which it is served.
outcome<std::string> keep_result(result_store& store, reply_kind kind, std::string bytes);

} // namespace rivulet::batch
