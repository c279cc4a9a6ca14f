// Channels over real sockets: create, delete, hooks, changefeed, sweep, stop (statements 7–12, 23,
// 24, 26, 27, 34–36, 39 of the trickle spec).
#include "support/trickle_rig.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

trickle::standalone_options no_autocreate() {
    return {};
}

// What the host process does before it hands out a URL.
void create_inside(trickle_rig& rig, const std::string& name, const std::string& mime = "") {
    ASSERT_TRUE(rig.at_home(name, [&] { return bool(rig.table().create(name, mime)); }));
}

TEST(trickle_conformance, s7_create_is_404_without_autocreate_and_200_when_it_exists) {
    trickle_rig rig(no_autocreate());
    const auto missing = rig.ask(request_text("POST", "/cam"));
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "Stream not found\n");
    EXPECT_FALSE(missing.has("Connection"));
    create_inside(rig, "cam");
    EXPECT_EQ(rig.ask(request_text("POST", "/cam")).status, 200);
    trickle_rig open;
    const auto made = open.ask(request_text("POST", "/cam"));
    EXPECT_EQ(made.status, 200);
    EXPECT_EQ(made.body, "");
    EXPECT_EQ(open.next_of("cam"), 0);
    EXPECT_EQ(open.ask(request_text("POST", "/cam")).status, 200);
    EXPECT_EQ(open.table().size(), 1u);
}

TEST(trickle_conformance, s8_create_takes_the_mime_from_expect_content) {
    trickle_rig rig;
    rig.ask(
        request_text("POST", "/cam", "Expect-Content: video/mp2t\r\nContent-Type: text/plain\r\n")
    );
    rig.ask(request_with_body("POST", "/cam/0", "x", "Content-Type: image/png\r\n"));
    EXPECT_EQ(rig.get("/cam/0")["Content-Type"], "video/mp2t");
    rig.ask(request_text("POST", "/cam", "Expect-Content: other/type\r\n"));
    EXPECT_EQ(rig.get("/cam/0")["Content-Type"], "video/mp2t");
}

TEST(trickle_conformance, s9_the_create_hook_runs_before_the_channel_exists) {
    auto options = trickle_rig::defaults();
    trickle_rig* seen_from = nullptr;
    std::atomic<bool> existed{false}, refuse{true};
    options.trickle.before_create = [&](const auto& header, const std::string& name
                                    ) -> std::optional<trickle::hook_refusal> {
        existed = seen_from->table().find(name) != nullptr;
        EXPECT_EQ(header["X-Key"], "k");
        if (refuse)
            return trickle::hook_refusal{true, 403, "no entry"};
        return std::nullopt;
    };
    trickle_rig rig(options);
    seen_from = &rig;
    const auto asked = request_text("POST", "/cam", "X-Key: k\r\n");
    const auto refused = rig.ask(asked);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.body, "no entry\n");
    EXPECT_FALSE(existed);
    EXPECT_EQ(rig.table().size(), 0u);
    refuse = false;
    EXPECT_EQ(rig.ask(asked).status, 200);
    EXPECT_FALSE(existed);
    EXPECT_EQ(rig.ask(asked).status, 200);
    EXPECT_TRUE(existed) << "it runs for an existing channel as well";
}

TEST(trickle_conformance, s10_the_delete_hook_runs_while_the_channel_exists) {
    auto options = trickle_rig::defaults();
    trickle_rig* seen_from = nullptr;
    std::atomic<bool> existed{false}, refuse{true};
    options.trickle.before_delete = [&](const auto&, const std::string& name
                                    ) -> std::optional<trickle::hook_refusal> {
        existed = seen_from->table().find(name) != nullptr;
        if (refuse)
            return trickle::hook_refusal{true, 401, ""};
        return std::nullopt;
    };
    trickle_rig rig(options);
    seen_from = &rig;
    rig.post("/cam/0", "x");
    const auto refused = rig.ask(request_text("DELETE", "/cam"));
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.body, "Unauthorized\n") << "an empty message becomes the standard phrase";
    EXPECT_TRUE(existed);
    EXPECT_EQ(rig.get("/cam/0").body, "x");
    refuse = false;
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam")).status, 200);
    EXPECT_EQ(rig.table().size(), 0u);
}

