// Bodies that mean harm or go wrong: too large, too slow, cut off, of the wrong shape. Each gets
// its answer, nothing of it stays, and the next client is served.
#include "batch/catalog.hpp"
#include "support/batch_rig.hpp"
#include "support/process_state.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

namespace rivulet {
namespace {

using test::ask;
using test::batch_reply;
using test::batch_rig;
using test::batch_rig_options;
using test::fake_batch_orchestrator;
using test::form_text;
using test::milliseconds;
using test::open_request;
using test::raw_client;
using test::raw_reply;
using test::request_text;
using testing::HasSubstr;

std::string path_of(const batch::pipeline& kind) {
    return "/" + std::string(kind.name);
}

bool takes_form(const batch::pipeline& kind) {
    return kind.body == batch::body_kind::multipart;
}

std::string message_of(const raw_reply& reply) {
    const auto body = boost::json::parse(reply.body).as_object();
    return std::string(body.at("error").at("message").as_string());
}

// The body of a good request, and its headers.
std::pair<std::string, std::string> split_request(batch_rig& rig, const batch::pipeline& kind) {
    auto all = rig.good_request(kind.name);
    const auto end = all.find("\r\n\r\n") + 4;
    return {all.substr(0, end), all.substr(end)};
}

bool soon(const std::function<bool()>& condition) {
    const auto until = steady_clock::now() + std::chrono::seconds(5);
    while (!condition() && steady_clock::now() < until)
        std::this_thread::sleep_for(milliseconds(5));
    return condition();
}

TEST(batch_uploads, every_route_takes_a_body_at_its_limit_and_refuses_one_past_it) {
    for (const auto& kind : batch::catalog()) {
        SCOPED_TRACE(path_of(kind));
        std::size_t size = 0;
        {
            batch_rig probe(0);
            size = split_request(probe, kind).second.size();
        }
        batch_rig_options wanted;
        wanted.service.reading.json_bytes = wanted.service.reading.form_bytes = size;
        batch_rig rig(wanted);
        EXPECT_EQ(ask(rig.port(), rig.good_request(kind.name)).status, 200);
        // One byte more behind the good body.
        const auto extra = takes_form(kind) ? form_text::header() : std::string();
        const auto longer = split_request(rig, kind).second + " ";
        const auto declared = rig.post(path_of(kind), longer, extra);
        EXPECT_EQ(declared.status, 413);
        EXPECT_THAT(message_of(declared), HasSubstr(std::to_string(size)));
        raw_client client(rig.port());
        client.send(open_request("POST", path_of(kind), extra)).send_chunk(longer).end_chunks();
        EXPECT_EQ(client.read_reply().status, 413);
        EXPECT_EQ(rig.asked(), 1u);
        EXPECT_EQ(rig.spooled(), 0u);
    }
}

TEST(batch_uploads, a_dripping_body_is_cut_on_every_route) {
    batch_rig_options wanted;
    wanted.orchestrators = 0;
    wanted.service.reading.pace.silence = milliseconds(100);
    wanted.service.reading.pace.bytes_per_second = 10'000;
    batch_rig rig(wanted);
    std::vector<raw_client> drips;
    for (const auto& kind : batch::catalog()) {
        const auto [head, body] = split_request(rig, kind);
        drips.emplace_back(rig.port()).send(head + body.substr(0, 1));
    }
    const auto before = steady_clock::now();
    for (int i = 0; i < 6; ++i) {
        std::this_thread::sleep_for(milliseconds(10));
        for (auto& each : drips)
            each.send("x");
    }
    for (auto& each : drips) {
        const auto reply = each.read_reply();
        EXPECT_EQ(reply.status, 408);
        EXPECT_THAT(message_of(reply), HasSubstr("slowly"));
    }
    EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(3));
}

TEST(batch_uploads, a_body_must_keep_its_average) {
    batch_rig_options wanted;
    wanted.orchestrators = 0;
    wanted.service.reading.pace.head_start = milliseconds(100);
    wanted.service.reading.pace.average_per_second = 1'000'000;
    batch_rig rig(wanted);
    raw_client client(rig.port());
    client.send(request_text("POST", "/llm", "Content-Length: 1000000\r\n") + "{");
    const auto before = steady_clock::now();
    const auto reply = client.read_reply();
    EXPECT_EQ(reply.status, 408);
    EXPECT_THAT(message_of(reply), HasSubstr("slowly"));
    EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(3));
}

