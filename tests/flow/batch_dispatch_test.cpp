// Requests brought to doubles of orchestrators over real sockets: who is tried after whom, what is
// paid, what the client is told, and whose fault it was.
#include "support/dispatch_rig.hpp"
#include "support/scratch.hpp"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;
using payment::payment_session;
using test::batch_reply;
using test::dispatch_rig;
using testing::ElementsAre;
using testing::HasSubstr;

request text_to_image(std::string_view body = R"({"prompt":"a fox"})") {
    return parse_json(*find_pipeline("text-to-image"), body).value();
}

upload file_of(const std::string& content, std::size_t in_memory, std::string name = "in.bin") {
    spool_limits limits;
    limits.memory = in_memory;
    auto made = std::make_shared<spool>(limits);
    EXPECT_FALSE(made->write({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}
    ));
    upload out;
    out.filename = std::move(name);
    out.content = std::move(made);
    return out;
}

request image_to_image(upload file) {
    auto made =
        parse_form(*find_pipeline("image-to-image"), {{"prompt", "x"}, {"strength", "0.8"}}, file);
    media_facts facts;
    facts.width = 4;
    facts.height = 3;
    facts.format = "png";
    EXPECT_TRUE(take_media(made.value(), facts));
    return std::move(made.value());
}

request audio_to_text() {
    auto made = parse_form(*find_pipeline("audio-to-text"), {}, file_of("RIFF", 1000, "a.wav"));
    media_facts facts;
    facts.seconds = 3.9;
    facts.format = "wav";
    EXPECT_TRUE(take_media(made.value(), facts));
    return std::move(made.value());
}

std::string pattern(std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        out[i] = static_cast<char>(i * 131 + i / 251);
    return out;
}

dispatch_options limits(duration attempt, duration all) {
    dispatch_options out;
    out.attempt = attempt;
    out.request = all;
    return out;
}

unsigned status_of(const answer<dispatched>& of) {
    return of ? 200 : static_cast<unsigned>(of.error().status);
}

TEST(batch_conformance, s34_the_second_orchestrator_answers_after_the_first_failed) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(500, "CUDA out of memory\n"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_TRUE(got->body.contains("images"));
    EXPECT_TRUE(rig.suspended(0));
    EXPECT_FALSE(rig.suspended(1));
}

TEST(batch_conformance, s35_a_full_orchestrator_is_passed_over_without_a_mark) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(503, "insufficient capacity\n"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_conformance, s36_expired_ticket_parameters_are_renewed_at_the_same_orchestrator) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(400, "TicketParams expired\n"));
    rig[0].answer_next(batch_reply(400, "TicketParams expired\n"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[0].url());
    EXPECT_EQ(rig[0].count(), 3u);
    EXPECT_EQ(rig[1].count(), 0u);
    // A payment of its own for each.
    EXPECT_NE(
        rig[0].asked()[1].headers["livepeer-payment"], rig[0].last().headers["livepeer-payment"]
    );
}

TEST(batch_conformance, s37_a_runner_that_calls_the_request_bad_is_believed) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(500, "text-to-image container returned 400: bad\n"));
    const auto got = rig.run(text_to_image());
    ASSERT_FALSE(got);
    EXPECT_EQ(status_of(got), 400u);
    EXPECT_EQ(got.error().message, "bad");
    EXPECT_EQ(rig[1].count(), 0u);
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_conformance, s38_a_runner_s_413_415_and_422_reach_the_client) {
    for (const unsigned status : {413u, 415u, 422u}) {
        dispatch_rig rig(2);
        rig[0].answer_next(
            batch_reply(500, fmt::format("audio-to-text container returned {}: no\n", status))
        );
        const auto got = rig.run(audio_to_text());
        EXPECT_EQ(status_of(got), status);
        EXPECT_EQ(got.error().message, "no");
        EXPECT_EQ(rig[1].count(), 0u);
        EXPECT_FALSE(rig.suspended(0));
    }
}

TEST(batch_conformance, s39_slow_failures_end_with_the_time_that_a_request_has) {
    dispatch_rig rig(3, limits(1min, 800ms));
    for (std::size_t i = 0; i < 3; ++i)
        rig[i].answer_with([](const test::batch_question&) {
            batch_reply slow(500, "out of memory");
            slow.delay = 450ms;
            return slow;
        });
    const auto got = rig.run(text_to_image());
    ASSERT_FALSE(got);
    // The second one's failure would come too late; the client hears of the first.
    EXPECT_EQ(status_of(got), 504u);
    EXPECT_GE(got.error().tried.size(), 1u);
    EXPECT_EQ(got.error().tried[0].at("kind"), "internal");
}

