// POST of segments over real sockets: statements 1–6, 22, 25, 28–33, 41–43 of the trickle spec.
#include "support/trickle_rig.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

trickle::standalone_options without_autocreate() {
    return {};
}

TEST(trickle_conformance, s1_relays_bytes_to_waiting_readers_before_the_post_ends) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0", "Content-Type: video/mp2t\r\n");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 0; }));
    auto one = rig.waiting_get("/cam/0");
    auto two = rig.waiting_get("/cam/0");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 3; }));
    post.send_chunk("hello");
    for (auto* reader : {&one, &two}) {
        EXPECT_EQ(reader->read_head().status, 200);
        EXPECT_EQ(reader->read_chunk(), "hello");
    }
    EXPECT_TRUE(post.silent_for(50ms));
    post.send_chunk("again");
    EXPECT_EQ(one.read_chunk(), "again");
    EXPECT_TRUE(one.silent_for(50ms)) << "the segment is still open";
    post.end_chunks();
    EXPECT_EQ(one.read_chunk(), "");
    EXPECT_EQ(post.read_reply().status, 200);
}

TEST(trickle_conformance, s2_accepts_content_length) {
    trickle_rig rig;
    const auto reply = rig.post("/cam/0", "with a length");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(rig.get("/cam/0").body, "with a length");
}

TEST(trickle_conformance, s3_answers_a_completed_post_with_the_number_written) {
    trickle_rig rig;
    const auto reply = rig.post("/cam/3", "x");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Lp-Trickle-Seq"], "3");
    EXPECT_EQ(reply["Content-Length"], "0");
    EXPECT_FALSE(reply.has("Connection"));
    EXPECT_FALSE(reply.has("Lp-Trickle-Closed"));
    EXPECT_FALSE(reply.has("Lp-Trickle-Dropped"));
}

TEST(trickle_conformance, s4_resolves_minus_one_and_echoes_the_number) {
    trickle_rig rig;
    EXPECT_EQ(rig.post("/cam/-1", "a")["Lp-Trickle-Seq"], "0");
    EXPECT_EQ(rig.post("/cam/4", "b")["Lp-Trickle-Seq"], "4");
    EXPECT_EQ(rig.post("/cam/-1", "c")["Lp-Trickle-Seq"], "5");
    EXPECT_EQ(rig.get("/cam/5").body, "c");
}

TEST(trickle_conformance, s5_answers_a_missing_channel_at_once_while_the_body_is_open) {
    trickle_rig rig(without_autocreate());
    auto post = rig.open_post("/nobody/0");
    const auto reply = post.read_reply();
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.body, "Stream not found\n");
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_EQ(reply["Content-Type"], "text/plain; charset=utf-8");
    EXPECT_EQ(reply["X-Content-Type-Options"], "nosniff");
    EXPECT_TRUE(post.ends());
    EXPECT_EQ(rig.post("/nobody/0", "")["Connection"], "close");
    EXPECT_EQ(rig.table().size(), 0u);
}

TEST(trickle_conformance, s6_autocreate_takes_the_mime_from_content_type) {
    trickle_rig rig;
    rig.ask(request_with_body("POST", "/cam/0", "x", "Content-Type: video/mp2t\r\n"));
    EXPECT_EQ(rig.get("/cam/0")["Content-Type"], "video/mp2t");
    // Later requests do not change it.
    rig.ask(request_with_body("POST", "/cam/1", "x", "Content-Type: text/css\r\n"));
    EXPECT_EQ(rig.get("/cam/1")["Content-Type"], "video/mp2t");
}

TEST(trickle_conformance, s22_completes_an_empty_post_and_moves_next_on) {
    trickle_rig rig;
    const auto written = rig.post("/cam/0", "");
    EXPECT_EQ(written.status, 200);
    EXPECT_EQ(written["Lp-Trickle-Seq"], "0");
    EXPECT_EQ(written["Connection"], "close");
    EXPECT_FALSE(written.has("Lp-Trickle-Closed"));
    EXPECT_EQ(rig.next_of("cam"), 1);
    const auto read = rig.get("/cam/0");
    EXPECT_EQ(read.status, 200);
    EXPECT_EQ(read.body, "");
    EXPECT_EQ(read["Content-Length"], "0");
    EXPECT_EQ(read["Lp-Trickle-Seq"], "0");
    EXPECT_EQ(read["Lp-Trickle-Latest"], "1");
    EXPECT_FALSE(read.has("Content-Type"));
    EXPECT_FALSE(read.has("Lp-Trickle-Closed"));
    // Chunked and empty is the same.
    auto post = rig.open_post("/cam/1");
    post.end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_TRUE(post.ends());
    EXPECT_EQ(rig.next_of("cam"), 2);
}

