// A failure of the batch API as its client gets it: one JSON body that satisfies both readers of
// the network, {"error":{"message",…},"detail":{"msg"}} (spec/batch.md 7), with the request's id.
// Pure.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "http/message.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::batch {

struct api_error {
    http::status status = http::status::internal_server_error;
    std::string message;      // names the cause and, where there is one, the cure
    std::string field;        // the one at fault; empty: none
    std::string type;         // of 422: the runner's word for it
    boost::json::array tried; // {"orchestrator","kind","status","text"}: who was asked, and why not
    std::optional<duration> retry_after;
    std::string allow;        // of 405
    bool answer_lost = false; // an orchestrator had done the work, and was paid

    api_error() {}

    api_error(http::status s, std::string m) : status(s), message(std::move(m)) {}
};

[[noreturn]] void throw_exception_from_error(const api_error&, const boost::source_location&);

template <class T>
using answer = boost::system::result<T, api_error>;

// Others hold what all requests may hold together; it is not the orchestrators that are full.
inline constexpr std::string_view gateway_full = "gateway_full"; // its type
api_error memory_is_full();
api_error disk_is_full();

// The body alone: also of a job that failed, and of an event stream's error event.
boost::json::object to_json(const api_error& why, std::string_view request_id);
// With Retry-After, Allow, WWW-Authenticate and X-Request-Id as they apply.
http::response to_response(const api_error& why, std::string_view request_id);

} // namespace rivulet::batch
