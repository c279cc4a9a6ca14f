// How failures of batch requests are told to gateways: plain text, from which they read whose fault
// it was (spec/batch.md 4.1, 7).
// Pure.
#pragma once

#include "base/error.hpp"
#include "http/message.hpp"

#include <string>
#include <string_view>

namespace rivulet::worker {

// A failure as the network's orchestrators answer it: text and a line end.
http::response plain_failure(http::status status, std::string text);

// "text-to-image container returned 400: …", with that status: what the request's sender did wrong
// is not taken for this node's fault. Other statuses become 500 or, of 503, "insufficient
// capacity".
http::response runner_failure(std::string_view pipeline, unsigned status, std::string_view text);

// A model's failure in the same words.
http::response model_failure(std::string_view pipeline, const failure& why);

} // namespace rivulet::worker
