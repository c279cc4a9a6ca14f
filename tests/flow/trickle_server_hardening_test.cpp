// Bad, slow, vanishing and crowding peers: statements 73–78 of the trickle spec and section 8.1.
#include "support/trickle_rig.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sys/resource.h>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

TEST(trickle_conformance, s73_negative_numbers_are_refused_and_the_channel_stays_healthy) {
    trickle_rig rig;
    rig.post("/cam/0", "x");
    for (const auto* seq : {"-2", "-3", "-4", "-5", "-10", "-9223372036854775808"}) {
        const auto written = rig.post("/cam/" + std::string(seq), "bad");
        EXPECT_EQ(written.status, 400) << seq;
        EXPECT_EQ(written.body, "Invalid idx\n");
        EXPECT_EQ(rig.ask(request_text("DELETE", "/cam/" + std::string(seq))).status, 400);
    }
    EXPECT_EQ(rig.ask(request_text("DELETE", "/cam/-1")).status, 400);
    EXPECT_EQ(rig.post("/cam/9223372036854775807", "x").status, 400);
    EXPECT_EQ(rig.get("/cam/next").body, "1");
    EXPECT_EQ(rig.post("/cam/1", "y").status, 200);
}

TEST(trickle_conformance, s74_next_is_never_lowered) {
    trickle_rig rig;
    for (int i = 0; i < 10; ++i)
        rig.post("/cam/" + std::to_string(i), "x");
    for (const auto* seq : {"9", "7", "5"})
        EXPECT_EQ(rig.post("/cam/" + std::string(seq), "duplicate").status, 200);
    for (const auto* seq : {"9", "5", "3", "0"})
        EXPECT_EQ(rig.post("/cam/" + std::string(seq), "").status, 200);
    EXPECT_EQ(rig.get("/cam/next").body, "10");
}

TEST(trickle_conformance, s75_readers_of_an_aborted_segment_end_within_the_retry_window) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("half");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "half");
    const auto begin = steady_clock::now();
    post.reset();
    EXPECT_TRUE(reader.silent_for(100ms)) << "a retry may come";
    rig.post("/cam/1", "newer");
    EXPECT_EQ(reader.read_chunk(), "") << "a normal end, so that nobody reads it again";
    EXPECT_GE(steady_clock::now() - begin, 900ms);
    EXPECT_LT(steady_clock::now() - begin, 3s);
    reader.send(request_text("GET", "/cam/1"));
    EXPECT_EQ(reader.read_reply().body, "newer") << "and on the same connection";
}

TEST(trickle_conformance, s75_a_retry_within_the_window_goes_on_where_the_first_stopped) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("half");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    EXPECT_EQ(reader.read_chunk(), "half");
    post.close();
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 1; }));
    EXPECT_EQ(rig.post("/cam/0", "+rest").status, 200);
    EXPECT_EQ(reader.read_chunk(), "+rest");
    EXPECT_EQ(reader.read_chunk(), "");
}

TEST(trickle_conformance, s76_readers_of_an_evicted_segment_are_woken) {
    trickle_rig rig;
    rig.ask(request_text("POST", "/cam"));
    auto waits_for_zero = rig.waiting_get("/cam/0");
    auto waits_for_one = rig.waiting_get("/cam/1");
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 1) == 1; }));
    rig.post("/cam/5", "x"); // takes the slot of 0
    EXPECT_EQ(waits_for_zero.read_reply()["Lp-Trickle-Latest"], "6");
    auto ahead = rig.waiting_get("/cam/6"); // a reader takes the slot of 1
    EXPECT_EQ(waits_for_one.read_reply().status, 200);
    EXPECT_TRUE(ahead.silent_for(30ms));
}

TEST(trickle_conformance, s76_readers_whose_client_has_gone_are_released) {
    trickle_rig rig;
    rig.ask(request_text("POST", "/cam"));
    std::vector<raw_client> readers;
    for (int i = 0; i < 20; ++i)
        readers.push_back(rig.waiting_get("/cam/0"));
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 20; }));
    for (int i = 0; i < 10; ++i)
        readers[static_cast<std::size_t>(i)].close();
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 10; }));
    for (int i = 10; i < 19; ++i)
        readers[static_cast<std::size_t>(i)].reset();
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 1; }));
    rig.post("/cam/0", "x");
    EXPECT_EQ(readers.back().read_reply().body, "x");
}

TEST(trickle_conformance, s76_so_are_readers_that_go_between_two_bursts) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("a");
    auto stays = rig.waiting_get("/cam/0");
    auto goes = rig.waiting_get("/cam/0");
    EXPECT_EQ(stays.read_head().status, 200);
    EXPECT_EQ(goes.read_head().status, 200);
    ASSERT_EQ(rig.watchers_of("cam", 0), 3u); // the writer and two readers
    goes.reset();
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 2; }));
    EXPECT_EQ(stays.read_chunk(), "a");
    post.send_chunk("b");
    EXPECT_EQ(stays.read_chunk(), "b");
}

