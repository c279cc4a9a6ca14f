#include "worker/job_request.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

http::request with_body(std::string body) {
    http::request made;
    made.body = std::move(body);
    return made;
}

} // namespace

TEST(job_request, reads_what_a_gateway_sends) {
    auto asked = parse_job_request(
        with_body(R"({"gateway_request_id":"r1","model_id":"avfilter","params":{"graph":"negate"},)"
                  R"("publish_url":"","stream_id":"s1","subscribe_url":""})")
    );
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->model, "avfilter");
    EXPECT_EQ(asked->stream_id, "s1");
    EXPECT_EQ(asked->request_id, "r1");
    EXPECT_EQ(asked->params.at("graph"), "negate");
}

TEST(job_request, takes_null_parameters_and_a_missing_model) {
    auto asked = parse_job_request(with_body(R"({"params":null})"));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->model, "noop");
    EXPECT_TRUE(asked->params.empty());
}

TEST(job_request, honours_the_headers_when_the_body_lacks_the_ids) {
    auto request = with_body(R"({"stream_id":""})");
    request.header.set("requestID", "r2");
    request.header.set("streamID", "s2");
    auto asked = parse_job_request(request);
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->stream_id, "s2");
    EXPECT_EQ(asked->request_id, "r2");
}

TEST(job_request, refuses_what_is_no_job) {
    for (const char* body :
         {"", "{", "[]", "3", R"({"params":[]})", R"({"params":"x"})", R"({"model_id":5})"}) {
        auto asked = parse_job_request(with_body(body));
        ASSERT_FALSE(asked) << body;
        EXPECT_EQ(asked.error().code, errc::invalid_argument);
        EXPECT_FALSE(asked.error().detail.empty());
    }
}

TEST(job_request, keeps_line_ends_out_of_the_log) {
    auto asked = parse_job_request(with_body(R"({"stream_id":"a\nb"})"));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->stream_id, "a?b");
}

TEST(job_request, cuts_long_names_between_two_characters) {
    const std::string name = std::string(127, 'x') + "\u00e9";
    auto asked = parse_job_request(with_body(R"({"stream_id":")" + name + "\"}"));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->stream_id, std::string(127, 'x'));
}

TEST(job_request, names_urls_from_the_gateways_side) {
    const auto reply = job_reply("http://h:1", "/ai/trickle/", "abc");
    EXPECT_EQ(
        boost::json::serialize(reply),
        R"({"control_url":"http://h:1/ai/trickle/abc-control",)"
        R"("events_url":"http://h:1/ai/trickle/abc-events","manifest_id":"abc",)"
        R"("publish_url":"http://h:1/ai/trickle/abc",)"
        R"("subscribe_url":"http://h:1/ai/trickle/abc-out"})"
    );
}

TEST(job_request, bases_urls_on_the_option_then_the_host_header_then_nothing) {
    http::request request;
    EXPECT_EQ(url_base(request, ""), "");
    request.header.set("Host", "10.0.0.7:8936");
    EXPECT_EQ(url_base(request, ""), "http://10.0.0.7:8936");
    request.secure = true;
    EXPECT_EQ(url_base(request, ""), "https://10.0.0.7:8936");
    EXPECT_EQ(url_base(request, "https://o.example/"), "https://o.example");
    request.header.set("Host", "evil/\"><x>");
    EXPECT_EQ(url_base(request, ""), "");
}

} // namespace rivulet::worker