TEST(trickle_conformance, s11_hook_statuses_outside_400_to_499_become_400_and_other_errors_500) {
    auto options = trickle_rig::defaults();
    trickle::hook_refusal answer;
    options.trickle.before_create = [&](const auto&, const std::string&) {
        return std::optional(answer);
    };
    trickle_rig rig(options);
    const auto asked = [&](bool request_error, int status, std::string message) {
        answer = {request_error, status, std::move(message)};
        const auto reply = rig.ask(request_text("POST", "/cam"));
        return std::to_string(reply.status) + " " + reply.body;
    };
    EXPECT_EQ(asked(true, 400, "m"), "400 m\n");
    EXPECT_EQ(asked(true, 499, "m"), "499 m\n");
    EXPECT_EQ(asked(true, 500, "m"), "400 m\n");
    EXPECT_EQ(asked(true, 399, "m"), "400 m\n");
    EXPECT_EQ(asked(true, 0, "m"), "400 m\n");
    EXPECT_EQ(asked(true, -7, ""), "400 Bad Request\n");
    EXPECT_EQ(asked(true, 0, ""), "400 Bad Request\n");
    EXPECT_EQ(asked(true, 503, ""), "400 Service Unavailable\n");
    EXPECT_EQ(asked(true, 404, ""), "404 Not Found\n");
    EXPECT_EQ(asked(true, 471, ""), "471 Bad Request\n");
    EXPECT_EQ(asked(false, 404, "broken"), "500 broken\n");
    EXPECT_EQ(rig.table().size(), 0u);
}

TEST(trickle_conformance, s12_next_tells_the_counter) {
    trickle_rig rig;
    EXPECT_EQ(rig.get("/cam/next").status, 404);
    EXPECT_EQ(rig.get("/cam/next").body, "Stream not found\n");
    rig.ask(request_text("POST", "/cam"));
    auto reply = rig.get("/cam/next");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "0");
    EXPECT_EQ(reply["Lp-Trickle-Latest"], "0");
    EXPECT_EQ(reply["Content-Type"], "text/plain; charset=utf-8");
    rig.post("/cam/41", "x");
    reply = rig.get("/cam/next");
    EXPECT_EQ(reply.body, "42");
    EXPECT_EQ(reply["Lp-Trickle-Latest"], "42");
}

TEST(trickle_conformance, s23_deleting_a_channel_ends_waiting_gets_and_idle_posts) {
    trickle_rig rig;
    rig.post("/cam/0", "x");
    auto get = rig.waiting_get("/cam/1");
    auto ahead = rig.waiting_get("/cam/-1");
    auto post = rig.open_post("/cam/1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 1) == 3; }));
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam")).status, 200);
    for (auto* reader : {&get, &ahead}) {
        const auto reply = reader->read_reply();
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply["Lp-Trickle-Closed"], "terminated");
        EXPECT_EQ(reply["Lp-Trickle-Seq"], "1");
        EXPECT_EQ(reply.body, "");
    }
    const auto written = post.read_reply();
    EXPECT_EQ(written.status, 200);
    EXPECT_EQ(written["Lp-Trickle-Closed"], "terminated");
    EXPECT_EQ(written["Connection"], "close");
    EXPECT_TRUE(post.ends());
}

TEST(trickle_conformance, s23_a_writer_in_the_middle_is_told_as_well) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("data");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "data");
    rig.ask(request_text("DELETE", "/cam"));
    EXPECT_EQ(reader.read_chunk(), "") << "a normal end of the body";
    const auto reply = post.read_reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Lp-Trickle-Closed"], "terminated");
    EXPECT_EQ(reply["Lp-Trickle-Seq"], "0");
}

TEST(trickle_conformance, s23_so_are_writers_of_numbers_that_are_over) {
    trickle_rig rig;
    for (int i = 0; i < 8; ++i)
        rig.post("/cam/" + std::to_string(i), "x");
    auto long_gone = rig.open_post("/cam/0"); // perhaps a restart: waits for its first byte
    auto discarded = rig.open_post("/cam/8");
    discarded.send_chunk("data");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 9; }));
    rig.ask(request_text("DELETE", "/cam/8"));
    EXPECT_TRUE(long_gone.silent_for(50ms));
    rig.ask(request_text("DELETE", "/cam"));
    EXPECT_EQ(long_gone.read_reply()["Lp-Trickle-Closed"], "terminated");
    discarded.send_chunk("late");
    EXPECT_EQ(discarded.read_reply()["Lp-Trickle-Closed"], "terminated");
}

TEST(trickle_conformance, s24_everything_is_404_after_the_deletion) {
    trickle_rig rig(no_autocreate());
    create_inside(rig, "cam");
    EXPECT_EQ(rig.post("/cam/0", "x").status, 200);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam")).status, 200);
    EXPECT_EQ(rig.get("/cam/0").status, 404);
    EXPECT_EQ(rig.get("/cam/-1").status, 404);
    EXPECT_EQ(rig.get("/cam/next").status, 404);
    EXPECT_EQ(rig.post("/cam/1", "x").status, 404);
    EXPECT_EQ(rig.ask(request_text("POST", "/cam")).status, 404);
}