// The client keeps sending while the reply is on its way: a reset would throw the reply away.
void expect_early_reply(const trickle_rig& rig, const std::string& head, int status) {
    for (int round = 0; round < 5; ++round) {
        auto post = rig.client();
        post.send(head);
        post.send_chunk(std::string(static_cast<std::size_t>(round) * 30'000 + 1, 'x'));
        std::this_thread::sleep_for(milliseconds(round));
        try {
            for (int i = 0; i < 20; ++i)
                post.send_chunk(std::string(10'000, 'y'));
        } catch (const raw_http_error&) { // closed after the linger; the reply is what counts
        }
        const auto reply = post.read_reply();
        ASSERT_EQ(reply.status, status);
        ASSERT_EQ(reply["Connection"], "close");
        ASSERT_TRUE(post.ends());
    }
}

TEST(trickle_conformance, s77_early_replies_are_sent_while_the_body_is_open_and_not_lost) {
    trickle_rig missing{trickle::standalone_options{}};
    expect_early_reply(missing, open_request("POST", "/nobody/0"), 404);
    trickle_rig rig;
    expect_early_reply(rig, open_request("POST", "/cam/-9"), 400);
    expect_early_reply(rig, open_request("POST", "/cam/xyz"), 400);
    auto idle = rig.open_post("/cam/xyz");
    EXPECT_EQ(idle.read_reply().status, 400) << "no byte of the body was ever sent";
    EXPECT_TRUE(idle.ends());
}

TEST(trickle_conformance, s77_an_early_200_reaches_a_writer_that_goes_on_sending) {
    trickle_rig rig;
    for (int round = 0; round < 5; ++round) {
        const auto name = "cam" + std::to_string(round);
        auto post = rig.open_post("/" + name + "/0");
        post.send_chunk("begun");
        ASSERT_TRUE(eventually([&] { return rig.next_of(name) == 1; }));
        rig.ask(request_text("DELETE", "/" + name));
        try {
            for (int i = 0; i < 20; ++i)
                post.send_chunk(std::string(10'000, 'y'));
        } catch (const raw_http_error&) {
        }
        const auto reply = post.read_reply();
        ASSERT_EQ(reply.status, 200);
        ASSERT_EQ(reply["Lp-Trickle-Closed"], "terminated");
        ASSERT_TRUE(post.ends());
    }
}

TEST(trickle_conformance, s78_a_channel_that_receives_bytes_is_not_swept) {
    auto options = trickle_rig::defaults();
    options.table.idle_timeout = 150ms;
    options.table.sweep_interval = 20ms;
    trickle_rig rig(options);
    auto post = rig.open_post("/cam/0");
    for (int i = 0; i < 10; ++i) {
        post.send_chunk("x");
        std::this_thread::sleep_for(50ms);
    }
    EXPECT_EQ(rig.next_of("cam"), 1);
    // An open POST in the middle of its data keeps it as well.
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(rig.next_of("cam"), 1);
    post.end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_TRUE(eventually([&] { return rig.next_of("cam") == -1; }));
}

// --- slow readers
// ---------------------------------------------------------------------------------

TEST(trickle_server_hardening, a_reader_that_never_reads_delays_nobody_and_is_cut) {
    auto options = trickle_rig::defaults();
    options.trickle.reader_grace = 200ms;
    trickle_rig rig(options);
    const std::string piece(256 * 1024, 'p');
    auto stuck = rig.client();
    stuck.shrink_receive_buffer();
    auto post = rig.open_post("/cam/0");
    post.send_chunk("begin");
    ASSERT_TRUE(eventually([&] { return rig.next_of("cam") == 1; }));
    stuck.send(request_text("GET", "/cam/0"));
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 2; }));
    auto good = rig.waiting_get("/cam/0");
    EXPECT_EQ(good.read_head().status, 200);
    EXPECT_EQ(good.read_chunk(), "begin");
    for (int i = 0; i < 40; ++i) { // 10 MB, more than any socket buffer takes
        post.send_chunk(piece);
        for (std::size_t got = 0; got < piece.size();)
            got += good.read_chunk().size();
    }
    post.end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_EQ(good.read_chunk(), "");
    EXPECT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 1; }))
        << "only the stuck one still holds the segment";
    for (int i = 1; i <= 5; ++i) // the segment leaves the window
        EXPECT_EQ(rig.post("/cam/" + std::to_string(i), "x").status, 200);
    EXPECT_TRUE(eventually([&] { return rig.counters().readers_cut == 1; }));
}