TEST(trickle_conformance, s25_a_write_followed_at_once_by_the_end_loses_nothing) {
    trickle_rig rig;
    rig.ask(request_text("POST", "/cam"));
    for (int round = 0; round < 30; ++round) {
        const auto path = "/cam/" + std::to_string(round);
        auto reader = rig.waiting_get(path);
        const std::string tail(static_cast<std::size_t>(1 + round * 997), 't');
        auto post = rig.client();
        post.send(open_request("POST", path) + chunk_text("head") + chunk_text(tail) + "0\r\n\r\n");
        ASSERT_EQ(reader.read_reply().body, "head" + tail) << round;
        ASSERT_EQ(post.read_reply().status, 200);
    }
}

TEST(trickle_conformance, s25_nor_does_a_channel_that_is_deleted_right_after_a_write) {
    trickle_rig rig;
    for (int round = 0; round < 20; ++round) {
        rig.ask(request_text("POST", "/cam"));
        auto reader = rig.waiting_get("/cam/0");
        auto post = rig.open_post("/cam/0");
        ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 2; }));
        const std::string large(200'000, 'x');
        post.send_chunk(large);
        ASSERT_EQ(reader.read_head().status, 200);
        rig.ask(request_text("DELETE", "/cam"));
        std::string body;
        for (auto piece = reader.read_chunk(); !piece.empty(); piece = reader.read_chunk())
            body += piece;
        ASSERT_TRUE(large.starts_with(body));
        ASSERT_GT(body.size(), 0u);
    }
}

TEST(trickle_conformance, s28_reset_ends_lower_readers_at_header_time_and_leaves_the_others) {
    trickle_rig rig;
    rig.post("/cam/0", "zero");
    auto old_post = rig.open_post("/cam/1");
    old_post.send_chunk("one");
    auto lower = rig.waiting_get("/cam/1");
    EXPECT_EQ(lower.read_head().status, 200);
    EXPECT_EQ(lower.read_chunk(), "one");
    auto equal = rig.waiting_get("/cam/2");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 2) == 1; }));
    auto post = rig.open_post("/cam/2", "Lp-Trickle-Reset: 1\r\n");
    EXPECT_EQ(lower.read_chunk(), "") << "ended by the header alone";
    EXPECT_TRUE(equal.silent_for(50ms));
    EXPECT_EQ(rig.next_of("cam"), 2);
    post.send_chunk("two");
    EXPECT_EQ(equal.read_head()["Lp-Trickle-Seq"], "2");
    EXPECT_EQ(equal.read_chunk(), "two");
    // The writer that was reset away may go on to its end without an error.
    old_post.send_chunk("late").end_chunks();
    const auto late = old_post.read_reply();
    EXPECT_EQ(late.status, 200);
    EXPECT_EQ(late["Lp-Trickle-Dropped"], "1");
    EXPECT_EQ(rig.get("/cam/1").body, "one");
}

TEST(trickle_conformance, s29_keeps_bytes_before_a_reset_and_writes_minus_one_at_next) {
    trickle_rig rig;
    auto old_post = rig.open_post("/cam/0");
    old_post.send_chunk("before");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    const auto reply =
        rig.ask(request_with_body("POST", "/cam/-1", "after", "Lp-Trickle-Reset: yes\r\n"));
    EXPECT_EQ(reply["Lp-Trickle-Seq"], "1");
    EXPECT_EQ(rig.get("/cam/0").body, "before");
    EXPECT_EQ(rig.get("/cam/1").body, "after");
}

TEST(trickle_conformance, s29_an_empty_reset_header_means_nothing) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("a");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "a");
    auto next = rig.open_post("/cam/1", "Lp-Trickle-Reset:\r\n");
    EXPECT_TRUE(reader.silent_for(60ms));
}

