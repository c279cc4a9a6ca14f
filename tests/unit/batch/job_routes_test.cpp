#include "batch/job_routes.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

namespace json = boost::json;

std::string header_of(const http::response& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers)
        if (key == name)
            return value;
    return {};
}

job_view video(job_state state, std::string body = {}) {
    job_view made;
    made.row.id = "0123456789abcdef0123456789abcdef";
    made.row.pipeline = "image-to-video";
    made.row.model = "some/model";
    made.row.state = state;
    made.row.created = 1'777'636'800'250;
    made.row.updated = 1'777'636'801'000;
    made.row.body = std::move(body);
    return made;
}

json::object body_of(const http::response& reply) {
    return json::parse(reply.body).as_object();
}

TEST(asks_async, finds_the_token_among_others_in_any_case) {
    for (const auto* text :
         {"respond-async",
          "Respond-Async",
          "wait=10, respond-async",
          "respond-async;x=1, wait=10",
          " handling=lenient ,\trespond-async ",
          "a=\"x,y\", respond-async",
          "a=\"\\\"\", respond-async"})
        EXPECT_TRUE(asks_async(text)) << text;
}

TEST(asks_async, is_not_fooled_by_parts_and_quotes) {
    for (const auto* text :
         {"",
          "respond-asynchronously",
          "x-respond-async",
          "a=\"respond-async\"",
          "a=\"x, respond-async, y\"",
          "a=respond-async",
          "wait=10;respond-async",
          "\"",
          "\"\\"})
        EXPECT_FALSE(asks_async(text)) << text;
}

TEST(asks_async, looks_at_every_header_of_that_name) {
    http::beast_http::request_header<> header;
    EXPECT_FALSE(asks_async(header));
    header.insert("Prefer", "wait=10");
    header.insert("prefer", "respond-async");
    EXPECT_TRUE(asks_async(header));
}

TEST(accepted_reply, says_where_the_job_is) {
    const auto reply = accepted_reply("0123", "http://gw:8935");
    EXPECT_EQ(reply.status, http::status::accepted);
    EXPECT_EQ(header_of(reply, "Location"), "http://gw:8935/jobs/0123");
    EXPECT_EQ(header_of(reply, "Preference-Applied"), "respond-async");
    EXPECT_EQ(body_of(reply).at("id"), "0123");
    EXPECT_EQ(body_of(reply).at("request_id"), "0123");
    EXPECT_EQ(header_of(accepted_reply("0123", ""), "Location"), "/jobs/0123");
}

TEST(job_reply, shows_how_far_it_is) {
    auto queued = video(job_state::queued);
    queued.ahead = 3;
    const auto reply = job_reply(queued);
    EXPECT_EQ(reply.status, http::status::ok);
    EXPECT_EQ(header_of(reply, "Retry-After"), "2");
    EXPECT_EQ(header_of(reply, "X-Request-Id"), "01234567");
    const auto body = body_of(reply);
    EXPECT_EQ(body.at("status"), "queued");
    EXPECT_EQ(body.at("created_at"), "2026-05-01T12:00:00.250Z");
    EXPECT_EQ(body.at("updated_at"), "2026-05-01T12:00:01.000Z");
    EXPECT_EQ(body.at("progress").at("ahead"), 3);
    EXPECT_FALSE(body.contains("result"));
    EXPECT_FALSE(body.contains("error"));

    auto running = video(job_state::running);
    running.seconds = 61.5;
    running.row.attempts = 2;
    EXPECT_EQ(header_of(job_reply(running), "Retry-After"), "5");
    EXPECT_EQ(body_of(job_reply(running)).at("progress").at("seconds"), 61);
    EXPECT_EQ(body_of(job_reply(running)).at("progress").at("attempts"), 2);
}

TEST(job_reply, carries_the_result_or_the_error) {
    const auto done = job_reply(video(job_state::done, R"({"images":[]})"));
    EXPECT_EQ(header_of(done, "Retry-After"), "");
    EXPECT_TRUE(body_of(done).at("result").at("images").is_array());
    EXPECT_FALSE(body_of(done).contains("error"));
    const auto failed = body_of(job_reply(
        video(job_state::failed, R"({"error":{"message":"no","code":503},"detail":{"msg":"no"}})")
    ));
    EXPECT_EQ(failed.at("status"), "failed");
    EXPECT_EQ(failed.at("error").at("message"), "no");
    EXPECT_EQ(failed.at("error").at("code"), 503);
    EXPECT_FALSE(failed.contains("result"));
}

TEST(job_reply, a_kept_body_that_is_damaged_is_still_an_answer) {
    EXPECT_TRUE(body_of(job_reply(video(job_state::done, "{"))).at("result").is_object());
    EXPECT_TRUE(body_of(job_reply(video(job_state::failed, "[1]"))).at("error").is_object());
}

TEST(result_reply, has_the_references_shapes) {
    const auto processing = result_reply(video(job_state::running));
    EXPECT_EQ(processing.status, http::status::accepted);
    EXPECT_EQ(processing.content_type, "application/json");
    EXPECT_EQ(json::parse(processing.body), json::parse(R"({"status":"processing"})"));
    const auto complete = result_reply(video(job_state::done, R"({"images":[]})"));
    EXPECT_EQ(complete.status, http::status::ok);
    EXPECT_EQ(
        json::parse(complete.body), json::parse(R"({"result":{"images":[]},"status":"complete"})")
    );
    const auto failed = result_reply(video(job_state::failed, R"({"error":{"message":"no"}})"));
    EXPECT_EQ(failed.status, http::status::ok);
    EXPECT_EQ(
        json::parse(failed.body),
        json::parse(R"({"result":{"error":{"message":"no"}},"status":"complete"})")
    );
}

TEST(batch_conformance, s33_a_result_of_an_unknown_id_is_an_invalid_request_id) {
    const auto reply = result_reply(std::nullopt);
    EXPECT_EQ(reply.status, http::status::bad_request);
    EXPECT_EQ(body_of(reply).at("error").at("message"), "invalid request ID");
    EXPECT_EQ(body_of(reply).at("detail").at("msg"), "invalid request ID");
    // Other pipelines' jobs are none of this route's.
    auto picture = video(job_state::done, "{}");
    picture.row.pipeline = "text-to-image";
    EXPECT_EQ(result_reply(picture).status, http::status::bad_request);
}

TEST(parse_result_request, names_what_it_misses) {
    EXPECT_EQ(parse_result_request(R"({"request_id":"1a2b"})").value(), "1a2b");
    EXPECT_EQ(parse_result_request(R"({"request_id":5})").error().field, "request_id");
    EXPECT_EQ(parse_result_request("{}").error().field, "request_id");
    for (const auto* text : {"", "[]", "{", "null", "[[[[[[[[[[[[[[[["})
        EXPECT_EQ(parse_result_request(text).error().status, http::status::bad_request) << text;
}

TEST(utc_text, holds_for_any_number) {
    EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(utc_text(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(utc_text(std::numeric_limits<std::int64_t>::max()).back(), 'Z');
}

} // namespace
} // namespace rivulet::batch
