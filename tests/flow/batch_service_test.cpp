// The batch API's face: who is let in, what is read, what a client is told when it did something
// wrong, and that it costs nobody else anything.
#include "batch/catalog.hpp"
#include "batch/client_watch.hpp"
#include "support/batch_rig.hpp"
#include "support/live_rig.hpp"
#include "support/process_state.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace rivulet {
namespace {

namespace json = boost::json;
using test::ask;
using test::batch_reply;
using test::batch_rig;
using test::batch_rig_options;
using test::fake_batch_orchestrator;
using test::form_text;
using test::milliseconds;
using test::raw_client;
using test::request_text;
using test::request_with_body;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

json::object object_of(const test::raw_reply& reply) {
    return json::parse(reply.body).as_object();
}

std::string message_of(const test::raw_reply& reply) {
    return std::string(object_of(reply).at("error").at("message").as_string());
}

// What every error of the API has: for the network's readers and for its SDK's.
void expect_error(const test::raw_reply& reply, int status) {
    EXPECT_EQ(reply.status, status) << reply.body;
    ASSERT_EQ(reply["Content-Type"], "application/json");
    const auto body = object_of(reply);
    const auto message = message_of(reply);
    EXPECT_FALSE(message.empty());
    if (status == 422)
        EXPECT_TRUE(body.at("detail").is_array()) << reply.body;
    else
        EXPECT_EQ(body.at("detail").at("msg").as_string(), message);
}

// From the client's leaving to the end of the call at the orchestrator.
#ifdef RIVULET_SANITIZED
constexpr auto promptly = milliseconds(1'000);
#else
constexpr auto promptly = milliseconds(100);
#endif

std::string path_of(const batch::pipeline& kind) {
    return "/" + std::string(kind.name);
}

bool takes_form(const batch::pipeline& kind) {
    return kind.body == batch::body_kind::multipart;
}

batch_rig_options with(std::size_t orchestrators) {
    batch_rig_options out;
    out.orchestrators = orchestrators;
    return out;
}

awaitable<int> throw_soon() {
    asio::steady_timer timer(co_await asio::this_coro::executor, milliseconds(1));
    co_await timer.async_wait(as_tuple);
    throw std::runtime_error("a mistake of ours");
}

awaitable<void> throw_while_watched(http::exchange& peer) {
    batch::client_watch watch(peer);
    co_await watch.run(throw_soon());
}

// So many requests stand in the queue, soon.
bool wait_in_line(batch_rig& rig, std::size_t count) {
    const auto line = "rivulet_batch_waiting " + std::to_string(count) + "\n";
    return test::eventually([&] { return rig.metrics().text().find(line) != std::string::npos; });
}

TEST(batch_conformance, s16_another_method_gets_405_and_is_told_which_is_allowed) {
    batch_rig rig(0);
    for (const auto& kind : batch::catalog())
        for (const std::string method : {"GET", "PUT", "DELETE", "PATCH"}) {
            SCOPED_TRACE(method + " " + path_of(kind));
            const auto reply = ask(rig.port(), request_text(method, path_of(kind)));
            expect_error(reply, 405);
            EXPECT_THAT(reply["Allow"], HasSubstr("POST"));
        }
}

TEST(batch_conformance, s17_a_missing_file_is_a_400_before_anybody_is_asked) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        if (!takes_form(kind))
            continue;
        SCOPED_TRACE(path_of(kind));
        form_text form;
        if (kind.find("prompt"))
            form.value("prompt", "a cat");
        const auto reply = rig.post(path_of(kind), form);
        expect_error(reply, 400);
        EXPECT_THAT(message_of(reply), HasSubstr(std::string(kind.file_field())));
    }
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_conformance, s18_a_file_that_is_none_is_a_400_and_suspends_nobody) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        if (!takes_form(kind))
            continue;
        SCOPED_TRACE(path_of(kind));
        form_text form;
        form.file(kind.file_field(), "this is neither a picture nor sound");
        if (kind.find("prompt"))
            form.value("prompt", "a cat");
        const auto reply = rig.post(path_of(kind), form);
        expect_error(reply, 400);
        EXPECT_EQ(object_of(reply).at("error").at("field").as_string(), kind.file_field());
    }
    EXPECT_EQ(rig.asked(), 0u);
    EXPECT_THAT(rig.suspended(), IsEmpty());
}

