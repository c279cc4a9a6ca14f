#include "batch/api_error.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

std::string header_of(const http::response& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers)
        if (key == name)
            return value;
    return {};
}

TEST(batch_conformance, s44_an_error_body_satisfies_the_sdk_and_the_reference) {
    const auto reply = to_response({http::status::bad_request, "prompt: is required"}, "1a2b3c4d");
    const auto body = boost::json::parse(reply.body).as_object();
    EXPECT_EQ(body.at("error").at("message"), "prompt: is required");
    EXPECT_EQ(body.at("detail").at("msg"), "prompt: is required");
    EXPECT_EQ(body.at("request_id"), "1a2b3c4d");
    EXPECT_EQ(reply.content_type, "application/json");
    EXPECT_EQ(header_of(reply, "X-Request-Id"), "1a2b3c4d");
}

TEST(api_error, a_422_has_a_list_of_details) {
    api_error why(http::status::unprocessable_entity, "not a number");
    why.field = "seed";
    const auto body = to_json(why, "");
    const auto& detail = body.at("detail").as_array();
    ASSERT_EQ(detail.size(), 1u);
    EXPECT_EQ(detail[0].at("loc").as_array().at(1), "seed");
    EXPECT_EQ(detail[0].at("msg"), "not a number");
    EXPECT_EQ(detail[0].at("type"), "value_error");
    EXPECT_FALSE(body.contains("request_id"));
}

TEST(api_error, says_when_to_come_back_in_whole_seconds_and_at_least_one) {
    api_error why(http::status::service_unavailable, "nobody is there");
    why.retry_after = std::chrono::milliseconds(1200);
    EXPECT_EQ(header_of(to_response(why, ""), "Retry-After"), "2");
    why.retry_after = std::chrono::milliseconds(0);
    EXPECT_EQ(header_of(to_response(why, ""), "Retry-After"), "1");
}

} // namespace
} // namespace rivulet::batch
