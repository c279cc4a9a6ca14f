// Conversations that are passed on as they come: to a sink that stands for the client.
#include "support/dispatch_rig.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;
using payment::payment_session;
using test::batch_reply;
using test::dispatch_rig;
using test::kept_chunks;
using testing::HasSubstr;
using orchestrator = test::fake_batch_orchestrator;

request conversation() {
    return parse_json(
               *find_pipeline("llm"),
               R"({"messages":[{"role":"user","content":"hi"}],"stream":true})"
    )
        .value();
}

std::string said(const kept_chunks& to) {
    std::string out;
    for (const auto& each : to.chunks) {
        const auto chunk = boost::json::parse(each);
        const auto& choices = chunk.at("choices").as_array();
        if (!choices.empty())
            out += boost::json::value_to<std::string>(choices[0].at("delta").at("content"));
    }
    return out;
}

unsigned status_of(const answer<void>& of) {
    return of ? 200 : static_cast<unsigned>(of.error().status);
}

TEST(batch_conformance, s26_chunks_are_passed_on_up_to_the_finish_reason) {
    dispatch_rig rig(1);
    kept_chunks to;
    const auto got = rig.run_stream(conversation(), to);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(said(to), "Hello");
    EXPECT_EQ(to.chunks.size(), 3u);
    EXPECT_EQ(rig[0].last().value("stream"), "true");
    EXPECT_GT(rig.latency_score(0), 0); // by the tokens of the last chunk
}

TEST(batch_conformance, s27_chunks_without_choices_and_errors_harm_nobody) {
    dispatch_rig rig(2);
    rig[0].answer_next(orchestrator::stream(
        {R"({"choices":[]})", orchestrator::chunk("a"), orchestrator::chunk("", "stop")}
    ));
    kept_chunks first;
    EXPECT_TRUE(rig.run_stream(conversation(), first));
    EXPECT_EQ(said(first), "a");
    // An error before anything was said: somebody else may do better.
    rig[0].answer_next(orchestrator::stream({R"({"error":{"message":"no memory"}})"}));
    kept_chunks second;
    EXPECT_TRUE(rig.run_stream(conversation(), second));
    EXPECT_EQ(said(second), "Hello");
    EXPECT_EQ(rig[1].count(), 1u);
}

TEST(batch_conformance, s28_a_stream_that_is_cut_ends_with_an_error) {
    dispatch_rig rig(2);
    auto cut = orchestrator::stream({orchestrator::chunk("Hel")});
    cut.events.pop_back(); // no [DONE]
    cut.cut_after_events = true;
    rig[0].answer_next(cut);
    kept_chunks to;
    const auto got = rig.run_stream(conversation(), to);
    EXPECT_EQ(status_of(got), 502u);
    EXPECT_THAT(got.error().message, HasSubstr("broke off"));
    EXPECT_EQ(said(to), "Hel");
    EXPECT_EQ(rig[1].count(), 0u); // what was said can't be unsaid
    EXPECT_TRUE(rig.suspended(0));
}

TEST(batch_dispatch_stream, a_stream_that_ends_in_order_without_its_end_is_an_error) {
    dispatch_rig rig(1);
    auto short_one = orchestrator::stream({orchestrator::chunk("Hel")});
    short_one.events.pop_back();
    rig[0].answer_next(short_one);
    kept_chunks to;
    EXPECT_EQ(status_of(rig.run_stream(conversation(), to)), 502u);
}

TEST(batch_dispatch_stream, a_silent_stream_is_given_up) {
    dispatch_options options;
    options.stream_silence = 100ms;
    dispatch_rig rig(1, options);
    auto silent = orchestrator::stream({orchestrator::chunk("Hel")});
    silent.events.pop_back();
    silent.hang_after_events = true;
    rig[0].answer_next(silent);
    kept_chunks to;
    EXPECT_EQ(status_of(rig.run_stream(conversation(), to)), 504u);
    rig[0].wait_for_left_early(1);
}

TEST(batch_dispatch_stream, a_client_that_leaves_ends_it_without_blame) {
    dispatch_rig rig(1);
    auto endless = orchestrator::stream(std::vector<std::string>(50, orchestrator::chunk("x")));
    endless.between = 20ms;
    rig[0].answer_next(endless);
    kept_chunks to;
    to.leaves_after = 2;
    EXPECT_FALSE(rig.run_stream(conversation(), to));
    rig[0].wait_for_left_early(1);
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_dispatch_stream, refusals_before_the_stream_are_handled_as_ever) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(500, "unexpected status code: 503, body: insufficient capacity")
    );
    kept_chunks to;
    EXPECT_TRUE(rig.run_stream(conversation(), to));
    EXPECT_EQ(rig[1].count(), 1u);
    EXPECT_FALSE(rig.suspended(0));
    rig[0].answer_next(batch_reply(500, "LLM container returned 400: too long"));
    rig[1].answer_next(batch_reply(500, "LLM container returned 400: too long"));
    kept_chunks none;
    const auto got = rig.run_stream(conversation(), none);
    EXPECT_EQ(status_of(got), 400u);
    EXPECT_EQ(got.error().message, "too long");
    EXPECT_TRUE(none.chunks.empty());
}

TEST(batch_dispatch_stream, a_whole_answer_becomes_one_chunk) {
    dispatch_rig rig(1);
    rig[0].answer_next(orchestrator::json(
        R"({"id":"c","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",)"
        R"("message":{"role":"assistant","content":"all of it"}}],)"
        R"("usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})"
    ));
    kept_chunks to;
    ASSERT_TRUE(rig.run_stream(conversation(), to));
    EXPECT_EQ(said(to), "all of it");
}

TEST(batch_dispatch_stream, its_connection_is_kept) {
    dispatch_rig rig(1);
    for (int i = 0; i < 3; ++i) {
        kept_chunks to;
        ASSERT_TRUE(rig.run_stream(conversation(), to));
    }
    EXPECT_EQ(rig[0].connections(), 1u);
}

} // namespace
} // namespace rivulet::batch