TEST(batch_conformance, s24_speech_without_a_text_is_a_400) {
    batch_rig rig(1);
    const auto reply = rig.post("/text-to-speech", "{}");
    expect_error(reply, 400);
    EXPECT_THAT(message_of(reply), HasSubstr("text field is required"));
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_conformance, s25_a_conversation_needs_messages_and_nothing_else) {
    batch_rig rig(1);
    expect_error(rig.post("/llm", R"({"max_tokens":10})"), 400);
    EXPECT_EQ(rig.asked(), 0u);
    const auto reply = rig.post("/llm", R"({"messages":[{"role":"user","content":"hello"}]})");
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(rig[0].last().value("max_tokens"), "256");
}

TEST(batch_conformance, s30_without_an_orchestrator_every_pipeline_says_503_soon) {
    batch_rig rig(0);
    for (const auto& kind : batch::catalog()) {
        SCOPED_TRACE(path_of(kind));
        const auto before = steady_clock::now();
        expect_error(ask(rig.port(), rig.good_request(kind.name)), 503);
        EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(5));
    }
}

TEST(batch_conformance, s40_the_outgoing_request_has_the_networks_three_headers) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        SCOPED_TRACE(path_of(kind));
        const auto reply =
            ask(rig.port(), rig.good_request(kind.name, "Authorization: Bearer of-the-client\r\n"));
        EXPECT_EQ(reply.status, 200) << reply.body;
        const auto asked = rig[0].last();
        EXPECT_EQ(asked.pipeline, kind.name);
        EXPECT_EQ(asked.headers.at("authorization"), "Livepeer-AI-Worker-1.0");
        EXPECT_FALSE(asked.headers.at("livepeer-segment").empty());
        EXPECT_TRUE(asked.headers.contains("livepeer-payment"));
    }
}

TEST(batch_conformance, s41_a_client_that_leaves_takes_its_request_along) {
    batch_rig rig(1);
    rig[0].answer_with([](const auto&) {
        batch_reply never;
        never.hang = true;
        return never;
    });
    std::size_t left = 0;
    for (const std::string_view name : {"text-to-image", "image-to-image", "llm"}) {
        SCOPED_TRACE(name);
        raw_client client(rig.port());
        client.send(rig.good_request(name));
        rig[0].wait_for(++left);
        client.close();
        EXPECT_LT(rig[0].wait_for_left_early(left), promptly);
    }
    EXPECT_THAT(rig.suspended(), IsEmpty());
}

TEST(batch_conformance, s44_every_error_is_readable_for_both_kinds_of_clients) {
    batch_rig rig(0);
    for (const auto& kind : batch::catalog()) {
        SCOPED_TRACE(path_of(kind));
        expect_error(rig.post(path_of(kind), "{"), 400);
        expect_error(rig.post(path_of(kind), ""), 400);
        expect_error(rig.get(path_of(kind)), 405);
        expect_error(ask(rig.port(), rig.good_request(kind.name)), 503);
    }
    expect_error(rig.get("/no-such-pipeline"), 404);
}

TEST(batch_conformance, s46_healthz_is_200) {
    test::live_rig rig({});
    EXPECT_EQ(rig.get("/healthz").status, 200);
    const auto head = rig.call("HEAD", "/healthz");
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.body, "");
}

TEST(batch_conformance, s49_a_token_makes_no_difference_unless_keys_are_asked_for) {
    batch_rig open_to_all(1);
    EXPECT_EQ(ask(open_to_all.port(), open_to_all.good_request("llm")).status, 200);
    EXPECT_EQ(
        ask(open_to_all.port(),
            open_to_all.good_request("llm", "Authorization: Bearer whatever\r\n"))
            .status,
        200
    );
    auto wanted = with(1);
    wanted.check = [](ingest::access_request who) -> awaitable<outcome<void>> {
        if (who.key != "right")
            co_return failure(errc::unauthorized, "a key is needed");
        co_return outcome<void>();
    };
    batch_rig closed(std::move(wanted));
    for (const auto& kind : batch::catalog()) {
        SCOPED_TRACE(path_of(kind));
        const auto none = ask(closed.port(), closed.good_request(kind.name));
        expect_error(none, 401);
        EXPECT_TRUE(none.has("WWW-Authenticate"));
        expect_error(
            ask(closed.port(), closed.good_request(kind.name, "Authorization: Bearer wrong\r\n")),
            401
        );
    }
    EXPECT_EQ(closed.asked(), 0u);
    const auto right = closed.good_request("llm", "Authorization: Bearer right\r\n");
    EXPECT_EQ(ask(closed.port(), right).status, 200);
    EXPECT_EQ(closed.get("/models").status, 401);
    EXPECT_EQ(closed.get("/openapi.json").status, 200);
}

