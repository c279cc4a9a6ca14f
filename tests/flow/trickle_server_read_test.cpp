// GET of segments over real sockets: statements 12–21 of the trickle spec, 8.3, HEAD.
#include "support/trickle_rig.hpp"

#include <gtest/gtest.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

void post_up_to(trickle_rig& rig, int last) {
    for (int i = 0; i <= last; ++i)
        ASSERT_EQ(rig.post("/cam/" + std::to_string(i), "seg" + std::to_string(i)).status, 200);
}

TEST(trickle_conformance, s13_sends_nothing_for_an_open_empty_segment) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 0; }));
    auto by_number = rig.waiting_get("/cam/0");
    auto by_next = rig.waiting_get("/cam/-1");
    EXPECT_TRUE(by_number.silent_for(80ms));
    EXPECT_TRUE(by_next.silent_for(20ms));
    post.end_chunks(); // the end without data counts as well
    EXPECT_EQ(by_number.read_reply().status, 200);
    EXPECT_EQ(by_next.read_reply()["Lp-Trickle-Seq"], "0");
}

TEST(trickle_conformance, s14_a_late_joiner_gets_everything_and_then_follows) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("one ");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    auto early = rig.waiting_get("/cam/0");
    EXPECT_EQ(early.read_head().status, 200);
    EXPECT_EQ(early.read_chunk(), "one ");
    post.send_chunk("two ");
    EXPECT_EQ(early.read_chunk(), "two ");
    auto late = rig.waiting_get("/cam/0");
    EXPECT_EQ(late.read_head().status, 200);
    EXPECT_EQ(late.read_exactly(13), "8\r\none two \r\n");
    post.send_chunk("three").end_chunks();
    EXPECT_EQ(late.read_chunk(), "three");
    EXPECT_EQ(late.read_chunk(), "");
}

TEST(trickle_conformance, s15_every_200_carries_the_resolved_number) {
    trickle_rig rig;
    post_up_to(rig, 3);
    EXPECT_EQ(rig.get("/cam/2")["Lp-Trickle-Seq"], "2");
    EXPECT_EQ(rig.get("/cam/-2")["Lp-Trickle-Seq"], "3");
    EXPECT_EQ(rig.get("/cam/+1")["Lp-Trickle-Seq"], "1");
    EXPECT_EQ(rig.get("/cam/002")["Lp-Trickle-Seq"], "2");
    auto waiting = rig.waiting_get("/cam/-1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 4) == 1; }));
    rig.post("/cam/4", "x");
    EXPECT_EQ(waiting.read_reply()["Lp-Trickle-Seq"], "4");
}

TEST(trickle_conformance, s16_says_latest_when_it_differs_from_the_number_served) {
    trickle_rig rig;
    post_up_to(rig, 1);
    EXPECT_EQ(rig.get("/cam/0")["Lp-Trickle-Latest"], "2");
    EXPECT_EQ(rig.get("/cam/1")["Lp-Trickle-Latest"], "2");
}

TEST(trickle_conformance, s17_waits_on_next_and_on_one_of_a_fresh_channel) {
    trickle_rig rig;
    rig.ask(request_text("POST", "/cam"));
    auto zero = rig.waiting_get("/cam/0");
    auto one = rig.waiting_get("/cam/1");
    EXPECT_TRUE(zero.silent_for(50ms));
    EXPECT_TRUE(one.silent_for(20ms));
    EXPECT_EQ(rig.get("/cam/2").status, 470);
    rig.post("/cam/0", "zero");
    EXPECT_EQ(zero.read_reply().body, "zero");
    EXPECT_TRUE(one.silent_for(30ms));
    EXPECT_EQ(rig.get("/cam/2").status, 470);
    rig.post("/cam/1", "one");
    EXPECT_EQ(one.read_reply().body, "one");
}

TEST(trickle_conformance, s18_minus_one_waits_for_the_next_write_and_minus_two_is_the_newest) {
    trickle_rig rig;
    rig.ask(request_text("POST", "/cam"));
    auto newest = rig.waiting_get("/cam/-2");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 1; }));
    auto post = rig.open_post("/cam/0");
    post.send_chunk("zero");
    EXPECT_EQ(newest.read_head()["Lp-Trickle-Seq"], "0");
    EXPECT_EQ(newest.read_chunk(), "zero");
    auto again = rig.waiting_get("/cam/-2");
    EXPECT_EQ(again.read_head()["Lp-Trickle-Seq"], "0");
    auto next = rig.waiting_get("/cam/-1");
    EXPECT_TRUE(next.silent_for(50ms));
    rig.post("/cam/1", "one");
    EXPECT_EQ(next.read_reply()["Lp-Trickle-Seq"], "1");
}