TEST(batch_uploads, more_slow_clients_than_places_keep_nobody_waiting) {
    batch_rig_options wanted;
    wanted.service.running = 2;
    wanted.service.waiting = 2;
    batch_rig rig(wanted);
    std::vector<raw_client> slow;
    for (int round = 0; round < 3; ++round)
        for (const auto& kind : batch::catalog()) {
            const auto [head, body] = split_request(rig, kind);
            slow.emplace_back(rig.port()).send(head + body.substr(0, body.size() / 2));
        }
    ASSERT_TRUE(rig.comes_to("rivulet_batch_reading", static_cast<double>(slow.size())));
    EXPECT_EQ(rig.number("rivulet_batch_running"), 0);
    const auto before = steady_clock::now();
    EXPECT_EQ(ask(rig.port(), rig.good_request("llm")).status, 200);
    EXPECT_EQ(ask(rig.port(), rig.good_request("image-to-image")).status, 200);
    EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(5));
    // They are not forgotten: each gets its turn once it has sent the rest.
    std::size_t at = 0;
    for (int round = 0; round < 3; ++round)
        for (const auto& kind : batch::catalog()) {
            const auto body = split_request(rig, kind).second;
            auto& client = slow[at++];
            client.send(std::string_view(body).substr(body.size() / 2));
            EXPECT_EQ(client.read_reply().status, 200) << path_of(kind);
        }
    EXPECT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 0));
}

TEST(batch_uploads, a_client_that_does_not_read_its_answer_keeps_nobody_waiting) {
    batch_rig_options wanted;
    wanted.service.running = 1;
    wanted.service.waiting = 0;
    batch_rig rig(wanted);
    const auto long_text = std::string(16u << 20, 'x');
    rig[0].answer_next(fake_batch_orchestrator::json(
        R"({"choices":[{"message":{"role":"assistant","content":")" + long_text + R"("}}]})"
    ));
    raw_client deaf(rig.port());
    deaf.shrink_receive_buffer();
    deaf.send(rig.good_request("llm"));
    rig[0].wait_for(1);
    ASSERT_TRUE(rig.comes_to("rivulet_batch_running", 0));
    EXPECT_EQ(ask(rig.port(), rig.good_request("llm")).status, 200);
    EXPECT_EQ(deaf.read_head().status, 200);
}

// So much of a good body of /llm, and then nothing.
raw_client& hold_memory(raw_client& client, std::size_t bytes) {
    std::string body = R"({"messages":[{"role":"user","content":")";
    body.resize(bytes, 'x');
    const auto length = "Content-Length: " + std::to_string(bytes + 1) + "\r\n";
    return client.send(request_text("POST", "/llm", length) + body);
}

std::string conversation_of(std::size_t size) {
    std::string body = R"({"messages":[{"role":"user","content":")";
    const std::string end = R"("}]})";
    body.resize(size - end.size(), 'x');
    return body + end;
}

TEST(batch_uploads, bodies_fill_half_of_the_memory_and_not_a_byte_more) {
    constexpr std::size_t half = 4'000'000;
    for (const bool one_past : {false, true}) {
        SCOPED_TRACE(one_past);
        batch_rig_options wanted;
        wanted.service.memory = 2 * half;
        batch_rig rig(wanted);
        std::optional<raw_client> holds(rig.port());
        hold_memory(*holds, half - 50'000 + (one_past ? 1 : 0));
        ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", half - 50'000, 1e9));
        // Read to its end when it fits; what its fields take is looked at later.
        raw_client next(rig.port());
        next.send(
            request_text("POST", "/llm", "Content-Length: 60000\r\n") +
            conversation_of(60'000).substr(0, 50'000)
        );
        if (one_past) {
            const auto reply = next.read_reply();
            EXPECT_EQ(reply.status, 503);
            EXPECT_TRUE(reply.has("Retry-After"));
            EXPECT_THAT(message_of(reply), HasSubstr("memory"));
        } else {
            ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", half));
            EXPECT_TRUE(next.silent_for(milliseconds(20)));
        }
        EXPECT_EQ(rig.asked(), 0u);
        // Whoever comes once they have left is served.
        holds.reset();
        next.close();
        ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 0));
        EXPECT_EQ(rig.post("/llm", conversation_of(60'000)).status, 200);
        EXPECT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 0));
    }
}