TEST(batch_conformance, s50_json_needs_no_content_type) {
    batch_rig rig(1);
    const auto request = rig.good_request("text-to-image");
    ASSERT_THAT(request, testing::Not(HasSubstr("Content-Type")));
    EXPECT_EQ(ask(rig.port(), request).status, 200);
}

TEST(batch_service, ends_an_event_stream_whose_client_leaves) {
    batch_rig rig(1);
    auto endless = fake_batch_orchestrator::stream({});
    endless.events = {"data: " + fake_batch_orchestrator::chunk("once") + "\n\n"};
    endless.hang_after_events = true;
    rig[0].answer_next(endless);
    raw_client client(rig.port());
    client.send(request_with_body(
        "POST", "/llm", R"({"messages":[{"role":"user","content":"hello"}],"stream":true})"
    ));
    EXPECT_EQ(client.read_head()["Content-Type"], "text/event-stream");
    EXPECT_THAT(client.read_chunk(), HasSubstr("once"));
    client.close();
    EXPECT_LT(rig[0].wait_for_left_early(1), promptly);
    EXPECT_THAT(rig.suspended(), IsEmpty());
}

TEST(batch_service, gives_urls_that_begin_as_the_operator_says) {
    const auto url_from = [](batch_rig& rig) {
        const auto reply = ask(rig.port(), rig.good_request("text-to-image"));
        return std::string(object_of(reply).at("images").as_array().at(0).at("url").as_string());
    };
    batch_rig paths(1);
    const auto path = url_from(paths);
    EXPECT_THAT(path, MatchesRegex("/stream/[0-9a-f]+/[0-9a-f]+\\.png"));
    EXPECT_EQ(paths.get(path).body, fake_batch_orchestrator::png());
    auto wanted = with(1);
    wanted.service.absolute_urls = true;
    batch_rig absolute(wanted);
    // The host that the client of this test names.
    EXPECT_THAT(url_from(absolute), MatchesRegex("http://[^/]+/stream/.*\\.png"));
    wanted.service.gateway_host = "gate.example:8935";
    batch_rig named(wanted);
    EXPECT_THAT(url_from(named), testing::StartsWith("http://gate.example:8935/stream/"));
}

TEST(batch_service, counts_replies_and_says_how_full_it_is) {
    batch_rig rig(1);
    ask(rig.port(), rig.good_request("llm"));
    rig.post("/llm", "{");
    // A place is left once the reply is sent.
    EXPECT_TRUE(test::eventually([&] {
        return rig.metrics().text().find("rivulet_batch_running 0") != std::string::npos;
    }));
    const auto text = rig.metrics().text();
    EXPECT_THAT(text, HasSubstr(R"(rivulet_batch_replies_total{pipeline="llm",status="200"} 1)"));
    EXPECT_THAT(text, HasSubstr(R"(rivulet_batch_replies_total{pipeline="llm",status="400"} 1)"));
    EXPECT_THAT(text, HasSubstr("rivulet_batch_waiting 0"));
}

TEST(batch_service, names_every_reply_by_eight_hex_digits) {
    batch_rig rig(1);
    const auto good = ask(rig.port(), rig.good_request("text-to-image"));
    EXPECT_EQ(good.status, 200);
    EXPECT_THAT(good["X-Request-Id"], MatchesRegex("[0-9a-f]{8}"));
    const auto bad = rig.post("/text-to-image", "{");
    EXPECT_THAT(bad["X-Request-Id"], MatchesRegex("[0-9a-f]{8}"));
    EXPECT_EQ(object_of(bad).at("request_id").as_string(), bad["X-Request-Id"]);
}

TEST(batch_service, lets_a_further_request_wait_and_sends_one_too_many_away) {
    auto wanted = with(1);
    wanted.service.running = 1;
    wanted.service.waiting = 1;
    batch_rig rig(std::move(wanted));
    batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    raw_client first(rig.port()), second(rig.port());
    first.send(rig.good_request("text-to-image"));
    rig[0].wait_for(1);
    second.send(rig.good_request("llm"));
    ASSERT_TRUE(wait_in_line(rig, 1));
    const auto third = ask(rig.port(), rig.good_request("llm"));
    expect_error(third, 429);
    EXPECT_TRUE(third.has("Retry-After"));
    first.close();
    EXPECT_EQ(second.read_reply().status, 200);
    EXPECT_EQ(rig.asked(), 2u);
}