TEST(trickle_server_hardening, a_slow_reader_that_gets_on_in_time_receives_everything) {
    auto options = trickle_rig::defaults();
    options.trickle.reader_grace = 5s;
    trickle_rig rig(options);
    const std::string large(24u << 20, 'l');
    rig.post("/cam/0", large);
    auto slow = rig.client();
    slow.send(request_text("GET", "/cam/0"));
    ASSERT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 1; }));
    for (int i = 1; i <= 6; ++i)
        rig.post("/cam/" + std::to_string(i), "x");
    EXPECT_EQ(slow.read_reply().body.size(), large.size());
    slow.send(request_text("GET", "/cam/6"));
    EXPECT_EQ(slow.read_reply().body, "x");
}

TEST(trickle_server_hardening, a_reader_without_progress_is_cut_after_the_write_limit) {
    auto options = trickle_rig::defaults();
    options.trickle.write_limit = 150ms;
    trickle_rig rig(options);
    rig.post("/cam/0", std::string(10u << 20, 'x'));
    auto stuck = rig.client();
    stuck.shrink_receive_buffer();
    stuck.send(request_text("GET", "/cam/0"));
    EXPECT_TRUE(eventually([&] { return rig.counters().readers_cut == 1; }));
    EXPECT_TRUE(eventually([&] { return rig.watchers_of("cam", 0) == 0; }));
}

// --- crowds and garbage
// ---------------------------------------------------------------------------

TEST(trickle_server_hardening, serves_on_beside_two_thousand_idle_connections) {
    // Both ends are in this process.
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
    ::setrlimit(RLIMIT_NOFILE, &files);
    ASSERT_GE(files.rlim_cur, 4200u) << "raise the hard limit of open files to run this test";
    trickle_rig rig;
    std::vector<raw_client> idle;
    for (int i = 0; i < 2000; ++i)
        idle.push_back(i % 4 == 0 ? rig.waiting_get("/cam/1") : rig.client());
    const auto begin = steady_clock::now();
    EXPECT_EQ(rig.post("/cam/0", "x").status, 200);
    EXPECT_EQ(rig.get("/cam/0").body, "x");
    EXPECT_LT(steady_clock::now() - begin, 2s);
}

TEST(trickle_server_hardening, garbage_is_refused_and_harms_nobody) {
    trickle_rig rig;
    auto post = rig.open_post("/cam/0");
    post.send_chunk("before ");
    auto reader = rig.waiting_get("/cam/0");
    EXPECT_EQ(reader.read_head().status, 200);
    std::mt19937 random(7);
    for (int round = 0; round < 60; ++round) {
        std::string garbage(1 + random() % 3000, '\0');
        for (char& c : garbage)
            c = static_cast<char>(random());
        if (round % 3 == 0)
            garbage = "GET /cam/0 HTTP/1.1\r\n" + garbage;
        if (round % 3 == 1)
            garbage = open_request("POST", "/bad/0") + garbage;
        auto client = rig.client();
        client.send(garbage);
        client.finish_sending();
        try {
            client.read_to_end();
        } catch (const raw_http_error&) { // a reset is an answer too
        }
    }
    auto plain = rig.client();
    plain.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP at all\r\n\r\n");
    EXPECT_EQ(plain.read_reply().status, 400);
    post.send_chunk("after").end_chunks();
    EXPECT_EQ(post.read_reply().status, 200);
    EXPECT_EQ(rig.get("/cam/0").body, "before after");
}

TEST(trickle_server_hardening, many_writers_and_readers_that_come_and_go_leave_nothing_behind) {
    trickle_rig rig;
    std::vector<std::thread> peers;
    for (int t = 0; t < 4; ++t)
        peers.emplace_back([&rig, t] {
            std::mt19937 random(static_cast<unsigned>(t));
            const auto path = "/cam" + std::to_string(t % 2) + "/";
            for (int i = 0; i < 60; ++i) {
                try {
                    auto post = rig.open_post(path + std::to_string(i));
                    auto get = rig.waiting_get(path + std::to_string(i));
                    post.send_chunk(std::string(random() % 20'000, 'x'));
                    switch (random() % 5) {
                    case 0:
                        post.reset();
                        break;
                    case 1:
                        get.reset();
                        break;
                    case 2:
                        post.close();
                        get.close();
                        break;
                    case 3:
                        rig.ask(request_text("DELETE", path + std::to_string(i)));
                        break;
                    default:
                        post.end_chunks();
                        post.read_reply();
                        break;
                    }
                    if (random() % 20 == 0)
                        rig.ask(request_text("DELETE", path.substr(0, 5)));
                } catch (const raw_http_error&) { // whoever was cut by another thread's DELETE
                }
            }
        });
    for (auto& peer : peers)
        peer.join();
    EXPECT_EQ(rig.post("/fresh/0", "x").status, 200);
    EXPECT_EQ(rig.get("/fresh/0").body, "x");
    EXPECT_TRUE(eventually([&] { return rig.watchers_of("fresh", 0) == 0; }));
}

} // namespace
} // namespace rivulet::test