TEST(batch_uploads, a_body_that_could_never_fit_is_too_large) {
    batch_rig_options wanted;
    wanted.service.memory = 2'000'000;
    batch_rig rig(wanted);
    for (const std::string path : {"/llm", "/v1/chat/completions"}) {
        SCOPED_TRACE(path);
        const auto body = conversation_of(1'000'001);
        const auto announced = rig.post(path, body);
        raw_client client(rig.port());
        client.send(open_request("POST", path)).send_chunk(body).end_chunks();
        for (const auto& reply : {announced, client.read_reply()}) {
            EXPECT_EQ(reply.status, 413) << reply.body;
            EXPECT_FALSE(reply.has("Retry-After"));
            EXPECT_THAT(message_of(reply), HasSubstr("1000000 bytes"));
            EXPECT_THAT(message_of(reply), HasSubstr("-batchMemory"));
        }
        EXPECT_EQ(rig.asked(), 0u);
    }
    // As long as it may be: what is said in it takes a little less than its text does.
    EXPECT_EQ(rig.post("/llm", conversation_of(990'000)).status, 200);
    const auto spaces = std::string(1'000'000 - 60, ' ') + conversation_of(60);
    EXPECT_EQ(rig.post("/llm", spaces).status, 200);
    EXPECT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 0));
}

TEST(batch_uploads, the_smaller_of_two_limits_is_the_one_that_is_told) {
    batch_rig_options wanted;
    wanted.service.memory = 2'000'000;
    wanted.service.reading.json_bytes = 1'000'000;
    batch_rig rig(wanted);
    const auto reply = rig.post("/llm", conversation_of(1'000'001));
    EXPECT_EQ(reply.status, 413);
    EXPECT_THAT(message_of(reply), testing::Not(HasSubstr("-batchMemory")));
}

TEST(batch_uploads, values_of_a_text_that_anybody_wrote_are_counted_before_they_are_made) {
    constexpr std::size_t half = 1'000'000;
    batch_rig_options wanted;
    wanted.service.memory = 2 * half;
    batch_rig rig(wanted);
    const auto hostile = [](std::size_t count) {
        std::string body = R"({"messages":[{"role":"user","content":"x"}],"user":[[0])";
        for (std::size_t i = 1; i < count; ++i)
            body += ",[0]";
        return body + "]}";
    };
    const std::string path = "/v1/chat/completions";
    // Forty times its text.
    const auto never = rig.post(path, hostile(25'000));
    EXPECT_EQ(never.status, 413) << never.body;
    EXPECT_FALSE(never.has("Retry-After"));
    EXPECT_THAT(message_of(never), HasSubstr("-batchMemory"));
    EXPECT_EQ(rig.asked(), 0u);
    EXPECT_EQ(rig.post(path, hostile(2'000)).status, 200);
    std::optional<raw_client> holds(rig.port());
    hold_memory(*holds, half - 50'000);
    ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", half - 50'000, 1e9));
    const auto full = rig.post(path, hostile(2'000));
    EXPECT_EQ(full.status, 503) << full.body;
    EXPECT_TRUE(full.has("Retry-After"));
    EXPECT_EQ(rig.asked(), 1u);
    holds.reset();
    EXPECT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 0));
}

TEST(batch_uploads, answers_have_room_when_bodies_have_none) {
    constexpr std::size_t half = 4'000'000;
    batch_rig_options wanted;
    wanted.service.memory = 2 * half;
    batch_rig rig(wanted);
    auto late = fake_batch_orchestrator::json(
        R"({"choices":[{"message":{"role":"assistant","content":")" + std::string(1'000'000, 'x') +
        R"("}}]})"
    );
    late.delay = milliseconds(300);
    rig[0].answer_next(late);
    raw_client worked_on(rig.port());
    worked_on.send(rig.good_request("llm"));
    rig[0].wait_for(1);
    raw_client holds(rig.port());
    hold_memory(holds, half - 20'000);
    ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", half - 20'000, 1e9));
    EXPECT_EQ(rig.post("/llm", conversation_of(60'000)).status, 503);
    EXPECT_EQ(worked_on.read_reply().status, 200);
}

TEST(batch_uploads, small_values_count_as_what_they_take) {
    batch_rig_options wanted;
    wanted.service.memory = 1'000'000;
    batch_rig rig(wanted);
    // 120 kB of text, most of a megabyte in memory.
    std::string messages = R"({"role":"user","content":"x"})";
    for (int i = 0; i < 3'999; ++i)
        messages += R"(,{"role":"user","content":"x"})";
    const auto reply = rig.post("/llm", R"({"messages":[)" + messages + "]}");
    // However empty the memory is, they don't fit into the half that bodies may fill.
    EXPECT_EQ(reply.status, 413) << reply.body;
    EXPECT_FALSE(reply.has("Retry-After"));
    EXPECT_THAT(message_of(reply), HasSubstr("500000"));
    EXPECT_THAT(message_of(reply), HasSubstr("-batchMemory"));
    EXPECT_EQ(rig.asked(), 0u);
    EXPECT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 0));
}

std::string said_in(std::size_t size) {
    return R"({"choices":[{"message":{"role":"assistant","content":")" + std::string(size, 'x') +
           R"("}}]})";
}