TEST(batch_service, forgets_a_client_that_leaves_while_it_waits) {
    auto wanted = with(1);
    wanted.service.running = 1;
    wanted.service.waiting = 1;
    batch_rig rig(std::move(wanted));
    batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    raw_client first(rig.port());
    first.send(rig.good_request("text-to-image"));
    rig[0].wait_for(1);
    {
        raw_client second(rig.port());
        second.send(rig.good_request("llm"));
        ASSERT_TRUE(wait_in_line(rig, 1));
    }
    ASSERT_TRUE(wait_in_line(rig, 0));
    raw_client third(rig.port());
    third.send(rig.good_request("llm"));
    ASSERT_TRUE(wait_in_line(rig, 1));
    first.close();
    EXPECT_EQ(third.read_reply().status, 200);
    EXPECT_EQ(rig.asked(), 2u);
}

TEST(batch_service, answers_pipelined_requests_one_after_another) {
    batch_rig rig(1);
    raw_client client(rig.port());
    client.send(
        rig.good_request("llm") + rig.good_request("text-to-speech") +
        request_text("GET", "/readyz")
    );
    EXPECT_EQ(client.read_reply().status, 200);
    EXPECT_EQ(client.read_reply().status, 200);
    client.read_reply();
    EXPECT_EQ(rig.asked(), 2u);
}

TEST(batch_service, ends_what_is_under_way_when_it_stops) {
    batch_rig rig(1);
    rig[0].answer_with([](const auto&) {
        batch_reply never;
        never.hang = true;
        return never;
    });
    raw_client client(rig.port());
    client.send(rig.good_request("text-to-image"));
    rig[0].wait_for(1);
    const auto before = steady_clock::now();
    rig.stop();
    EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(3));
    EXPECT_TRUE(client.ends());
}

TEST(client_watch, passes_on_what_its_work_throws) {
    shards threads(1);
    http::server server(threads, http::server_options(), logger("http"));
    server.exchange_route(http::verb::get, "/", [](const http::request&, http::exchange& peer) {
        return throw_while_watched(peer);
    });
    const auto port = *server.listen("127.0.0.1:0");
    EXPECT_EQ(ask(port, request_text("GET", "/")).status, 500);
    server.stop(duration::zero());
}

TEST(batch_service, says_who_is_there_and_how_it_is_asked) {
    batch_rig rig(1);
    const auto document = rig.get("/openapi.json");
    EXPECT_EQ(document.status, 200);
    EXPECT_TRUE(object_of(document).at("paths").as_object().contains("/text-to-image"));
    EXPECT_EQ(rig.get("/docs").status, 200);
    EXPECT_TRUE(object_of(rig.get("/models")).contains("pipelines"));
    EXPECT_EQ(object_of(rig.get("/v1/models")).at("object").as_string(), "list");
    EXPECT_EQ(rig.get("/v1/models/nobody-has-this").status, 404);
}

TEST(batch_service, is_ready_once_somebody_is_known) {
    batch_rig nobody(0);
    const auto no = nobody.get("/readyz");
    EXPECT_EQ(no.status, 503);
    EXPECT_TRUE(no.has("Retry-After"));
    batch_rig rig(1);
    ask(rig.port(), rig.good_request("llm"));
    EXPECT_EQ(rig.get("/readyz").status, 200);
}

TEST(batch_service, takes_a_conversation_under_openais_name) {
    batch_rig rig(1);
    const auto reply = rig.post(
        "/v1/chat/completions", R"({"model":"m","messages":[{"role":"user","content":"hello"}]})"
    );
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(object_of(reply).at("object").as_string(), "chat.completion");
    EXPECT_EQ(rig[0].last().pipeline, "llm");
    const auto bad = rig.post("/v1/chat/completions", "{");
    EXPECT_EQ(bad.status, 400);
    EXPECT_TRUE(object_of(bad).at("error").as_object().contains("type"));
}

TEST(batch_service, puts_a_request_off_that_prefers_it) {
    batch_rig rig(1);
    const auto reply =
        ask(rig.port(), rig.good_request("text-to-image", "Prefer: wait=1, Respond-Async\r\n"));
    ASSERT_EQ(reply.status, 202) << reply.body;
    EXPECT_EQ(reply["Preference-Applied"], "respond-async");
    EXPECT_THAT(reply["Location"], HasSubstr("/jobs/"));
    rig[0].wait_for(1);
}

} // namespace
} // namespace rivulet