TEST(batch_conformance, s39_failures_of_everybody_are_503_with_who_said_what) {
    dispatch_rig rig(2);
    for (std::size_t i = 0; i < 2; ++i)
        rig[i].answer_next(batch_reply(500, fmt::format("failure {}", i)));
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 503u);
    EXPECT_THAT(got.error().message, testing::StartsWith("Service Unavailable Error"));
    EXPECT_TRUE(got.error().retry_after);
    ASSERT_EQ(got.error().tried.size(), 2u);
    EXPECT_EQ(got.error().tried[1].at("text"), "failure 1");
    EXPECT_EQ(got.error().tried[1].at("status"), 500u);
}

TEST(batch_conformance, s40_an_orchestrator_gets_the_networks_three_headers) {
    dispatch_rig rig(1);
    ASSERT_TRUE(rig.run(text_to_image()));
    auto asked = rig[0].last();
    EXPECT_EQ(asked.pipeline, "text-to-image");
    EXPECT_EQ(asked.headers["authorization"], "Livepeer-AI-Worker-1.0");
    EXPECT_EQ(asked.headers["livepeer-segment"], "segment-0");
    EXPECT_EQ(asked.headers["livepeer-payment"], "payment-0");
    EXPECT_THAT(asked.headers["content-type"], HasSubstr("application/json"));
    EXPECT_EQ(asked.value("prompt"), "a fox");
    EXPECT_EQ(asked.value("width"), "512");
}

TEST(batch_conformance, s41_a_client_that_leaves_ends_the_call_and_nobody_is_blamed) {
    dispatch_rig rig(2);
    batch_reply never;
    never.hang = true;
    const auto what = text_to_image();
    // A busy machine may be late once.
    auto soonest = std::chrono::milliseconds::max();
    for (std::size_t i = 1; i <= 3; ++i) {
        rig[0].answer_next(never);
        dispatch_rig::running under_way(rig, what);
        rig[0].wait_for(i);
        under_way.leave();
        soonest = std::min(soonest, rig[0].wait_for_left_early(i));
        EXPECT_TRUE(under_way.wait());
    }
    EXPECT_LT(soonest, 100ms);
    EXPECT_FALSE(rig.suspended(0));
    EXPECT_EQ(rig.in_flight(0), 0);
    EXPECT_EQ(rig[1].count(), 0u);
    EXPECT_EQ(rig.payments().entries()[0].settled, payment_session::sent::lost);
}

TEST(batch_conformance, s29_a_conversation_is_paid_by_max_tokens) {
    dispatch_rig rig(1);
    const auto what =
        parse_json(*find_pipeline("llm"), R"({"messages":[{"role":"user","content":"hi"}]})")
            .value();
    ASSERT_TRUE(rig.run(what));
    const auto entry = rig.payments().entries().at(0);
    EXPECT_EQ(entry.units, 256);
    EXPECT_EQ(entry.settled, payment_session::sent::accepted);
    EXPECT_EQ(entry.used, 256);
}

TEST(batch_dispatch, an_orchestrator_that_dies_while_it_works_is_replaced_once) {
    dispatch_rig rig(2);
    // So that the connection is one that was used before.
    ASSERT_TRUE(rig.run(text_to_image()));
    batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    const auto what = text_to_image();
    dispatch_rig::running under_way(rig, what);
    rig[0].wait_for(2);
    rig[0].die();
    ASSERT_TRUE(under_way.wait());
    ASSERT_TRUE(under_way.answer && *under_way.answer);
    EXPECT_EQ((*under_way.answer)->orchestrator, rig[1].url());
    EXPECT_EQ(rig[1].count(), 1u);
    EXPECT_TRUE(rig.suspended(0));
}

TEST(batch_dispatch, answers_that_break_off_are_asked_of_another) {
    dispatch_rig rig(2);
    batch_reply broken = test::fake_batch_orchestrator::json(R"({"images":[]})");
    broken.cut_after = 5;
    rig[0].answer_next(broken);
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_TRUE(rig.suspended(0));
}

TEST(batch_dispatch, an_orchestrator_that_is_silent_for_too_long_is_replaced) {
    dispatch_rig rig(2, limits(150ms, 10s));
    batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    rig[0].wait_for_left_early(1);
    EXPECT_EQ(rig[0].left_early(), 1u);
}