TEST(batch_uploads, a_job_waits_for_memory_instead_of_failing) {
    batch_rig_options wanted;
    wanted.service.memory = 2'000'000;
    wanted.service.jobs.pause_when_full = milliseconds(20);
    batch_rig rig(wanted);
    std::optional<raw_client> holds(rig.port());
    hold_memory(*holds, 900'000);
    ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 900'000, 1e9));
    rig[0].answer_next(fake_batch_orchestrator::json(said_in(1'500'000)));
    rig[0].answer_with([](const auto&) { return fake_batch_orchestrator::json(said_in(10)); });
    const auto accepted = ask(rig.port(), rig.good_request("llm", "Prefer: respond-async\r\n"));
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    const auto where = accepted["Location"];
    EXPECT_TRUE(soon([&] { return rig.get(where).body.find("xxxxxxxxxx") != std::string::npos; }))
        << rig.get(where).body;
    EXPECT_EQ(rig.asked(), 2u);
}

TEST(batch_uploads, a_job_gives_up_after_three_answers_that_found_no_memory) {
    batch_rig_options wanted;
    wanted.service.memory = 2'000'000;
    wanted.service.jobs.pause_when_full = milliseconds(20);
    batch_rig rig(wanted);
    raw_client holds(rig.port());
    hold_memory(holds, 900'000);
    ASSERT_TRUE(rig.comes_to("rivulet_batch_memory_bytes", 900'000, 1e9));
    rig[0].answer_with([](const auto&) { return fake_batch_orchestrator::json(said_in(1'500'000)); }
    );
    const auto accepted = ask(rig.port(), rig.good_request("llm", "Prefer: respond-async\r\n"));
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    const auto where = accepted["Location"];
    EXPECT_TRUE(soon([&] { return rig.get(where).body.find("in memory") != std::string::npos; }))
        << rig.get(where).body;
    EXPECT_EQ(rig.asked(), 3u);
    EXPECT_THAT(rig.suspended(), testing::IsEmpty());
}

TEST(batch_uploads, openais_name_has_the_same_limits) {
    batch_rig_options wanted;
    wanted.service.reading.json_bytes = 100;
    wanted.service.reading.pace.silence = milliseconds(50);
    wanted.service.reading.pace.bytes_per_second = 10'000;
    batch_rig rig(wanted);
    const std::string path = "/v1/chat/completions";
    const auto large = rig.post(path, std::string(101, ' '));
    EXPECT_EQ(large.status, 413);
    EXPECT_THAT(message_of(large), HasSubstr("100 bytes"));
    EXPECT_EQ(rig.post(path, "{").status, 400);
    EXPECT_EQ(rig.post(path, "").status, 400);
    EXPECT_EQ(rig.get(path).status, 405);
    raw_client slow(rig.port());
    slow.send(request_text("POST", path, "Content-Length: 50\r\n") + "{");
    EXPECT_EQ(slow.read_reply().status, 408);
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_uploads, a_truncated_body_on_every_route_costs_nothing) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        SCOPED_TRACE(path_of(kind));
        const auto [head, body] = split_request(rig, kind);
        raw_client client(rig.port());
        client.send(head + body.substr(0, body.size() / 2));
        client.finish_sending();
        EXPECT_TRUE(client.ends());
    }
    EXPECT_EQ(rig.asked(), 0u);
    EXPECT_TRUE(soon([&] { return rig.spooled() == 0; }));
    EXPECT_EQ(ask(rig.port(), rig.good_request("llm")).status, 200);
}

TEST(batch_uploads, a_form_without_its_end_is_a_bad_request) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        if (!takes_form(kind))
            continue;
        SCOPED_TRACE(path_of(kind));
        const auto [head, body] = split_request(rig, kind);
        const auto reply =
            rig.post(path_of(kind), body.substr(0, body.size() - 6), form_text::header());
        EXPECT_EQ(reply.status, 400);
        EXPECT_THAT(message_of(reply), HasSubstr("multipart"));
    }
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_conformance, s14_a_route_for_forms_takes_nothing_else) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        if (!takes_form(kind))
            continue;
        SCOPED_TRACE(path_of(kind));
        const auto json =
            rig.post(path_of(kind), R"({"prompt":"x"})", "Content-Type: application/json\r\n");
        EXPECT_EQ(json.status, 400);
        EXPECT_EQ(message_of(json), "request Content-Type isn't multipart/form-data");
        const auto none = rig.post(
            path_of(kind), split_request(rig, kind).second, "Content-Type: multipart/form-data\r\n"
        );
        EXPECT_EQ(none.status, 400);
        EXPECT_EQ(message_of(none), "no multipart boundary param in Content-Type");
    }
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_uploads, wrong_types_are_named) {
    batch_rig rig(1);
    const auto height = rig.post("/text-to-image", R"({"prompt":"a cat","height":"512"})");
    EXPECT_EQ(height.status, 400);
    EXPECT_THAT(message_of(height), HasSubstr("height"));
    const auto text = rig.post("/text-to-speech", R"({"text":7})");
    EXPECT_EQ(text.status, 400);
    EXPECT_THAT(message_of(text), HasSubstr("text"));
    const auto messages = rig.post("/llm", R"({"messages":"hello"})");
    EXPECT_EQ(messages.status, 400);
    EXPECT_THAT(message_of(messages), HasSubstr("messages"));
    form_text form;
    form.file("image", fake_batch_orchestrator::png()).value("prompt", "x").value("seed", "");
    const auto seed = rig.post("/image-to-image", form);
    EXPECT_EQ(seed.status, 400);
    EXPECT_THAT(message_of(seed), HasSubstr("seed"));
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_uploads, a_compressed_body_is_not_taken_for_a_plain_one) {
    batch_rig rig(1);
    const auto reply = rig.post("/llm", "\x1f\x8b\x08", "Content-Encoding: gzip\r\n");
    EXPECT_EQ(reply.status, 415);
    EXPECT_EQ(rig.asked(), 0u);
}

