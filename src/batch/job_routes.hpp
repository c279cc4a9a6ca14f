// The asynchronous jobs as their clients see them: who asks for one, what is answered at once, what
// GET /jobs/{id} and the network's /image-to-video/result show (spec/batch.md 6.3). Pure.
#pragma once

#include "batch/api_error.hpp"
#include "batch/job_journal.hpp"
#include "http/message.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::batch {

// "Prefer: respond-async" among whatever else the client prefers, in any case, in any of several
// such headers (RFC 7240).
bool asks_async(const http::beast_http::request_header<>& header);
bool asks_async(std::string_view prefer);

// The header of a request that names where the end of its job is told.
inline constexpr std::string_view webhook_header = "Rivulet-Webhook";

// By which a job's work is found in the log: the id's beginning.
std::string request_id_of(std::string_view job_id);

// 202 for a job that was accepted: {"id","request_id","status"}, Location, Preference-Applied.
// `base` as in job_table::accept().
http::response accepted_reply(const std::string& id, std::string_view base);

// What is known of a job at the moment.
struct job_view {
    job_row row;
    std::size_t ahead = 0; // while queued: jobs that go first
    double seconds = 0;    // while running: since this attempt began

    job_view() {}
};

// {"id","status","pipeline","model","created_at","updated_at","progress","result"|"error"}.
boost::json::object to_json(const job_view& job);
http::response job_reply(const job_view& job);
// Of /image-to-video/result; without a job: 400.
http::response result_reply(const std::optional<job_view>& job);
http::response no_such_job();
// The id that a body of /image-to-video/result names.
answer<std::string> parse_result_request(std::string_view body);

// "2026-05-01T12:00:00.250Z" of milliseconds since 1970.
std::string utc_text(std::int64_t milliseconds);

} // namespace rivulet::batch
