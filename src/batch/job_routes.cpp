#include "batch/job_routes.hpp"

#include <boost/json/parse.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <ctime>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

bool same_word(std::string_view a, std::string_view lower) {
    return a.size() == lower.size() &&
           std::equal(a.begin(), a.end(), lower.begin(), [](char left, char right) {
               return (left >= 'A' && left <= 'Z' ? left - 'A' + 'a' : left) == right;
           });
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

// Up to `mark` outside of quotes; takes it and the mark off `rest`.
std::string_view next_part(std::string_view& rest, char mark) {
    bool quoted = false;
    std::size_t at = 0;
    for (; at < rest.size(); ++at) {
        if (quoted && rest[at] == '\\')
            ++at;
        else if (at < rest.size() && rest[at] == '"')
            quoted = !quoted;
        else if (!quoted && rest[at] == mark)
            break;
    }
    const auto part = rest.substr(0, std::min(at, rest.size()));
    rest.remove_prefix(std::min(at + 1, rest.size()));
    return part;
}

json::object to_progress(const job_view& job) {
    json::object known;
    if (job.row.state == job_state::queued)
        known["ahead"] = job.ahead;
    if (job.row.state == job_state::running)
        known["seconds"] = static_cast<std::int64_t>(job.seconds);
    known["attempts"] = job.row.attempts;
    return known;
}

// What was kept was written by this program, but a disk may have changed it.
json::object kept_object(const std::string& text) {
    error_code failed;
    auto value = json::parse(text, failed);
    return failed || !value.is_object() ? json::object() : std::move(value.as_object());
}

// The error alone, out of the whole body that a waiting client would have got.
json::value error_of(const std::string& body) {
    auto kept = kept_object(body);
    auto* error = kept.if_contains("error");
    return error ? std::move(*error) : json::object{{"message", "the reason is not known"}};
}

std::string retry_after(const job_view& job) {
    if (job.row.state == job_state::queued)
        return job.ahead < 10 ? "2" : "10";
    return job.seconds < 10 ? "1" : job.seconds < 60 ? "2" : "5";
}

http::response
plain_reply(json::object body, const job_view& job, http::status status = http::status::ok) {
    auto made = http::json_response(std::move(body), status);
    made.headers.emplace_back("X-Request-Id", request_id_of(job.row.id));
    made.headers.emplace_back("Cache-Control", "no-store");
    if (!is_over(job.row.state))
        made.headers.emplace_back("Retry-After", retry_after(job));
    return made;
}

} // namespace

bool asks_async(std::string_view prefer) {
    while (!prefer.empty()) {
        auto preference = next_part(prefer, ',');
        if (same_word(trimmed(next_part(preference, ';')), "respond-async"))
            return true;
    }
    return false;
}

bool asks_async(const http::beast_http::request_header<>& header) {
    const auto [begin, end] = header.equal_range("Prefer");
    return std::any_of(begin, end, [](const auto& each) {
        const auto value = each.value();
        return asks_async(std::string_view(value.data(), value.size()));
    });
}

std::string request_id_of(std::string_view job_id) {
    return std::string(job_id.substr(0, 8));
}

http::response accepted_reply(const std::string& id, std::string_view base) {
    json::object body{{"id", id}, {"request_id", id}, {"status", "queued"}};
    auto made = http::json_response(std::move(body), http::status::accepted);
    made.headers.emplace_back("Location", fmt::format("{}/jobs/{}", base, id));
    made.headers.emplace_back("Preference-Applied", "respond-async");
    made.headers.emplace_back("Retry-After", "1");
    return made;
}

json::object to_json(const job_view& job) {
    const auto& row = job.row;
    json::object body{
        {"id", row.id},
        {"status", to_string(row.state)},
        {"pipeline", row.pipeline},
        {"model", row.model},
        {"created_at", utc_text(row.created)},
        {"updated_at", utc_text(row.updated)},
        {"progress", to_progress(job)}};
    if (row.state == job_state::done)
        body["result"] = kept_object(row.body);
    else if (is_over(row.state))
        body["error"] = error_of(row.body);
    return body;
}

http::response job_reply(const job_view& job) {
    return plain_reply(to_json(job), job);
}

http::response result_reply(const std::optional<job_view>& job) {
    if (!job || job->row.pipeline != "image-to-video")
        return to_response({http::status::bad_request, "invalid request ID"}, "");
    if (!is_over(job->row.state))
        return plain_reply({{"status", "processing"}}, *job, http::status::accepted);
    json::object result;
    if (job->row.state == job_state::done)
        result = kept_object(job->row.body);
    else
        result["error"] = error_of(job->row.body);
    return plain_reply({{"result", std::move(result)}, {"status", "complete"}}, *job);
}

http::response no_such_job() {
    return to_response(
        {http::status::not_found,
         "there is no such job; one that is over is forgotten after a while"},
        ""
    );
}

answer<std::string> parse_result_request(std::string_view body) {
    json::parse_options options;
    options.max_depth = 8;
    error_code failed;
    const auto value = json::parse(body, failed, {}, options);
    if (failed || !value.is_object())
        return api_error(
            http::status::bad_request,
            "the body is no JSON object: {\"request_id\":\"…\"} is asked for"
        );
    const auto* id = value.as_object().if_contains("request_id");
    if (!id || !id->is_string()) {
        api_error why(http::status::bad_request, "request_id: a text is asked for");
        why.field = "request_id";
        return why;
    }
    return std::string(id->as_string());
}

std::string utc_text(std::int64_t milliseconds) {
    std::int64_t seconds = milliseconds / 1000, rest = milliseconds % 1000;
    if (rest < 0) {
        rest += 1000;
        --seconds;
    }
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    if (!gmtime_r(&time, &parts))
        return {};
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        parts.tm_year + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        rest
    );
}

} // namespace rivulet::batch