TEST(batch_uploads, a_client_that_asks_first_is_told_to_go_on_or_not) {
    batch_rig_options wanted;
    wanted.service.reading.json_bytes = 1'000;
    batch_rig rig(wanted);
    raw_client good(rig.port());
    const std::string body = R"({"prompt":"a cat"})";
    const auto head = [](std::size_t size) {
        return request_text(
            "POST",
            "/text-to-image",
            "Expect: 100-continue\r\nContent-Length: " + std::to_string(size) + "\r\n"
        );
    };
    good.send(head(body.size()));
    EXPECT_EQ(good.read_head().status, 100);
    EXPECT_EQ(good.send(body).read_reply().status, 200);
    raw_client large(rig.port());
    large.send(head(1'001));
    EXPECT_EQ(large.read_reply().status, 413);
    EXPECT_EQ(large.interim_replies(), 0);
}

TEST(batch_uploads, a_connection_goes_on_after_a_bad_request) {
    batch_rig rig(1);
    raw_client client(rig.port());
    client.send(test::request_with_body("POST", "/llm", "{"));
    EXPECT_EQ(client.read_reply().status, 400);
    client.send(rig.good_request("llm"));
    EXPECT_EQ(client.read_reply().status, 200);
}

// Sanitizers look at every byte.
#ifdef RIVULET_SANITIZED
constexpr std::size_t large = 16u << 20;
#else
constexpr std::size_t large = 64u << 20;
#endif

batch_rig_options patient() {
    batch_rig_options out;
    out.service.dispatch.attempt = out.service.dispatch.request = std::chrono::seconds(60);
    return out;
}

raw_reply post_large(batch_rig& rig, const std::string& path, const form_text& form) {
    raw_client client(rig.port());
    client.deadline(milliseconds(60'000));
    client.send(test::request_with_body("POST", path, form.body(), form_text::header()));
    return client.read_reply();
}

// A picture that is still one with all of that behind it.
form_text large_upload(std::size_t size) {
    auto bytes = fake_batch_orchestrator::png();
    bytes.resize(size, '\0');
    form_text form;
    form.value("prompt", "a cat").file("image", bytes, "a.png", "image/png");
    return form;
}

TEST(batch_conformance, s47_a_large_upload_leaves_no_file_behind) {
    auto wanted = patient();
    wanted.service.reading.form_bytes = large + (1u << 20);
    batch_rig rig(wanted);
    const auto form = large_upload(large);
    // Success.
    const auto good = post_large(rig, "/image-to-image", form);
    EXPECT_EQ(good.status, 200) << good.body;
    ASSERT_EQ(rig.asked(), 1u);
    EXPECT_EQ(rig[0].last().part("image")->value.size(), large);
    EXPECT_TRUE(soon([&] { return rig.spooled() == 0; }));
    // Failure.
    rig[0].answer_with([](const auto&) {
        return batch_reply(500, "image-to-image container returned 400: no such thing");
    });
    EXPECT_EQ(post_large(rig, "/image-to-image", form).status, 400);
    EXPECT_TRUE(soon([&] { return rig.spooled() == 0; }));
    // The client leaves in the middle of it.
    {
        const auto body = form.body();
        raw_client client(rig.port());
        client.send(request_text(
            "POST",
            "/image-to-image",
            form_text::header() + "Content-Length: " + std::to_string(body.size()) + "\r\n"
        ));
        client.send(std::string_view(body).substr(0, body.size() / 2));
        EXPECT_TRUE(soon([&] { return rig.spooled() > 0; }));
    }
    EXPECT_TRUE(soon([&] { return rig.spooled() == 0; }));
    EXPECT_EQ(rig.asked(), 2u);
    // Past the cap.
    wanted.service.reading.form_bytes = 1u << 20;
    batch_rig narrow(wanted);
    EXPECT_EQ(narrow.post("/image-to-image", large_upload(2u << 20)).status, 413);
    EXPECT_TRUE(soon([&] { return narrow.spooled() == 0; }));
    EXPECT_EQ(narrow.asked(), 0u);
}

#ifndef RIVULET_SANITIZED
std::size_t resident_bytes() {
    std::size_t total = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> total >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Takes uploads and keeps nothing of them; answers once all have come.
class swallowing_orchestrator {
  public:
    swallowing_orchestrator() : server_(threads_, http::server_options(), logger("swallow")) {
        server_.exchange_route(
            http::verb::post,
            "/image-to-image",
            [this](const http::request&, http::exchange& peer) { return swallow(peer); }
        );
        port_ = *server_.listen("127.0.0.1:0");
    }

    ~swallowing_orchestrator() { server_.stop(duration::zero()); }

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

    std::uint64_t swallowed() const { return swallowed_; }

  private:
    awaitable<void> swallow(http::exchange& peer) {
        const http::body_sink count = [this](std::span<const std::uint8_t> piece) {
            swallowed_ += piece.size();
        };
        error_code failed;
        while (!failed && !peer.reader().body_done())
            failed = co_await peer.reader().read_body(count);
        http::response made;
        made.content_type = "application/json";
        made.body = R"({"images":[]})";
        co_await peer.reply(std::move(made));
    }

    std::atomic<std::uint64_t> swallowed_{0};
    shards threads_{1};
    http::server server_;
    std::uint16_t port_ = 0;
};

TEST(batch_uploads, many_at_once_need_little_memory) {
    constexpr std::size_t clients = 24, size = 8u << 20;
    batch_rig_options wanted;
    swallowing_orchestrator sink;
    wanted.others.push_back(sink.url());
    wanted.orchestrators = 0;
    batch_rig rig(wanted);
    const auto request = test::request_with_body(
        "POST", "/image-to-image", large_upload(size).body(), form_text::header()
    );
    const auto before = test::look_at_process().resident;
    std::atomic<bool> over{false};
    std::size_t most = 0;
    std::thread watching([&] {
        for (; !over; std::this_thread::sleep_for(milliseconds(20)))
            most = std::max(most, resident_bytes());
    });
    std::vector<std::thread> all;
    std::atomic<std::size_t> answered{0};
    for (std::size_t i = 0; i < clients; ++i)
        all.emplace_back([&] {
            raw_client client(rig.port());
            client.deadline(milliseconds(30'000));
            client.send(request);
            client.read_reply();
            ++answered;
        });
    for (auto& each : all)
        each.join();
    over = true;
    watching.join();
    EXPECT_EQ(answered, clients);
    EXPECT_GE(sink.swallowed(), clients * size);
    EXPECT_LT(most, before + clients * size / 2);
    EXPECT_TRUE(soon([&] { return rig.spooled() == 0; }));
}
#endif

TEST(batch_uploads, a_recording_may_have_fifty_mebibytes) {
    batch_rig rig(patient());
    const auto upload = [](std::size_t size) {
        auto bytes = test::silent_wav(2);
        bytes.resize(size, '\0');
        form_text form;
        form.file("audio", bytes, "a.wav", "audio/wav");
        return form;
    };
    EXPECT_EQ(post_large(rig, "/audio-to-text", upload(50u << 20)).status, 200);
    const auto larger = post_large(rig, "/audio-to-text", upload((50u << 20) + 1));
    EXPECT_EQ(larger.status, 413);
    EXPECT_THAT(message_of(larger), HasSubstr("50 MiB"));
    EXPECT_EQ(rig.asked(), 1u);
    EXPECT_TRUE(soon([&] { return rig.spooled() == 0; }));
}

TEST(batch_uploads, together_they_have_as_much_disk_as_the_places_need) {
    constexpr std::size_t size = 1u << 20;
    auto wanted = patient();
    wanted.service.running = 2;
    const auto form = large_upload(size);
    wanted.service.reading.form_bytes = form.body().size();
    batch_rig rig(wanted);
    const auto all =
        test::request_with_body("POST", "/image-to-image", form.body(), form_text::header());
    std::vector<raw_client> held;
    for (int i = 0; i < 2; ++i)
        held.emplace_back(rig.port()).send(std::string_view(all).substr(0, all.size() - 10));
    // All but what is still too little to be written.
    ASSERT_TRUE(rig.comes_to("rivulet_batch_upload_bytes", 2 * (size - 262'144.0), 1e9));
    const auto third = post_large(rig, "/image-to-image", form);
    EXPECT_EQ(third.status, 503);
    EXPECT_TRUE(third.has("Retry-After"));
    EXPECT_THAT(message_of(third), HasSubstr("uploads"));
    for (auto& each : held) {
        each.send(std::string_view(all).substr(all.size() - 10));
        EXPECT_EQ(each.read_reply().status, 200);
    }
    ASSERT_TRUE(rig.comes_to("rivulet_batch_upload_bytes", 0));
    EXPECT_EQ(post_large(rig, "/image-to-image", form).status, 200);
    EXPECT_EQ(rig.asked(), 3u);
}

} // namespace
} // namespace rivulet
