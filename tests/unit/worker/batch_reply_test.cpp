#include "batch/outcome_text.hpp"
#include "worker/batch_reply.hpp"

#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

batch::verdict read_by_gateway(const http::response& reply) {
    return batch::judge(static_cast<unsigned>(reply.status), reply.body);
}

TEST(batch_reply, what_the_sender_did_wrong_reaches_the_sender) {
    const auto reply = model_failure("upscale", failure(errc::too_large, "too many pixels"));
    EXPECT_EQ(reply.body, "upscale container returned 413: too many pixels\n");
    const auto read = read_by_gateway(reply);
    ASSERT_TRUE(read.client);
    EXPECT_EQ(read.client->status, http::status::payload_too_large);
    EXPECT_EQ(read.client->message, "too many pixels");

    for (const auto code : {errc::invalid_argument, errc::media_error}) {
        const auto bad = read_by_gateway(model_failure("upscale", failure(code, "no")));
        ASSERT_TRUE(bad.client);
        EXPECT_EQ(bad.client->status, http::status::bad_request);
    }
    const auto type = read_by_gateway(model_failure("upscale", failure(errc::unsupported, "no")));
    ASSERT_TRUE(type.client);
    EXPECT_EQ(type.client->status, http::status::unsupported_media_type);
}

TEST(batch_reply, a_full_node_is_passed_over_without_a_mark) {
    const auto reply = model_failure("upscale", failure(errc::no_capacity, ""));
    EXPECT_EQ(reply.status, http::status::service_unavailable);
    EXPECT_EQ(reply.body, "insufficient capacity\n");
    const auto read = read_by_gateway(reply);
    EXPECT_FALSE(read.client);
    EXPECT_EQ(read.why.kind, session::fault_kind::capacity);
}

TEST(batch_reply, its_own_trouble_stays_with_the_node) {
    const auto reply = runner_failure("llm", 401, "no token");
    EXPECT_EQ(reply.status, http::status::internal_server_error);
    EXPECT_EQ(reply.body, "llm container returned 401: no token\n");
    EXPECT_FALSE(read_by_gateway(reply).client);
}

} // namespace
} // namespace rivulet::worker