TEST(trickle_conformance, s26_deleting_a_segment_ends_its_readers_and_releases_an_idle_post) {
    trickle_rig rig;
    auto reader = rig.client();
    auto post = rig.open_post("/cam/0");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 0; }));
    reader.send(request_text("GET", "/cam/0"));
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 2; }));
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam/0")).status, 200);
    const auto read = reader.read_reply();
    EXPECT_EQ(read.status, 200);
    EXPECT_EQ(read.body, "");
    EXPECT_FALSE(read.has("Lp-Trickle-Closed"));
    const auto written = post.read_reply();
    EXPECT_EQ(written.status, 200);
    EXPECT_EQ(written["Connection"], "close");
    EXPECT_EQ(written["Lp-Trickle-Seq"], "0");
    EXPECT_FALSE(written.has("Lp-Trickle-Closed"));
    EXPECT_TRUE(post.ends());
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam/0")).status, 200) << "repeatable";
    EXPECT_EQ(rig.next_of("cam"), 1);
}

TEST(trickle_conformance, s26_readers_of_a_segment_with_data_end_and_its_writer_goes_on) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("data");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "data");
    rig.ask(request_text("DELETE", "/cam/0"));
    EXPECT_EQ(reader.read_chunk(), "");
    EXPECT_TRUE(post.silent_for(40ms));
    post.send_chunk("dropped").end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_EQ(rig.get("/cam/0").body, "data");
}

TEST(trickle_conformance, s27_deletions_of_what_is_not_there) {
    trickle_rig rig;
    const auto channel = rig.ask(request_text("DELETE", "/nobody"));
    EXPECT_EQ(channel.status, 400);
    EXPECT_EQ(channel.body, "Invalid stream\n");
    const auto segment = rig.ask(request_text("DELETE", "/nobody/0"));
    EXPECT_EQ(segment.status, 404);
    EXPECT_EQ(segment.body, "Stream not found\n");
    rig.post("/cam/0", "x");
    const auto absent = rig.ask(request_text("DELETE", "/cam/7"));
    EXPECT_EQ(absent.status, 400);
    EXPECT_EQ(absent.body, "Nonexistent segment\n");
    const auto malformed = rig.ask(request_text("DELETE", "/cam/x"));
    EXPECT_EQ(malformed.status, 400);
    EXPECT_EQ(malformed.body, "Invalid idx\n");
}

TEST(trickle_conformance, s34_sweeps_idle_channels_and_exempts_reserved_and_kept_ones) {
    EXPECT_EQ(trickle::table_options{}.idle_timeout, 5min);
    EXPECT_EQ(trickle::table_options{}.sweep_interval, 1min);
    auto options = trickle_rig::defaults();
    options.table.idle_timeout = 200ms;
    options.table.sweep_interval = 20ms;
    trickle_rig rig(options);
    create_inside(rig, "_own");
    create_inside(rig, "kept");
    rig.at_home("kept", [&] { rig.table().find("kept")->keep(); });
    rig.post("/idle/0", "x");
    auto waiting = rig.waiting_get("/idle/1");
    EXPECT_TRUE(waiting.silent_for(60ms)) << "not before its time";
    const auto reply = waiting.read_reply();
    EXPECT_EQ(reply["Lp-Trickle-Closed"], "terminated");
    EXPECT_EQ(rig.get("/idle/0").status, 404);
    EXPECT_EQ(rig.get("/_own/next").status, 200);
    EXPECT_EQ(rig.get("/kept/next").status, 200);
}