TEST(batch_dispatch, the_request_s_own_deadline_is_504_and_nobody_s_fault) {
    dispatch_rig rig(1, limits(1min, 150ms));
    batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 504u);
    EXPECT_EQ(got.error().tried.size(), 1u);
    EXPECT_FALSE(rig.suspended(0));
    EXPECT_EQ(rig.payments().entries()[0].settled, payment_session::sent::lost);
}

TEST(batch_dispatch, everybody_full_is_503_with_a_time_to_come_back) {
    dispatch_rig rig(2);
    for (std::size_t i = 0; i < 2; ++i)
        rig[i].answer_next(batch_reply(503, "insufficient capacity"));
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 503u);
    EXPECT_TRUE(got.error().retry_after);
    EXPECT_FALSE(rig.suspended(0));
    EXPECT_FALSE(rig.suspended(1));
    for (const auto& each : rig.payments().entries())
        EXPECT_EQ(each.settled, payment_session::sent::refused);
}

TEST(batch_dispatch, a_refused_token_is_renewed_once_before_another_is_asked) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(403, "ErrSegSig"));
    auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[0].url());
    rig[0].answer_next(batch_reply(402, "Error parsing payment"));
    rig[0].answer_next(batch_reply(402, "Error parsing payment"));
    got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_EQ(rig[0].count(), 4u);
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_dispatch, two_orchestrators_that_decline_a_request_are_believed) {
    dispatch_rig rig(3);
    rig[0].answer_next(batch_reply(400, "invalid filter"));
    rig[1].answer_with([](const auto&) { return batch_reply(400, "invalid filter"); });
    rig[2].answer_with([](const auto&) { return batch_reply(400, "invalid filter"); });
    auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 400u);
    EXPECT_EQ(got.error().message, "invalid filter");
    EXPECT_EQ(rig[0].count() + rig[1].count() + rig[2].count(), 2u);
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_dispatch, one_orchestrator_that_declines_is_not_the_last_word) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(400, "image: not for me"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_dispatch, the_only_orchestrator_that_declines_decides) {
    dispatch_rig rig(1);
    rig[0].answer_next(batch_reply(400, "invalid filter"));
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 400u);
    EXPECT_EQ(got.error().message, "invalid filter");
}

TEST(batch_dispatch, good_statuses_with_bad_answers_are_asked_of_another) {
    for (const auto* text : {"{\"images\":", "[]", "{\"images\":5}", "{}", "hello"}) {
        dispatch_rig rig(2);
        rig[0].answer_next(test::fake_batch_orchestrator::json(text));
        const auto got = rig.run(text_to_image());
        ASSERT_TRUE(got) << text;
        EXPECT_EQ(got->orchestrator, rig[1].url()) << text;
        EXPECT_TRUE(rig.suspended(0)) << text;
    }
    dispatch_rig rig(2);
    batch_reply page(200, R"({"images":[]})");
    page.content_type = "text/html";
    rig[0].answer_next(page);
    EXPECT_EQ(rig.run(text_to_image())->orchestrator, rig[1].url());
}

TEST(batch_dispatch, an_answer_beyond_the_limit_is_refused) {
    auto options = limits(1min, 1min);
    options.reply_bytes = 1000;
    dispatch_rig rig(1, options);
    rig[0].answer_next(test::fake_batch_orchestrator::json(
        R"({"images":[{"url":")" + std::string(1000, 'x') + R"(","seed":1,"nsfw":false}]})"
    ));
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 503u);
    EXPECT_THAT(boost::json::serialize(got.error().tried), HasSubstr("longer than 1000 bytes"));
}

test::batch_reply image_of(std::size_t size) {
    return test::fake_batch_orchestrator::json(
        R"({"images":[{"url":")" + std::string(size, 'x') + R"(","seed":1,"nsfw":false}]})"
    );
}