TEST(trickle_conformance, s30_a_second_post_appends_and_current_readers_go_on) {
    trickle_rig rig;
    auto first = rig.open_post("/cam/0");
    first.send_chunk("Hello");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "Hello");
    auto second = rig.open_post("/cam/0");
    second.send_chunk("Goodby");
    EXPECT_EQ(reader.read_chunk(), "Goodby");
    first.end_chunks();
    EXPECT_EQ(first.read_reply().status, 200);
    EXPECT_TRUE(reader.silent_for(50ms)) << "the newest POST decides";
    second.send_chunk("World").end_chunks();
    EXPECT_EQ(second.read_reply().status, 200);
    EXPECT_EQ(reader.read_chunk(), "World");
    EXPECT_EQ(reader.read_chunk(), "");
    EXPECT_EQ(rig.get("/cam/0").body, "HelloGoodbyWorld");
}

TEST(trickle_conformance, s31_says_continue_on_an_idle_post_again_and_again) {
    EXPECT_EQ(trickle::server_options{}.keepalive, 10s);
    auto options = trickle_rig::defaults();
    options.trickle.keepalive = 120ms;
    trickle_rig rig(options);
    const auto begin = steady_clock::now();
    auto post = rig.open_post("/cam/0");
    EXPECT_TRUE(post.silent_for(80ms)) << "not earlier";
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(post.read_exactly(25), "HTTP/1.1 100 Continue\r\n\r\n");
        EXPECT_GE(steady_clock::now() - begin, i * 120ms);
    }
    post.send_chunk("x");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    if (!post.silent_for(0ms)) // one may have been on its way
        post.read_exactly(25);
    EXPECT_TRUE(post.silent_for(300ms)) << "none after the first byte";
    post.end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
}

TEST(trickle_conformance, s31_expect_continue_gets_one_at_once) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0", "Expect: 100-continue\r\n");
    EXPECT_EQ(post.read_head().status, 100);
    EXPECT_TRUE(post.silent_for(50ms));
    post.send_chunk("x").end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
}

TEST(trickle_conformance, s32_waits_at_least_ten_minutes_for_idle_connections) {
    EXPECT_GE(http::server_limits{}.idle, 10min);
    // What limits the time from a request's first byte to its head must not touch any of these.
    auto options = trickle_rig::defaults();
    options.http.limits.header = 60ms;
    options.http.limits.body = 60ms;
    options.http.limits.write = 60ms;
    options.trickle.write_limit = 60ms;
    trickle_rig rig(options);
    auto silent = rig.client();
    auto post = rig.open_post("/cam/0");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 0; }));
    auto get = rig.waiting_get("/cam/0");
    EXPECT_TRUE(silent.silent_for(150ms));
    EXPECT_TRUE(post.silent_for(50ms));
    EXPECT_TRUE(get.silent_for(50ms));
    post.send_chunk("late");
    EXPECT_EQ(get.read_head().status, 200);
    EXPECT_EQ(get.read_chunk(), "late");
    EXPECT_TRUE(get.silent_for(150ms)) << "nor a reader between two bursts";
    post.end_chunks();
    EXPECT_EQ(get.read_chunk(), "");
    silent.send(request_text("GET", "/cam/next"));
    EXPECT_EQ(silent.read_reply().status, 200);
}

TEST(trickle_conformance, s33_a_segment_that_a_reader_waits_for_is_the_one_that_is_written) {
    trickle_rig rig;
    rig.post("/cam/0", "zero");
    auto early = rig.waiting_get("/cam/1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 1) == 1; }));
    auto post = rig.open_post("/cam/1");
    auto late = rig.waiting_get("/cam/1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 1) == 3; }));
    post.send_chunk("one").end_chunks();
    EXPECT_EQ(early.read_reply().body, "one");
    EXPECT_EQ(late.read_reply().body, "one");
}

TEST(trickle_conformance, s41_forwards_each_burst_at_once_and_as_one_write) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 0; }));
    auto reader = rig.waiting_get("/cam/0");
    post.send_chunk("first");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "first");
    for (int i = 0; i < 20; ++i) {
        const auto message = "message " + std::to_string(i) + std::string(i * 50, '.');
        const auto begin = steady_clock::now();
        post.send_chunk(message);
        ASSERT_EQ(reader.read_chunk(), message);
        ASSERT_LT(steady_clock::now() - begin, 500ms);
        ASSERT_EQ(reader.rest(), "") << "one chunk a burst";
    }
}