TEST(trickle_conformance, s19_answers_470_outside_the_window) {
    trickle_rig rig;
    post_up_to(rig, 7);
    for (const auto* seq : {"0", "2", "9", "+9", "100", "9223372036854775807"}) {
        const auto reply = rig.get("/cam/" + std::string(seq));
        EXPECT_EQ(reply.status, 470) << seq;
        EXPECT_EQ(reply["Lp-Trickle-Latest"], "8");
        EXPECT_EQ(reply["Lp-Trickle-Seq"], *seq == '+' ? seq + 1 : seq);
        EXPECT_EQ(reply.body, "Entry not found");
        EXPECT_EQ(reply["Content-Length"], "15");
        EXPECT_EQ(reply["Content-Type"], "text/plain; charset=utf-8");
        EXPECT_FALSE(reply.has("Lp-Trickle-Closed"));
    }
}

TEST(trickle_conformance, s20_keeps_the_window_readable_in_any_order_again_and_again) {
    trickle_rig rig;
    post_up_to(rig, 9);
    auto preconnected = rig.open_post("/cam/10");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 10) == 1; }));
    for (const int seq : {9, 6, 8, 7, 7, 9, 6})
        EXPECT_EQ(rig.get("/cam/" + std::to_string(seq)).body, "seg" + std::to_string(seq));
    auto waiting = rig.waiting_get("/cam/10");
    EXPECT_TRUE(waiting.silent_for(30ms));
}

TEST(trickle_conformance, s21_drops_what_five_newer_numbers_follow) {
    trickle_rig rig;
    post_up_to(rig, 4);
    EXPECT_EQ(rig.get("/cam/0").status, 200);
    rig.post("/cam/5", "x");
    EXPECT_EQ(rig.get("/cam/0").status, 470);
    EXPECT_EQ(rig.get("/cam/1").status, 200);
}

TEST(trickle_server_read, malformed_numbers_and_missing_channels_are_told_apart) {
    trickle_rig rig;
    rig.post("/cam/0", "x");
    const auto bad = rig.get("/cam/abc");
    EXPECT_EQ(bad.status, 400);
    EXPECT_EQ(bad.body, "Invalid idx\n");
    const auto missing = rig.get("/nobody/0");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "Stream not found\n");
    EXPECT_EQ(rig.get("/cam/").status, 404);
    EXPECT_EQ(rig.get("/cam/0/").status, 404);
    EXPECT_EQ(rig.get("/cam/0/1").status, 404);
}

TEST(trickle_server_read, names_are_cut_at_slashes_before_they_are_decoded) {
    trickle_rig rig;
    rig.post("/a%2Fb/0", "slash");
    EXPECT_EQ(rig.get("/a%2fb/0").body, "slash");
    EXPECT_EQ(rig.next_of("a/b"), 1);
}

TEST(trickle_server_read, a_channel_without_a_mime_has_no_content_type_of_its_own) {
    trickle_rig rig;
    rig.post("/cam/0", "x");
    EXPECT_EQ(rig.get("/cam/0")["Content-Type"], "");
}

TEST(trickle_server_read, the_size_header_says_what_was_there) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("12345");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    auto live = rig.waiting_get("/cam/0");
    EXPECT_EQ(live.read_head()["Lp-Trickle-Size"], "5");
    EXPECT_EQ(live.read_chunk(), "12345");
    post.send_chunk("6789").end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_EQ(rig.get("/cam/0")["Lp-Trickle-Size"], "9");
    rig.post("/cam/1", "");
    EXPECT_EQ(rig.get("/cam/1")["Lp-Trickle-Size"], "0");
    EXPECT_EQ(rig.ask(request_text("HEAD", "/cam/0"))["Lp-Trickle-Size"], "9");
}

TEST(trickle_server_read, minus_n_counts_back_and_stops_at_the_oldest) {
    trickle_rig rig;
    post_up_to(rig, 7);
    EXPECT_EQ(rig.get("/cam/-3")["Lp-Trickle-Seq"], "6");
    EXPECT_EQ(rig.get("/cam/-5")["Lp-Trickle-Seq"], "4");
    EXPECT_EQ(rig.get("/cam/-99")["Lp-Trickle-Seq"], "3");
    EXPECT_EQ(rig.get("/cam/-99").body, "seg3");
    EXPECT_EQ(rig.get("/cam/-9223372036854775808").body, "seg3");
}