TEST(trickle_conformance, s35_publishes_changes_when_asked_to) {
    EXPECT_FALSE(trickle::table_options{}.changefeed);
    auto options = trickle_rig::defaults();
    options.table.changefeed = true;
    trickle_rig rig(options);
    ASSERT_TRUE(eventually([&] { return rig.next_of("_changes") == 1; }));
    auto first = rig.get("/_changes/0");
    EXPECT_EQ(first.body, R"({"added":["_changes"]})");
    EXPECT_EQ(first["Content-Type"], "application/json");
    auto added = rig.waiting_get("/_changes/1");
    rig.post("/cam/0", "autocreated");
    EXPECT_EQ(added.read_reply().body, R"({"added":["cam"]})");
    auto removed = rig.waiting_get("/_changes/2");
    rig.ask(request_text("DELETE", "/cam"));
    EXPECT_EQ(removed.read_reply().body, R"({"removed":["cam"]})");
    auto created = rig.waiting_get("/_changes/3");
    rig.ask(request_text("POST", "/other"));
    EXPECT_EQ(created.read_reply().body, R"({"added":["other"]})");
    auto inside = rig.waiting_get("/_changes/4");
    create_inside(rig, "quoted\"name");
    EXPECT_EQ(inside.read_reply().body, R"({"added":["quoted\"name"]})");
    // Its readers hear of the shutdown too, and then it ends.
    auto last = rig.waiting_get("/_changes/5");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("_changes", 5) == 1; }));
    std::thread stopping([&] { rig.stop(2s); });
    EXPECT_TRUE(last.read_reply().body.starts_with(R"({"removed":[")"));
    last.close();
    stopping.join();
}

TEST(trickle_conformance, s35_no_changes_channel_by_default) {
    trickle_rig rig;
    rig.post("/cam/0", "x");
    EXPECT_EQ(rig.get("/_changes/next").status, 404);
}

TEST(trickle_conformance, s36_an_in_process_writer_needs_a_channel_that_was_created) {
    trickle_rig rig(no_autocreate());
    EXPECT_FALSE(rig.at_home("cam", [&] { return rig.table().find("cam") != nullptr; }));
    create_inside(rig, "cam", "video/mp2t");
    EXPECT_TRUE(rig.at_home("cam", [&] { return rig.table().find("cam") != nullptr; }));
    EXPECT_EQ(rig.post("/cam/0", "x").status, 200);
    EXPECT_EQ(rig.get("/cam/0")["Content-Type"], "video/mp2t");
}

TEST(trickle_conformance, s39_stopping_ends_every_channel_with_the_end_of_stream) {
    trickle_rig rig;
    std::vector<raw_client> readers, writers;
    for (int i = 0; i < 6; ++i) {
        const auto name = "cam" + std::to_string(i);
        rig.post("/" + name + "/0", "x");
        readers.push_back(rig.waiting_get("/" + name + "/1"));
        writers.push_back(rig.open_post("/" + name + "/1"));
        ASSERT_TRUE(eventually([&] { return rig.watchers_of(name, 1) == 2; }));
    }
    std::thread stopping([&] { rig.stop(3s); });
    for (auto* clients : {&readers, &writers})
        for (auto& client : *clients) {
            const auto reply = client.read_reply();
            EXPECT_EQ(reply.status, 200);
            EXPECT_EQ(reply["Lp-Trickle-Closed"], "terminated");
            EXPECT_TRUE(client.ends());
            client.close();
        }
    stopping.join();
    EXPECT_EQ(rig.table().size(), 0u);
    EXPECT_THROW(rig.client(), raw_http_error);
}

// --- beyond the numbered ones --------------------------------------------------------------------

TEST(trickle_server_channels, other_methods_are_refused_with_what_is_allowed) {
    trickle_rig rig;
    auto reply = rig.ask(request_text("PUT", "/cam/0"));
    EXPECT_EQ(reply.status, 405);
    EXPECT_EQ(reply["Allow"], "DELETE, GET, HEAD, POST");
    reply = rig.ask(request_text("GET", "/cam"));
    EXPECT_EQ(reply.status, 405);
    EXPECT_EQ(reply["Allow"], "DELETE, POST");
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam/next")).status, 404);
    EXPECT_EQ(rig.ask(request_text("GET", "/")).status, 404);
}

TEST(trickle_server_channels, reserved_names_are_read_only_from_outside) {
    auto options = trickle_rig::defaults();
    options.table.changefeed = true;
    trickle_rig rig(options);
    ASSERT_TRUE(eventually([&] { return rig.next_of("_changes") == 1; }));
    EXPECT_EQ(rig.ask(request_text("POST", "/_mine")).status, 403);
    EXPECT_EQ(rig.post("/_mine/0", "x").status, 403);
    EXPECT_EQ(rig.post("/_changes/1", "forged").status, 403);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/_changes")).status, 403);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/_changes/0")).status, 403);
    EXPECT_EQ(rig.get("/_changes/next").body, "1");
}

awaitable<std::optional<trickle::hook_refusal>> refuse_read(std::atomic<int>& count) {
    ++count;
    trickle::hook_refusal no{true, 403, "no"};
    co_return no;
}