TEST(batch_dispatch, answers_share_a_bounded_memory) {
    auto options = limits(1min, 1min);
    options.memory = std::make_shared<byte_budget>(50'000);
    dispatch_rig rig(2, options);
    std::optional<byte_share> others(options.memory);
    ASSERT_TRUE(others->take(40'000));
    rig[0].answer_next(image_of(20'000));
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 503u);
    EXPECT_EQ(got.error().type, gateway_full);
    EXPECT_TRUE(got.error().retry_after);
    EXPECT_FALSE(rig.suspended(0)); // we are full, not it
    EXPECT_EQ(rig[1].count(), 0u);  // and nobody else could help
    EXPECT_EQ(options.memory->used(), 40'000u);
    // The room comes back with its user's end.
    others.reset();
    for (int i = 0; i < 10; ++i) {
        rig[0].answer_next(image_of(20'000));
        const auto good = rig.run(text_to_image());
        ASSERT_TRUE(good) << good.error().message;
        EXPECT_GE(options.memory->used(), 20'000u);
    }
    EXPECT_EQ(options.memory->used(), 0u);
}

TEST(batch_dispatch, an_answer_larger_than_all_memory_is_too_long) {
    auto options = limits(1min, 1min);
    options.memory = std::make_shared<byte_budget>(5'000);
    dispatch_rig rig(1, options);
    rig[0].answer_next(image_of(10'000));
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 503u);
    EXPECT_NE(got.error().type, gateway_full);
    EXPECT_THAT(boost::json::serialize(got.error().tried), HasSubstr("longer than 5000 bytes"));
}

TEST(batch_dispatch, an_answer_that_no_memory_could_hold_is_its_orchestrators_fault) {
    auto options = limits(1min, 1min);
    options.memory = std::make_shared<byte_budget>(50'000);
    dispatch_rig rig(2, options);
    std::string images = R"({"url":"x","seed":1,"nsfw":false})";
    for (int i = 0; i < 999; ++i)
        images += R"(,{"url":"x","seed":1,"nsfw":false})";
    rig[0].answer_next(test::fake_batch_orchestrator::json(R"({"images":[)" + images + "]}"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->orchestrator, rig[1].url());
}

TEST(batch_dispatch, a_wrong_answer_is_wrong_though_there_is_no_memory_for_it) {
    auto options = limits(1min, 1min);
    options.memory = std::make_shared<byte_budget>(50'000);
    dispatch_rig rig(2, options);
    byte_share others(options.memory);
    ASSERT_TRUE(others.take(15'000));
    std::string numbers = "1";
    for (int i = 0; i < 3'999; ++i)
        numbers += ",1";
    rig[0].answer_next(test::fake_batch_orchestrator::json(R"({"images":[)" + numbers + "]}"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->orchestrator, rig[1].url());
}

TEST(batch_dispatch, a_request_needs_memory_for_the_copy_that_is_sent) {
    auto options = limits(1min, 1min);
    const auto asked = text_to_image();
    options.memory = std::make_shared<byte_budget>(asked.fields_bytes - 1);
    dispatch_rig rig(1, options);
    EXPECT_EQ(rig.run(asked).error().type, gateway_full);
    EXPECT_EQ(rig[0].count(), 0u);
}

TEST(batch_dispatch, large_answers_arrive_whole) {
    dispatch_rig rig(1);
    const auto url = "data:image/png;base64," + std::string(3'000'000, 'A');
    rig[0].answer_next(test::fake_batch_orchestrator::json(
        R"({"images":[{"url":")" + url + R"(","seed":1,"nsfw":false}]})"
    ));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->body.at("images").at(0).at("url").as_string(), url);
}

TEST(batch_dispatch, a_payment_that_cannot_be_made_is_no_fault_of_the_orchestrator) {
    dispatch_rig rig(2);
    rig.payments().refuse_next(failure(errc::payment_refused, "too dear"));
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_EQ(rig[0].count(), 0u);
    EXPECT_FALSE(rig.suspended(0));
    EXPECT_EQ(rig.payments().entries()[0].settled, payment_session::sent::not_sent);
}

TEST(batch_dispatch, only_answers_that_are_good_tell_how_fast_somebody_is) {
    dispatch_rig rig(2);
    rig[0].answer_next(batch_reply(503, "insufficient capacity"));
    ASSERT_TRUE(rig.run(text_to_image()));
    EXPECT_EQ(rig.latency_score(0), 0);
    EXPECT_GT(rig.latency_score(1), 0);
}

TEST(batch_dispatch, forms_are_sent_with_the_file_first_as_it_came) {
    for (const std::size_t in_memory : {10'000'000u, 0u}) {
        dispatch_rig rig(1);
        const auto content = pattern(700'001);
        ASSERT_TRUE(rig.run(image_to_image(file_of(content, in_memory, "my \"in\".png"))));
        const auto asked = rig[0].last();
        ASSERT_GE(asked.parts.size(), 4u);
        EXPECT_EQ(asked.parts[0].name, "image");
        EXPECT_TRUE(asked.parts[0].is_file);
        EXPECT_EQ(asked.parts[0].content_type, "application/octet-stream");
        EXPECT_TRUE(asked.parts[0].value == content);
        EXPECT_EQ(asked.value("prompt"), "x");
        EXPECT_EQ(asked.value("strength"), "0.800000");
        EXPECT_EQ(asked.value("model_id"), "stabilityai/sdxl-turbo");
        EXPECT_EQ(asked.headers.count("transfer-encoding"), 0u);
        EXPECT_EQ(asked.headers.at("content-length"), std::to_string(asked.body.size()));
    }
}

TEST(batch_dispatch, a_form_is_sent_again_whole_to_the_next_one) {
    dispatch_rig rig(2);
    batch_reply broken;
    broken.cut = true;
    rig[0].answer_next(broken);
    const auto content = pattern(400'000);
    const auto got = rig.run(image_to_image(file_of(content, 0)));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_TRUE(rig[1].last().parts.at(0).value == content);
}

TEST(batch_dispatch, an_answer_before_the_upload_s_end_counts) {
    dispatch_rig rig(2);
    const auto content = pattern(20'000'000);
    const auto what = image_to_image(file_of(content, 0));
    rig[0].answer_unread_next(batch_reply(503, "insufficient capacity"));
    const auto got = rig.run(what);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_TRUE(rig[1].last().parts.at(0).value == content);
    EXPECT_FALSE(rig.suspended(0)); // it is full, not broken
}

TEST(batch_dispatch, a_client_that_leaves_ends_the_upload) {
    dispatch_rig rig(1);
    const auto what = image_to_image(file_of(pattern(20'000'000), 0));
    batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    dispatch_rig::running under_way(rig, what);
    rig[0].wait_for(1);
    under_way.leave();
    rig[0].wait_for_left_early(1);
    EXPECT_TRUE(under_way.wait());
    EXPECT_FALSE(rig.suspended(0));
}

TEST(batch_dispatch, long_json_is_sent_whole) {
    dispatch_rig rig(1);
    const std::string prompt(300'000, 'p');
    ASSERT_TRUE(rig.run(text_to_image("{\"prompt\":\"" + prompt + "\"}")));
    EXPECT_EQ(rig[0].last().value("prompt"), prompt);
}

TEST(batch_dispatch, connections_are_used_again) {
    dispatch_rig rig(1);
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(rig.run(text_to_image()));
    EXPECT_EQ(rig[0].connections(), 1u);
}

TEST(batch_dispatch, a_kept_connection_that_is_closed_by_then_is_nobody_s_fault) {
    dispatch_rig rig(2);
    ASSERT_TRUE(rig.run(text_to_image()));
    batch_reply closed;
    closed.cut = true;
    rig[0].answer_next(closed);
    const auto got = rig.run(text_to_image());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[0].url());
    EXPECT_EQ(rig[0].connections(), 2u);
    EXPECT_FALSE(rig.suspended(0));
    // On a connection of its own it is a failure.
    rig[0].answer_next(closed);
    rig[0].answer_next(closed);
    EXPECT_EQ(rig.run(text_to_image())->orchestrator, rig[1].url());
    EXPECT_TRUE(rig.suspended(0));
}

TEST(batch_dispatch, everything_works_over_tls) {
    dispatch_rig rig(2, {}, true);
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(rig.run(text_to_image()));
    EXPECT_EQ(rig[0].connections(), 1u);
    const auto content = pattern(5'000'000);
    const auto what = image_to_image(file_of(content, 0));
    ASSERT_TRUE(rig.run(what));
    EXPECT_TRUE(rig[0].last().parts.at(0).value == content);
    ASSERT_TRUE(rig.run(text_to_image()));
    EXPECT_EQ(rig[0].connections(), 1u); // the upload left it in order
    rig[0].answer_unread_next(batch_reply(503, "insufficient capacity"));
    const auto got = rig.run(what);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->orchestrator, rig[1].url());
    EXPECT_TRUE(rig[1].last().parts.at(0).value == content);
}

TEST(batch_dispatch, nobody_listening_is_503_and_counted) {
    dispatch_rig rig(1);
    rig[0].die();
    const auto got = rig.run(text_to_image());
    ASSERT_EQ(status_of(got), 503u);
    EXPECT_THAT(got.error().message, HasSubstr("connection refused"));
    const auto text = rig.metrics().text();
    EXPECT_THAT(text, HasSubstr("livepeer_ai_request_errors{"));
    EXPECT_THAT(text, HasSubstr("error_code=\"no_orchestrators_available\""));
    EXPECT_THAT(text, HasSubstr("rivulet_batch_tries_total{"));
}

} // namespace
} // namespace rivulet::batch