TEST(trickle_server_read, head_is_a_get_without_a_body) {
    trickle_rig rig;
    rig.ask(request_with_body("POST", "/cam/0", "data", "Content-Type: video/mp2t\r\n"));
    auto client = rig.client();
    client.send(request_text("HEAD", "/cam/0"));
    auto reply = client.read_reply(true);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply["Lp-Trickle-Seq"], "0");
    EXPECT_EQ(reply["Content-Type"], "video/mp2t");
    EXPECT_TRUE(client.silent_for(40ms)) << "no body, not even its framing";
    client.send(request_text("HEAD", "/cam/next"));
    reply = client.read_reply(true);
    EXPECT_EQ(reply["Lp-Trickle-Latest"], "1");
    EXPECT_EQ(reply["Content-Length"], "1");
    client.send(request_text("HEAD", "/cam/9"));
    EXPECT_EQ(client.read_reply(true).status, 470);
    client.send(request_text("HEAD", "/nobody/0"));
    EXPECT_EQ(client.read_reply(true).status, 404);
    client.send(request_text("GET", "/cam/0"));
    EXPECT_EQ(client.read_reply().body, "data") << "the connection is still in step";
}

TEST(trickle_server_read, a_waiting_get_and_the_pipelined_request_behind_it_are_both_answered) {
    trickle_rig rig;
    // Names on both shards, so that the connection has to move while it has read ahead.
    for (int i = 0; i < 8; ++i)
        rig.post("/n" + std::to_string(i) + "/0", "n" + std::to_string(i));
    rig.post("/cam/0", "zero");
    for (int i = 0; i < 8; ++i) {
        auto client = rig.waiting_get("/cam/" + std::to_string(i + 1));
        ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", i + 1) == 1; }));
        const auto other = "n" + std::to_string(i);
        client.send(request_text("GET", "/" + other + "/0"));
        client.send(request_text("GET", "/cam/0/next/bad"));
        EXPECT_TRUE(client.silent_for(20ms));
        rig.post("/cam/" + std::to_string(i + 1), "waited");
        ASSERT_EQ(client.read_reply().body, "waited") << i;
        ASSERT_EQ(client.read_reply().body, other);
        ASSERT_EQ(client.read_reply().status, 404);
        client.send(request_text("GET", "/" + other + "/0"));
        ASSERT_EQ(client.read_reply().body, other);
    }
}

TEST(trickle_server_read, http_1_0_readers_get_raw_bytes_until_the_end) {
    trickle_rig rig;
    rig.post("/cam/0", "plain bytes");
    for (const auto* extra : {"", "Connection: keep-alive\r\n"}) {
        auto old = rig.client();
        old.send("GET /cam/0 HTTP/1.0\r\n" + std::string(extra) + "\r\n");
        const auto reply = old.read_reply();
        EXPECT_EQ(reply.status, 200);
        EXPECT_FALSE(reply.has("Transfer-Encoding"));
        EXPECT_EQ(reply["Connection"], "close");
        EXPECT_EQ(reply.body, "plain bytes");
    }
    // A live one too.
    auto post = rig.open_post("/cam/1");
    post.send_chunk("one");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 2; }));
    auto live = rig.client();
    live.send("GET /cam/1 HTTP/1.0\r\n\r\n");
    EXPECT_EQ(live.read_head().status, 200);
    EXPECT_EQ(live.read_exactly(3), "one");
    post.send_chunk("two").end_chunks();
    EXPECT_EQ(live.read_to_end(), "two");
}

TEST(trickle_server_read, a_reader_that_has_ended_its_sending_side_still_gets_what_is_there) {
    trickle_rig rig;
    const std::string large(12u << 20, 'x');
    rig.post("/cam/0", large);
    auto half = rig.waiting_get("/cam/0");
    half.finish_sending();
    EXPECT_EQ(half.read_reply().body.size(), large.size());
    EXPECT_TRUE(half.ends());
    // It is not kept waiting for more.
    auto waiting = rig.waiting_get("/cam/1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 1) == 1; }));
    waiting.finish_sending();
    EXPECT_TRUE(waiting.ends());
    EXPECT_EQ(rig.watchers_of("cam", 1), 0u);
}

TEST(trickle_server_read, http_1_0_writers_are_served) {
    trickle_rig rig;
    auto old = rig.client();
    old.send("POST /cam/0 HTTP/1.0\r\nContent-Length: 4\r\n\r\ndata");
    EXPECT_EQ(old.read_reply().status, 200);
    EXPECT_TRUE(old.ends());
    EXPECT_EQ(rig.get("/cam/0").body, "data");
}

} // namespace
} // namespace rivulet::test