TEST(trickle_conformance, s42_a_connection_is_used_again_after_a_complete_post) {
    trickle_rig rig;
    auto client = rig.client();
    for (int i = 0; i < 5; ++i) {
        client.send(open_request("POST", "/cam/" + std::to_string(i)));
        client.send_chunk("data").end_chunks();
        const auto reply = client.read_reply();
        ASSERT_EQ(reply.status, 200);
        ASSERT_FALSE(reply.has("Connection"));
    }
    client.send(request_text("GET", "/cam/4"));
    EXPECT_EQ(client.read_reply().body, "data");
    client.send(request_text("GET", "/cam/3", "Connection: close\r\n"));
    const auto last = client.read_reply();
    EXPECT_EQ(last.body, "data");
    EXPECT_EQ(last["Connection"], "close");
    EXPECT_TRUE(client.ends());
}

TEST(trickle_conformance, s42_a_post_that_asks_to_close_is_answered_so) {
    trickle_rig rig;
    auto client = rig.client();
    client.send(request_with_body("POST", "/cam/0", "x", "Connection: close\r\n"));
    EXPECT_EQ(client.read_reply()["Connection"], "close");
    EXPECT_TRUE(client.ends());
}

TEST(trickle_conformance, s43_never_compresses) {
    trickle_rig rig;
    const std::string plain(10'000, 'a');
    rig.post("/cam/0", plain);
    for (const auto* encodings : {"gzip", "gzip, deflate, br", "*"}) {
        const auto reply = rig.ask(
            request_text("GET", "/cam/0", "Accept-Encoding: " + std::string(encodings) + "\r\n")
        );
        EXPECT_FALSE(reply.has("Content-Encoding"));
        EXPECT_EQ(reply.body, plain);
    }
}

TEST(trickle_server_write, a_body_for_nobody_is_not_invited) {
    trickle_rig rig(without_autocreate());
    auto post = rig.open_post("/nobody/0", "Expect: 100-continue\r\n");
    EXPECT_EQ(post.read_head().status, 404);
}

// --- beyond the numbered ones --------------------------------------------------------------------

TEST(trickle_server_write, chunks_may_be_cut_anywhere) {
    trickle_rig rig;
    auto post = rig.client();
    const auto text = open_request("POST", "/cam/0") + "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n" +
                      "0\r\nTrailer: x\r\n\r\n";
    for (const char c : text) {
        post.send(std::string_view(&c, 1));
        if (c == '\n')
            std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_EQ(rig.get("/cam/0").body, "abc0123456789");
}

TEST(trickle_server_write, a_large_segment_arrives_whole) {
    trickle_rig rig;
    std::string large(20u << 20, '\0');
    for (std::size_t i = 0; i < large.size(); ++i)
        large[i] = static_cast<char>(i * 2654435761u >> 13);
    std::string body;
    rig.ask(request_text("POST", "/cam"));
    std::thread reading([&] { body = rig.get("/cam/0").body; });
    auto post = rig.open_post("/cam/0");
    for (std::size_t at = 0; at < large.size(); at += 100'000)
        post.send_chunk(std::string_view(large).substr(at, 100'000));
    post.end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    reading.join();
    EXPECT_TRUE(body == large);
}

TEST(trickle_server_write, a_post_that_was_pipelined_behind_a_waiting_get_is_taken_whole) {
    trickle_rig rig;
    rig.ask(request_text("POST", "/cam"));
    auto both = rig.waiting_get("/cam/0");
    both.send(open_request("POST", "/cam/1") + chunk_text("one") + "0\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 1; }));
    rig.post("/cam/0", "zero");
    EXPECT_EQ(both.read_reply().body, "zero");
    EXPECT_EQ(both.read_reply().status, 200);
    EXPECT_EQ(rig.get("/cam/1").body, "one");
}

TEST(trickle_server_write, pipelined_posts_are_taken_in_order) {
    trickle_rig rig;
    auto client = rig.client();
    std::string all;
    for (int i = 0; i < 4; ++i)
        all += open_request("POST", "/cam/" + std::to_string(i)) +
               chunk_text("s" + std::to_string(i)) + "0\r\n\r\n";
    client.send(all);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(client.read_reply()["Lp-Trickle-Seq"], std::to_string(i));
    EXPECT_EQ(rig.get("/cam/3").body, "s3");
}

TEST(trickle_server_write, late_bytes_for_a_closed_segment_are_dropped_and_said_so) {
    trickle_rig rig;
    rig.post("/cam/0", "kept");
    const auto late = rig.post("/cam/0", "late");
    EXPECT_EQ(late.status, 200);
    EXPECT_EQ(late["Lp-Trickle-Dropped"], "1");
    EXPECT_EQ(rig.get("/cam/0").body, "kept");
    EXPECT_EQ(rig.next_of("cam"), 1);
}

TEST(trickle_server_write, an_open_post_on_a_closed_segment_is_told_at_once) {
    trickle_rig rig;
    rig.post("/cam/0", "kept");
    auto late = rig.open_post("/cam/0");
    const auto reply = late.read_reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_EQ(reply["Lp-Trickle-Dropped"], "1");
    EXPECT_FALSE(reply.has("Lp-Trickle-Closed"));
    EXPECT_TRUE(late.ends());
}

TEST(trickle_server_write, a_publisher_that_restarts_at_zero_is_followed) {
    trickle_rig rig;
    for (int i = 0; i < 12; ++i)
        rig.post("/cam/" + std::to_string(i), "old");
    auto waiting = rig.waiting_get("/cam/12");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 12) == 1; }));
    auto zero = rig.open_post("/cam/0");
    auto one = rig.open_post("/cam/1");
    EXPECT_TRUE(waiting.silent_for(50ms));
    zero.send_chunk("new zero");
    const auto told = waiting.read_reply();
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.body, "");
    EXPECT_EQ(told["Lp-Trickle-Latest"], "1");
    EXPECT_EQ(rig.get("/cam/13")["Lp-Trickle-Latest"], "1");
    auto follows = rig.waiting_get("/cam/1");
    one.send_chunk("new one").end_chunks();
    EXPECT_EQ(follows.read_reply().body, "new one");
    zero.end_chunks();
    EXPECT_EQ(zero.read_reply().status, 200);
    EXPECT_EQ(rig.get("/cam/0").body, "new zero");
    EXPECT_EQ(rig.next_of("cam"), 2);
}

TEST(trickle_server_write, a_writer_of_an_evicted_segment_is_told_at_once) {
    trickle_rig rig;
    auto slow = rig.open_post("/cam/0");
    slow.send_chunk("begun");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    for (int i = 1; i <= 5; ++i)
        rig.post("/cam/" + std::to_string(i), "x");
    const auto reply = slow.read_reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Lp-Trickle-Seq"], "0");
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_FALSE(reply.has("Lp-Trickle-Closed"));
    EXPECT_TRUE(slow.ends());
}

TEST(trickle_server_write, a_segment_is_held_to_its_limit_exactly) {
    auto options = trickle_rig::defaults();
    options.table.channel.segment_bytes = 100'000;
    trickle_rig rig(options);
    EXPECT_EQ(rig.post("/cam/0", std::string(100'000, 'x')).status, 200);
    auto post = rig.open_post("/cam/1");
    post.send_chunk(std::string(100'000, 'x'));
    EXPECT_TRUE(post.silent_for(50ms));
    post.send_chunk("y");
    const auto reply = post.read_reply();
    EXPECT_EQ(reply.status, 413);
    EXPECT_EQ(reply["Connection"], "close");
    EXPECT_LE(rig.get("/cam/1").body.size(), 100'000u);
}

TEST(trickle_server_write, broken_framing_is_refused_and_the_segment_ends_for_its_readers) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("good");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "good");
    post.send("not a chunk size\r\n");
    const auto reply = post.read_reply();
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply["Connection"], "close");
    rig.post("/cam/1", "next");
    EXPECT_EQ(reader.read_chunk(), "") << "after the retry window";
}

} // namespace
} // namespace rivulet::test
