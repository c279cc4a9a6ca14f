// Conversations through the whole batch side of a gateway, as their clients see them: answers in
// pieces and whole, under the network's name and OpenAI's.
#include "support/batch_rig.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using test::batch_reply;
using test::batch_rig;
using test::batch_rig_options;
using test::raw_client;
using test::request_with_body;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using orchestrator = test::fake_batch_orchestrator;

const std::string asked_in_pieces =
    R"({"messages":[{"role":"user","content":"hi"}],"stream":true,"model":"m"})";

std::string streamed(const std::string& path = "/llm") {
    return request_with_body("POST", path, asked_in_pieces);
}

// The data of each event.
std::vector<std::string> events_of(const std::string& body) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < body.size();) {
        const auto end = body.find("\n\n", at);
        if (end == std::string::npos) {
            ADD_FAILURE() << "an event without its end: " << body.substr(at);
            break;
        }
        all.push_back(body.substr(at, end - at));
        at = end + 2;
    }
    return all;
}

std::string event(std::string_view json) {
    return "data: " + std::string(json);
}

batch_reply then_cut(std::vector<std::string> chunks) {
    auto reply = orchestrator::stream(std::move(chunks));
    reply.events.pop_back(); // no [DONE]
    reply.cut_after_events = true;
    return reply;
}

batch_reply then_silent(std::vector<std::string> chunks) {
    auto reply = then_cut(std::move(chunks));
    reply.cut_after_events = false;
    reply.hang_after_events = true;
    return reply;
}

TEST(batch_conformance, s26_a_stream_is_events_of_JSON_up_to_the_finish_reason) {
    batch_rig rig(1);
    rig[0].answer_next(orchestrator::stream(
        {orchestrator::chunk("Hel"),
         orchestrator::chunk("lo", "stop"),
         orchestrator::chunk("too late")}
    ));
    const auto reply = test::ask(rig.port(), streamed());
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Content-Type"], "text/event-stream");
    EXPECT_EQ(reply["Cache-Control"], "no-cache");
    EXPECT_THAT(reply["X-Request-Id"], MatchesRegex("[0-9a-f]{8}"));
    EXPECT_THAT(
        events_of(reply.body),
        ElementsAre(
            event(orchestrator::chunk("Hel")),
            event(orchestrator::chunk("lo", "stop")),
            "data: [DONE]"
        )
    );
    EXPECT_EQ(rig[0].last().value("stream"), "true");
}

TEST(batch_conformance, s26_the_reference_s_end_without_DONE_can_be_had) {
    batch_rig_options options;
    options.service.done_event = false;
    batch_rig rig(std::move(options));
    const auto reply = test::ask(rig.port(), streamed());
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body, Not(HasSubstr("[DONE]")));
}

TEST(batch_conformance, s27_odd_chunks_leave_the_gateway_and_other_requests_well) {
    batch_rig rig(1);
    raw_client other(rig.port());
    rig[0].answer_next(then_silent({orchestrator::chunk("slow")}));
    other.send(streamed());
    other.read_head();
    EXPECT_THAT(other.read_chunk(), HasSubstr("slow"));

    rig[0].answer_next(orchestrator::stream(
        {R"({"choices":[]})", "[]", "{", orchestrator::chunk("a"), orchestrator::chunk("", "stop")}
    ));
    EXPECT_EQ(events_of(test::ask(rig.port(), streamed()).body).size(), 3u);
    rig[0].answer_next(
        orchestrator::stream({orchestrator::chunk("a"), R"({"error":{"message":"no memory"}})"})
    );
    const auto broken = events_of(test::ask(rig.port(), streamed()).body);
    ASSERT_EQ(broken.size(), 2u);
    EXPECT_THAT(broken[1], HasSubstr("no memory"));

    EXPECT_TRUE(other.silent_for(10ms));
    EXPECT_EQ(rig.get("/readyz").status, 200);
}

TEST(batch_conformance, s28_a_stream_that_is_cut_tells_its_client) {
    for (const std::string path : {"/llm", "/v1/chat/completions"}) {
        batch_rig rig(1);
        rig[0].answer_next(then_cut({orchestrator::chunk("Hel")}));
        const auto reply = test::ask(rig.port(), streamed(path));
        EXPECT_EQ(reply.status, 200);
        const auto events = events_of(reply.body);
        ASSERT_EQ(events.size(), 2u) << reply.body;
        EXPECT_THAT(events[0], HasSubstr("Hel"));
        ASSERT_THAT(events[1], MatchesRegex("event: error\ndata: .*"));
        const auto told = json::parse(events[1].substr(events[1].find('{')));
        EXPECT_FALSE(told.at("error").at("message").as_string().empty());
        EXPECT_THAT(std::string(told.at("request_id").as_string()), reply["X-Request-Id"]);
    }
}

TEST(batch_conversation, goes_to_another_orchestrator_while_nothing_was_said) {
    batch_rig rig(2);
    rig[0].answer_next(then_cut({}));
    const auto reply = test::ask(rig.port(), streamed());
    EXPECT_THAT(events_of(reply.body).back(), "data: [DONE]");
    EXPECT_EQ(rig[1].count(), 1u);
}

