#include "batch/outcome_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using session::fault_kind;
using testing::HasSubstr;

struct client_row {
    unsigned status;
    const char* text;
    unsigned to_client;
    const char* message;
};

TEST(outcome_text, the_client_s_own_mistakes_are_told_in_the_runner_s_words) {
    const client_row rows[] = {
        {500, "text-to-image container returned 400: bad prompt\n", 400, "bad prompt"},
        {500, "returned 400: : Prompt must be provided.", 400, "Prompt must be provided."},
        {500, "audio-to-text container returned 413: too large", 413, "too large"},
        {500, "audio-to-text container returned 415: not sound", 415, "not sound"},
        {500,
         "image-to-text container returned 422: {\"detail\":[{\"loc\":[\"body\",\"prompt\"],"
         "\"msg\":\"field required\",\"type\":\"missing\"}]}",
         422,
         "field required"},
        {500,
         "container returned 400: {\"detail\":{\"msg\":\"no such lora\"}}",
         400,
         "no such lora"},
        {500,
         "unexpected status code: 500, body: LLM container returned 400: too long",
         400,
         "too long"},
        {500, "x returned 400", 400, "the request was refused as bad, without a reason"},
        {400, "Unable to calculate duration", 400, "Unable to calculate duration"},
        {500, "audio duration calculation failed", 400, "audio duration calculation failed"},
        {400, "image: unknown format", 400, "image: unknown format"},
        {413, "file too large", 413, "file too large"},
        {422,
         "[{\"loc\":[\"body\",\"seed\"],\"msg\":\"not a number\",\"type\":\"int\"}]",
         422,
         "not a number"},
    };
    for (const auto& row : rows) {
        const auto said = judge(row.status, row.text);
        ASSERT_TRUE(said.client) << row.text;
        EXPECT_EQ(static_cast<unsigned>(said.client->status), row.to_client) << row.text;
        EXPECT_EQ(said.client->message, row.message);
        EXPECT_EQ(said.why.kind, fault_kind::bad_request);
        EXPECT_FALSE(said.refresh);
    }
}

TEST(outcome_text, validation_errors_keep_their_field_and_type) {
    const auto said = judge(
        500,
        "x container returned 422: "
        "{\"detail\":[{\"loc\":[\"body\",\"prompt\"],\"msg\":\"m\",\"type\":\"missing\"}]}"
    );
    ASSERT_TRUE(said.client);
    EXPECT_EQ(said.client->field, "prompt");
    EXPECT_EQ(said.client->type, "missing");
}

struct other_row {
    unsigned status;
    const char* text;
    fault_kind kind;
    bool refresh;
};

TEST(outcome_text, everything_else_is_between_gateway_and_orchestrator) {
    const other_row rows[] = {
        {500,
         "text-to-image container returned 500: CUDA out of memory",
         fault_kind::internal,
         false},
        {500, "text-to-image container returned 401: no token", fault_kind::internal, false},
        {500, "llm container returned 503: insufficient capacity", fault_kind::capacity, false},
        {500, "returned 4000: odd", fault_kind::internal, false},
        {500, "", fault_kind::internal, false},
        {503, "insufficient capacity", fault_kind::capacity, false},
        {500,
         "unexpected status code: 503, body: insufficient capacity",
         fault_kind::capacity,
         false},
        {500, "unexpected status code: x", fault_kind::internal, false},
        {400, "TicketParams expired", fault_kind::tickets_expired, false},
        {400, "invalid ticket senderNonce", fault_kind::ticket_nonce, false},
        {400, "Insufficient balance", fault_kind::payment, true},
        {400, "could not parse payment", fault_kind::payment, true},
        {402, "Error parsing payment", fault_kind::payment, true},
        {403, "ErrSegSig", fault_kind::payment, true},
        {400, "MaxTokens not specified", fault_kind::declined, false},
        {400, "", fault_kind::declined, false},
        {404, "404 page not found", fault_kind::protocol, false},
        {504, "", fault_kind::timed_out, false},
    };
    for (const auto& row : rows) {
        const auto said = judge(row.status, row.text);
        EXPECT_FALSE(said.client) << row.text;
        EXPECT_EQ(said.why.kind, row.kind) << row.status << " " << row.text;
        EXPECT_EQ(said.refresh, row.refresh) << row.status << " " << row.text;
    }
}

TEST(outcome_text, what_an_orchestrator_says_is_bounded_and_printable) {
    const auto said = judge(500, "container returned 400: a\x01\xff\n" + std::string(100'000, 'x'));
    ASSERT_TRUE(said.client);
    EXPECT_LE(said.client->message.size(), 1000u);
    EXPECT_EQ(said.client->message.substr(0, 4), "a ? ");
}

session::tried of(fault_kind kind, std::string text = "t") {
    return {"http://o:1", session::fault(kind, std::move(text))};
}

unsigned end_of(std::vector<session::tried> reasons, bool deadline = false) {
    const auto why = nobody_answered(reasons, "sum", std::chrono::seconds(7), deadline);
    EXPECT_EQ(why.tried.size(), reasons.size());
    return static_cast<unsigned>(why.status);
}

TEST(outcome_text, the_end_of_it_follows_from_all_that_was_tried) {
    using enum fault_kind;
    EXPECT_EQ(end_of({}), 503u);
    EXPECT_EQ(end_of({of(capacity), of(internal)}), 503u);
    EXPECT_EQ(end_of({of(internal)}, true), 504u);
    EXPECT_EQ(end_of({of(timed_out), of(timed_out)}), 504u);
    EXPECT_EQ(end_of({of(timed_out), of(capacity)}), 503u);
    EXPECT_EQ(end_of({of(declined)}), 400u);
    EXPECT_EQ(end_of({of(declined), of(internal)}), 503u);
    EXPECT_EQ(end_of({of(declined), of(internal), of(declined)}), 400u);
}

TEST(outcome_text, a_503_says_when_to_come_back_and_why) {
    const std::vector<session::tried> reasons{of(fault_kind::capacity, "full")};
    const auto why = nobody_answered(reasons, "nobody: full", std::chrono::seconds(7), false);
    EXPECT_EQ(why.retry_after, std::chrono::seconds(7));
    EXPECT_EQ(why.message, "Service Unavailable Error: nobody: full");
    EXPECT_EQ(why.tried[0].at("kind"), "capacity");
    EXPECT_EQ(why.tried[0].at("text"), "full");
}

} // namespace
} // namespace rivulet::batch