TEST(trickle_server_channels, every_change_passes_its_hook) {
    auto options = trickle_rig::defaults();
    std::atomic<int> creates{0}, writes{0}, deletes{0}, reads{0};
    const auto counting = [](std::atomic<int>& count) {
        return [&count](const auto&, const std::string&) -> std::optional<trickle::hook_refusal> {
            ++count;
            return trickle::hook_refusal{true, 403, "no"};
        };
    };
    options.trickle.before_create = counting(creates);
    options.trickle.before_write = counting(writes);
    options.trickle.before_delete = counting(deletes);
    options.trickle.before_read = [&reads](http::exchange&, const std::string&) {
        return refuse_read(reads);
    };
    trickle_rig rig(options);
    EXPECT_EQ(rig.post("/cam/x", "bad number").status, 400) << "checked before anything else";
    EXPECT_EQ(creates, 0);
    EXPECT_EQ(rig.post("/cam/0", "autocreate").status, 403);
    EXPECT_EQ(creates, 1);
    EXPECT_EQ(rig.table().size(), 0u);
    create_inside(rig, "cam");
    EXPECT_EQ(rig.post("/cam/0", "x").status, 403);
    EXPECT_EQ(writes, 1);
    EXPECT_EQ(rig.get("/cam/0").status, 403);
    EXPECT_EQ(rig.get("/cam/next").status, 403);
    EXPECT_EQ(reads, 2);
    EXPECT_EQ(rig.get("/nobody/next").status, 403) << "a stranger can't tell which names exist";
    EXPECT_EQ(rig.get("/nobody/0").status, 403);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam/0")).status, 403);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam")).status, 403);
    EXPECT_EQ(deletes, 2);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/nobody/0")).status, 403);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/nobody")).status, 403);
    EXPECT_EQ(rig.table().size(), 1u);
}

TEST(trickle_server_channels, a_refused_open_post_hears_it_at_once) {
    auto options = trickle_rig::defaults();
    options.trickle.before_create = [](const auto&, const std::string&) {
        return std::optional(trickle::hook_refusal{true, 401, "who are you"});
    };
    trickle_rig rig(options);
    auto post = rig.open_post("/cam/0");
    const auto reply = post.read_reply();
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_TRUE(post.ends());
}

TEST(trickle_server_channels, deleting_the_awaited_segment_does_not_make_readers_spin) {
    trickle_rig rig;
    rig.post("/cam/0", "x");
    auto waiting = rig.waiting_get("/cam/-1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 1) == 1; }));
    rig.ask(request_text("DELETE", "/cam/1"));
    EXPECT_EQ(waiting.read_reply()["Lp-Trickle-Latest"], "2");
    EXPECT_EQ(rig.get("/cam/next").body, "2");
    auto next = rig.waiting_get("/cam/2");
    EXPECT_TRUE(next.silent_for(40ms));
    rig.post("/cam/-1", "two");
    EXPECT_EQ(next.read_reply().body, "two");
}

TEST(trickle_server_channels, channels_and_readers_are_held_to_their_limits_exactly) {
    auto options = trickle_rig::defaults();
    options.table.channels = 3;
    options.table.channel.readers = 2;
    trickle_rig rig(options);
    for (const auto* name : {"a", "b", "c"})
        EXPECT_EQ(rig.ask(request_text("POST", "/" + std::string(name))).status, 200);
    EXPECT_EQ(rig.ask(request_text("POST", "/d")).status, 503);
    EXPECT_EQ(rig.post("/d/0", "x").status, 503);
    EXPECT_EQ(rig.ask(request_text("POST", "/a")).status, 200);
    EXPECT_EQ(rig.ask(request_text("DELETE", "/a")).status, 200);
    EXPECT_EQ(rig.ask(request_text("POST", "/d")).status, 200);
    auto one = rig.waiting_get("/b/0");
    auto two = rig.waiting_get("/b/0");
    ASSERT_TRUE(eventually([&] {
        return rig.at_home("b", [&] { return !rig.table().find("b")->open_read(0); });
    }));
    EXPECT_EQ(rig.get("/b/0").status, 503);
    one.close();
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("b", 0) == 1; }));
    auto third = rig.waiting_get("/b/0");
    EXPECT_TRUE(third.silent_for(40ms));
}

TEST(trickle_server_channels, a_base_path_is_honoured) {
    auto options = trickle_rig::defaults();
    options.trickle.base_path = "/ai/trickle/";
    trickle_rig rig(options);
    EXPECT_EQ(rig.post("/ai/trickle/cam/0", "x").status, 200);
    EXPECT_EQ(rig.get("/ai/trickle/cam/0").body, "x");
    EXPECT_EQ(rig.get("/cam/0").status, 404);
}

} // namespace
} // namespace rivulet::test