TEST(batch_conversation, a_refusal_before_the_first_word_has_a_real_status) {
    batch_rig rig(1);
    for (const std::string path : {"/llm", "/v1/chat/completions"}) {
        rig[0].answer_next(batch_reply(500, "llm container returned 400: too many words\n"));
        const auto reply = test::ask(rig.port(), streamed(path));
        EXPECT_EQ(reply.status, 400) << reply.body;
        EXPECT_EQ(reply["Content-Type"], "application/json");
        EXPECT_EQ(json::parse(reply.body).at("error").at("message"), "too many words");
    }
    EXPECT_THAT(rig.suspended(), IsEmpty());
}

TEST(batch_conversation, a_client_that_leaves_in_the_middle_ends_it_at_the_orchestrator) {
    batch_rig rig(1);
    rig[0].answer_next(then_silent({orchestrator::chunk("Hel")}));
    raw_client client(rig.port());
    client.send(streamed());
    client.read_head();
    EXPECT_THAT(client.read_chunk(), HasSubstr("Hel"));
    client.close();
    EXPECT_LT(rig[0].wait_for_left_early(1), 100ms);
    EXPECT_THAT(rig.suspended(), IsEmpty());
}

TEST(batch_conversation, silence_is_filled_with_comments_and_an_error_behind_them_is_an_event) {
    batch_rig_options options;
    options.service.heartbeat = 10ms;
    batch_rig rig(std::move(options));
    auto late = batch_reply(500, "llm container returned 400: too many words\n");
    late.delay = 60ms;
    rig[0].answer_next(late);
    const auto reply = test::ask(rig.port(), streamed());
    EXPECT_EQ(reply.status, 200);
    const auto events = events_of(reply.body);
    ASSERT_GE(events.size(), 2u);
    EXPECT_EQ(events.front(), ": keep-alive");
    EXPECT_THAT(events.back(), HasSubstr("event: error"));
    EXPECT_THAT(events.back(), HasSubstr("too many words"));
}

TEST(batch_conversation, a_connection_serves_one_stream_after_another) {
    batch_rig rig(1);
    raw_client client(rig.port());
    for (int i = 0; i < 3; ++i) {
        client.send(streamed(i % 2 ? "/llm" : "/v1/chat/completions"));
        EXPECT_THAT(client.read_reply().body, EndsWith("data: [DONE]\n\n"));
    }
    EXPECT_EQ(rig[0].connections(), 1u);
}

TEST(batch_conversation, openais_clients_get_their_chunks_and_the_usage_they_asked_for) {
    batch_rig rig(1);
    rig[0].answer_next(orchestrator::stream(
        {orchestrator::chunk("Hel"),
         R"({"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}],"usage":{"total_tokens":5}})"}
    ));
    const auto reply = rig.post(
        "/v1/chat/completions",
        R"({"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"stream":true,)"
        R"("stream_options":{"include_usage":true},"model":"m","max_completion_tokens":9})"
    );
    const auto events = events_of(reply.body);
    ASSERT_EQ(events.size(), 4u) << reply.body;
    EXPECT_EQ(events[3], "data: [DONE]");
    std::vector<json::value> chunks;
    for (std::size_t i = 0; i < 3; ++i) {
        chunks.push_back(json::parse(events[i].substr(6)));
        EXPECT_EQ(chunks[i].at("object"), "chat.completion.chunk");
        EXPECT_EQ(chunks[i].at("id"), chunks[0].at("id"));
    }
    EXPECT_TRUE(chunks[0].at("choices").at(0).at("finish_reason").is_null());
    EXPECT_EQ(chunks[1].at("choices").at(0).at("finish_reason"), "stop");
    EXPECT_EQ(chunks[2].at("usage").at("total_tokens"), 5);
    EXPECT_EQ(rig[0].last().value("max_tokens"), "9");
    EXPECT_EQ(
        rig[0].last().json.at("messages"), json::parse(R"([{"role":"user","content":"hi"}])")
    );
}

TEST(batch_conversation, openais_clients_are_told_by_name_what_is_not_possible) {
    batch_rig rig(1);
    const auto reply = rig.post(
        "/v1/chat/completions",
        R"({"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function"}]})"
    );
    EXPECT_EQ(reply.status, 400);
    const auto error = json::parse(reply.body).at("error");
    EXPECT_EQ(error.at("param"), "tools");
    EXPECT_EQ(error.at("type"), "invalid_request_error");
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_conversation, nobody_for_the_model_is_told_in_openais_words) {
    batch_rig rig(0);
    const auto reply = test::ask(rig.port(), streamed("/v1/chat/completions"));
    EXPECT_EQ(reply.status, 503) << reply.body;
    EXPECT_EQ(json::parse(reply.body).at("error").at("type"), "server_error");
}

} // namespace
} // namespace rivulet
