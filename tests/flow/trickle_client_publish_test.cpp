// The publisher against a scripted server: what is on the wire, when, and on which connection.
#include "support/run_on.hpp"
#include "support/scripted_peer.hpp"
#include "trickle/channel_writer.hpp"
#include "trickle/publisher.hpp"
#include "trickle/publisher_relay.hpp"

#include <gtest/gtest.h>

#include <list>

namespace rivulet::trickle {
namespace {

using namespace std::chrono_literals;
using test::peer_ptr;
using test::run_on;
using test::scripted_peer;
using test::sleep_for;

// One thread, one scripted server, a publisher of the channel /t/ch on it.
struct stage {
    asio::io_context io;
    asio::any_io_executor executor = io.get_executor();
    scripted_peer peer{executor};

    // Runs `body` to its end, and what it left behind for as long as that takes.
    void run(awaitable<void> body) {
        std::exception_ptr failed;
        bool ended = false;
        asio::co_spawn(executor, std::move(body), [&](std::exception_ptr e) {
            failed = e;
            ended = true;
            peer.stop();
        });
        io.run_for(20s);
        if (failed)
            std::rethrow_exception(failed);
        ASSERT_TRUE(ended) << "the test did not end in time";
    }

    std::unique_ptr<publisher> start(publisher_options options = publisher_options()) {
        auto made =
            std::make_unique<publisher>(executor, peer.url("/t/ch"), std::move(options), logger());
        EXPECT_TRUE(made->start());
        return made;
    }
};

std::string reply(const std::string& status, const std::string& headers = {}) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n" + headers + "\r\n";
}

bytes text(std::string_view what) {
    return bytes::copy_of(what);
}

bool begins_with(const std::string& text, const std::string& start) {
    return text.rfind(start, 0) == 0;
}

TEST(trickle_conformance, s45_one_idle_post_for_the_next_number_and_connections_take_turns) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        auto head = co_await a->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/0 HTTP/1.1\r\n")) << head;
        EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
        EXPECT_NE(head.find("Content-Type: video/MP2T\r\n"), std::string::npos);
        EXPECT_EQ(head.find("Lp-Trickle-Reset"), std::string::npos);
        auto none = co_await peer.accept_within(50ms);
        EXPECT_FALSE(none) << "only one POST before a segment begins";
        peer_ptr other;
        for (int seq = 0; seq < 6; ++seq) {
            auto segment = co_await out->next_segment();
            EXPECT_TRUE(segment);
            if (!segment)
                co_return;
            // The idle POST of the next number: a second connection once, then the free one.
            if (!other)
                other = co_await peer.accept();
            head = co_await other->read_head();
            EXPECT_TRUE(begins_with(head, "POST /t/ch/" + std::to_string(seq + 1) + " ")) << head;
            auto sent = co_await (*segment)->write(text("hello"));
            EXPECT_TRUE(sent);
            auto chunk = co_await a->read_until("5\r\nhello\r\n");
            EXPECT_EQ(chunk, "5\r\nhello\r\n");
            auto finishing = [&]() -> awaitable<void> {
                co_await a->read_until("0\r\n\r\n");
                auto ok = reply("200 OK", "Lp-Trickle-Seq: " + std::to_string(seq) + "\r\n");
                co_await a->send(ok);
            };
            asio::co_spawn(executor, finishing, [](std::exception_ptr) {});
            auto done = co_await (*segment)->finish();
            EXPECT_TRUE(done) << done.error().detail;
            std::swap(a, other);
        }
        none = co_await peer.accept_within(50ms);
        EXPECT_FALSE(none) << "two connections are enough";
    };
    on.run(body());
}

TEST(trickle_conformance, s46_headers_are_sent_before_the_first_body_byte_exists) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto silent = co_await a->silent_for(100ms);
        EXPECT_TRUE(silent);
    };
    on.run(body());
}

TEST(trickle_conformance, s47_an_early_404_reaches_the_writer_as_not_found) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(text("first"));
        EXPECT_TRUE(sent);
        co_await a->read_until("first\r\n");
        co_await a->send("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 17\r\n\r\n"
                         "Stream not found\n");
        co_await sleep_for(50ms);
        sent = co_await (*segment)->write(text("second"));
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::not_found);
        }
        auto closed = co_await a->closed_within(1s);
        EXPECT_TRUE(closed) << "the server waits for us to close";
        EXPECT_TRUE(a->pending().empty()) << a->pending();
    };
    on.run(body());
}

TEST(trickle_conformance, s47_other_refusals_carry_code_and_body) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        co_await a->send("HTTP/1.1 503 Full\r\nContent-Length: 8\r\n\r\nall busy");
        co_await sleep_for(50ms);
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(text("x"));
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::http_status);
            EXPECT_NE(sent.error().detail.find("503"), std::string::npos);
            EXPECT_NE(sent.error().detail.find("all busy"), std::string::npos);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s47_the_closed_header_is_the_end_of_the_stream_despite_status_200) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto end = reply("200 OK", "Lp-Trickle-Closed: terminated\r\n");
        co_await a->send(end);
        co_await sleep_for(50ms);
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(text("x"));
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::end_of_stream);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s48_a_failed_preconnect_refuses_the_write_and_sends_nothing) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto gone = reply("404 Not Found");
        co_await a->send(gone);
        auto closed = co_await a->closed_within(1s);
        EXPECT_TRUE(closed);
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(text("x"));
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::not_found);
        }
        EXPECT_EQ((*segment)->bytes_sent(), 0u);
        EXPECT_TRUE(a->pending().empty());
    };
    on.run(body());
}

TEST(trickle_conformance, s48_the_reply_outranks_the_broken_pipe) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto segment = co_await out->next_segment();
        // The reply and the end of the connection are both there before the writer looks.
        auto answer = reply("404 Not Found", "Connection: close\r\n");
        co_await a->send(answer);
        a->close();
        // No turn of the loop in between: the writer only sees its socket.
        auto block = bytes::copy_of(std::string(256 * 1024, 'x'));
        outcome<void> sent = {};
        for (int i = 0; i < 100 && sent; ++i)
            sent = co_await (*segment)->write(block);
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::not_found) << sent.error().detail;
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s49_a_200_before_the_first_byte_is_not_success) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto early = reply("200 OK", "Lp-Trickle-Seq: 0\r\nConnection: close\r\n");
        co_await a->send(early);
        auto closed = co_await a->closed_within(1s);
        EXPECT_TRUE(closed);
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(text("lost"));
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::closed);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s50_writing_again_uses_a_fresh_connection_and_the_same_number) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto segment = co_await out->next_segment();
        auto idle = co_await peer.accept();
        co_await idle->read_head();
        a->reset();
        co_await sleep_for(50ms);
        auto sent = co_await (*segment)->write(text("x"));
        EXPECT_FALSE(sent);
        EXPECT_EQ((*segment)->bytes_sent(), 0u);
        std::string head;
        auto serve = [&]() -> awaitable<void> {
            auto fresh = co_await peer.accept();
            head = co_await fresh->read_head();
            co_await fresh->read_until("3\r\nxyz\r\n0\r\n\r\n");
            auto ok = reply("200 OK", "Lp-Trickle-Seq: 0\r\n");
            co_await fresh->send(ok);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        sent = co_await (*segment)->write(text("xyz"));
        EXPECT_TRUE(sent);
        auto done = co_await (*segment)->finish();
        EXPECT_TRUE(done);
        EXPECT_TRUE(begins_with(head, "POST /t/ch/0 ")) << head;
    };
    on.run(body());
}

TEST(trickle_conformance, s51_an_empty_segment_is_no_error) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto serve = [&]() -> awaitable<void> {
            auto a = co_await peer.accept();
            co_await a->read_head();
            auto rest = co_await a->read_until("0\r\n\r\n");
            EXPECT_EQ(rest, "0\r\n\r\n");
            auto ok = reply("200 OK", "Lp-Trickle-Seq: 0\r\nConnection: close\r\n");
            co_await a->send(ok);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(bytes());
        EXPECT_TRUE(sent);
        auto done = co_await (*segment)->finish();
        EXPECT_TRUE(done);
    };
    on.run(body());
}

TEST(
    trickle_conformance, s52_a_dropped_segment_ends_its_body_and_is_deleted_on_a_fresh_connection
) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto segment = co_await out->next_segment();
        auto idle = co_await peer.accept();
        co_await idle->read_head();
        co_await (*segment)->write(text("abc"));
        bool body_was_over = false;
        std::string head;
        auto serve = [&]() -> awaitable<void> {
            auto fresh = co_await peer.accept();
            head = co_await fresh->read_head();
            auto seen = co_await a->read_until("0\r\n\r\n");
            body_was_over = seen == "3\r\nabc\r\n0\r\n\r\n";
            auto ok = reply("200 OK");
            co_await fresh->send(ok);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto dropped = co_await (*segment)->drop();
        EXPECT_TRUE(dropped);
        EXPECT_TRUE(begins_with(head, "DELETE /t/ch/0 ")) << head;
        EXPECT_TRUE(body_was_over);
    };
    on.run(body());
}

TEST(
    trickle_conformance, s53_close_deletes_the_channel_on_a_fresh_connection_then_ends_the_idle_post
) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto idle = co_await peer.accept();
        co_await idle->read_head();
        std::string head;
        auto serve = [&]() -> awaitable<void> {
            auto fresh = co_await peer.accept();
            head = co_await fresh->read_head();
            auto silent = co_await idle->silent_for(50ms);
            EXPECT_TRUE(silent) << "the idle POST ends after the DELETE, not before";
            auto ok = reply("200 OK");
            co_await fresh->send(ok);
            auto rest = co_await idle->read_until("0\r\n\r\n");
            EXPECT_EQ(rest, "0\r\n\r\n");
            auto end = reply("200 OK", "Lp-Trickle-Closed: terminated\r\n");
            co_await idle->send(end);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto closed = co_await out->close();
        EXPECT_TRUE(closed);
        EXPECT_TRUE(begins_with(head, "DELETE /t/ch HTTP/1.1\r\n")) << head;
        auto gone = co_await idle->closed_within(1s);
        EXPECT_TRUE(gone);
    };
    on.run(body());
}

TEST(trickle_client_publish, close_says_when_the_server_refused_and_still_leaves_nothing_behind) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto& io = on.io;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto idle = co_await peer.accept();
        co_await idle->read_head();
        auto serve = [&]() -> awaitable<void> {
            auto fresh = co_await peer.accept();
            co_await fresh->read_head();
            co_await fresh->send(
                "HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\nInvalid stream"
            );
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto closed = co_await out->close();
        EXPECT_FALSE(closed);
        if (!closed) {
            EXPECT_NE(closed.error().detail.find("400: Invalid stream"), std::string::npos);
        }
        auto gone = co_await idle->closed_within(1s);
        EXPECT_TRUE(gone);
        auto segment = co_await out->next_segment();
        EXPECT_FALSE(segment);
    };
    on.run(body());
    EXPECT_TRUE(io.stopped()) << "something of the publisher still runs";
}

TEST(trickle_conformance, s55_a_flood_of_interim_replies_is_ignored) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        for (int i = 0; i < 100; ++i)
            co_await a->send("HTTP/1.1 100 Continue\r\n\r\n");
        auto segment = co_await out->next_segment();
        auto sent = co_await (*segment)->write(text("still here"));
        EXPECT_TRUE(sent);
        co_await a->read_until("still here\r\n");
        co_await a->send("HTTP/1.1 100 Continue\r\n\r\n");
        auto serve = [&]() -> awaitable<void> {
            co_await a->read_until("0\r\n\r\n");
            auto ok = "HTTP/1.1 102 Processing\r\n\r\n" + reply("200 OK", "Lp-Trickle-Seq: 0\r\n");
            co_await a->send(ok);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto done = co_await (*segment)->finish();
        EXPECT_TRUE(done);
    };
    on.run(body());
}

TEST(trickle_conformance, s56_attaching_asks_next_and_resets_once) {
    stage on;
    auto& peer = on.peer;
    auto body = [&]() -> awaitable<void> {
        publisher_options options;
        options.attach = true;
        auto out = on.start(options);
        auto asked = co_await peer.accept();
        auto head = co_await asked->read_head();
        EXPECT_TRUE(begins_with(head, "GET /t/ch/next ")) << head;
        co_await asked->send(
            "HTTP/1.1 200 OK\r\nLp-Trickle-Latest: 12\r\nContent-Length: 2\r\n\r\n12"
        );
        auto a = co_await peer.accept();
        head = co_await a->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/12 ")) << head;
        EXPECT_NE(head.find("Lp-Trickle-Reset: 1\r\n"), std::string::npos);
        auto segment = co_await out->next_segment();
        EXPECT_TRUE(segment);
        auto b = co_await peer.accept();
        head = co_await b->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/13 ")) << head;
        EXPECT_EQ(head.find("Lp-Trickle-Reset"), std::string::npos);
    };
    on.run(body());
}

TEST(trickle_conformance, s56_without_an_answer_the_first_post_goes_to_minus_one) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        publisher_options options;
        options.attach = true;
        auto out = on.start(options);
        auto asked = co_await peer.accept();
        co_await asked->read_head();
        auto broken = reply("500 Oops");
        co_await asked->send(broken);
        auto a = co_await peer.accept();
        auto head = co_await a->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/-1 ")) << head;
        EXPECT_NE(head.find("Lp-Trickle-Reset: 1\r\n"), std::string::npos);
        auto serve = [&]() -> awaitable<void> {
            co_await a->read_until("0\r\n\r\n");
            auto ok = reply("200 OK", "Lp-Trickle-Seq: 30\r\n");
            co_await a->send(ok);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto segment = co_await out->next_segment();
        co_await (*segment)->write(text("x"));
        auto done = co_await (*segment)->finish();
        EXPECT_TRUE(done);
        EXPECT_EQ((*segment)->seq(), 30);
        head = co_await a->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/31 ")) << head;
    };
    on.run(body());
}

TEST(trickle_client_publish, a_message_travels_as_one_chunk_with_the_end_of_its_body) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto serve = [&]() -> awaitable<void> {
            auto all = co_await a->read_until("0\r\n\r\n");
            EXPECT_EQ(all, "10\r\n{\"keep\":\"alive\"}\r\n0\r\n\r\n");
            auto ok = reply("200 OK", "Lp-Trickle-Seq: 0\r\n");
            co_await a->send(ok);
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto sent = co_await out->publish_message(text("{\"keep\":\"alive\"}"));
        EXPECT_TRUE(sent);
    };
    on.run(body());
}

TEST(trickle_client_publish, a_message_is_sent_again_when_its_preconnected_post_had_died) {
    stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto body = [&]() -> awaitable<void> {
        auto out = on.start();
        auto a = co_await peer.accept();
        co_await a->read_head();
        a->reset();
        co_await sleep_for(50ms);
        auto serve = [&]() -> awaitable<void> {
            for (int i = 0; i < 2; ++i) {
                auto b = co_await peer.accept();
                auto head = co_await b->read_head();
                if (!begins_with(head, "POST /t/ch/0 "))
                    continue; // the idle one
                co_await b->read_until("0\r\n\r\n");
                auto ok = reply("200 OK", "Lp-Trickle-Seq: 0\r\n");
                co_await b->send(ok);
            }
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        auto sent = co_await out->publish_message(text("again"));
        EXPECT_TRUE(sent) << sent.error().detail;
    };
    on.run(body());
}

TEST(trickle_client_publish, an_address_that_is_none_is_refused_at_the_start) {
    stage on;
    auto& executor = on.executor;
    publisher out(executor, "rtmp://h/x", publisher_options(), logger());
    auto started = out.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, errc::invalid_argument);
}

// --- relay ---------------------------------------------------------------------------------------

struct heard : relay_listener {
    std::vector<std::string> log;

    void segment_begun(std::int64_t seq) override { log.push_back("begun " + std::to_string(seq)); }

    void segment_sent(std::int64_t seq, std::uint64_t n) override {
        log.push_back("sent " + std::to_string(seq) + " " + std::to_string(n));
    }

    void segment_dropped(std::int64_t seq, const std::string&) override {
        log.push_back("dropped " + std::to_string(seq));
    }

    void segment_retried(std::int64_t seq, const failure&) override {
        log.push_back("retried " + std::to_string(seq));
    }

    void relay_ended(const failure& why) override { log.push_back("ended " + why.code.message()); }

    bool has(const std::string& line) const {
        return std::find(log.begin(), log.end(), line) != log.end();
    }
};

struct relay_stage : stage {
    channel_ptr source =
        std::make_shared<channel>("cam", "video/MP2T", channel_limits(), steady_clock::now());
    channel_writer writer{source};
    heard listener;
    publisher_relay relay{
        executor, source, peer.url("/t/ch"), publisher_options(), listener, logger()};
};

TEST(trickle_client_relay, sends_a_segment_while_it_grows) {
    relay_stage on;
    auto& peer = on.peer;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto& io = on.io;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        auto a = co_await peer.accept();
        co_await a->read_head();
        writer.append(text("one"));
        auto chunk = co_await a->read_until("3\r\none\r\n");
        EXPECT_EQ(chunk, "3\r\none\r\n");
        writer.append(text("two"));
        writer.append(text("three"));
        // What is there at once travels as one chunk.
        chunk = co_await a->read_until("\r\ntwothree\r\n");
        EXPECT_EQ(chunk, "8\r\ntwothree\r\n");
        writer.end_segment();
        co_await a->read_until("0\r\n\r\n");
        auto ok = reply("200 OK", "Lp-Trickle-Seq: 0\r\n");
        co_await a->send(ok);
        co_await sleep_for(20ms);
        EXPECT_TRUE(listener.has("begun 0"));
        EXPECT_TRUE(listener.has("sent 0 11"));
        EXPECT_EQ(relay.count().bytes, 11u);
        relay.abandon();
    };
    on.run(body());
    EXPECT_TRUE(io.stopped());
}

TEST(trickle_conformance, s54_a_fourth_segment_in_flight_ends_the_session_as_slow) {
    relay_stage on;
    auto& peer = on.peer;
    auto& executor = on.executor;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        std::list<peer_ptr> kept;
        auto serve = [&]() -> awaitable<void> {
            for (;;) {
                auto one = co_await peer.accept_within(500ms);
                if (!one)
                    co_return;
                kept.push_back(one); // and never a reply
            }
        };
        asio::co_spawn(executor, serve, [](std::exception_ptr) {});
        for (int i = 0; i < 3; ++i) {
            writer.write_segment(text("x"));
            co_await sleep_for(30ms);
        }
        EXPECT_EQ(relay.count().in_flight, 3u);
        EXPECT_EQ(listener.log.size(), 3u);
        writer.append(text("x"));
        co_await sleep_for(30ms);
        EXPECT_EQ(listener.log.back(), "ended " + make_error_code(errc::no_capacity).message());
        relay.abandon();
    };
    on.run(body());
}

TEST(trickle_conformance, s54_retries_from_the_first_byte_while_nothing_was_sent) {
    relay_stage on;
    auto& peer = on.peer;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto busy = reply("503 Busy", "Connection: close\r\n");
        co_await a->send(busy);
        co_await sleep_for(30ms);
        writer.append(text("whole "));
        // The idle one for 1, then the second attempt at 0.
        auto idle = co_await peer.accept();
        auto head = co_await idle->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/1 ")) << head;
        const auto before = steady_clock::now();
        writer.append(text("segment"));
        auto again = co_await peer.accept();
        EXPECT_GE(steady_clock::now() - before, 200ms);
        EXPECT_LE(steady_clock::now() - before, 2s);
        head = co_await again->read_head();
        EXPECT_TRUE(begins_with(head, "POST /t/ch/0 ")) << head;
        auto chunk = co_await again->read_until("whole segment\r\n");
        EXPECT_EQ(chunk, "d\r\nwhole segment\r\n");
        EXPECT_TRUE(listener.has("retried 0"));
        relay.abandon();
    };
    on.run(body());
}

TEST(trickle_conformance, s54_a_segment_that_waits_for_a_retry_is_dropped_when_a_newer_begins) {
    relay_stage on;
    auto& peer = on.peer;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto busy = reply("503 Busy", "Connection: close\r\n");
        co_await a->send(busy);
        co_await sleep_for(30ms);
        writer.append(text("old"));
        auto idle = co_await peer.accept();
        co_await idle->read_head();
        co_await sleep_for(50ms);
        writer.begin_segment();
        writer.append(text("new"));
        auto chunk = co_await idle->read_until("new\r\n");
        EXPECT_EQ(chunk, "3\r\nnew\r\n");
        bool deleted = false;
        for (int i = 0; i < 3 && !deleted; ++i) {
            auto next = co_await peer.accept_within(1s);
            if (!next)
                break;
            auto head = co_await next->read_head();
            deleted = begins_with(head, "DELETE /t/ch/0 ");
            EXPECT_FALSE(begins_with(head, "POST /t/ch/0 ")) << head;
        }
        EXPECT_TRUE(deleted);
        EXPECT_TRUE(listener.has("dropped 0"));
        relay.abandon();
    };
    on.run(body());
}

TEST(trickle_conformance, s54_a_segment_that_broke_after_bytes_is_not_repeated) {
    relay_stage on;
    auto& peer = on.peer;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        auto a = co_await peer.accept();
        co_await a->read_head();
        writer.append(text("part"));
        co_await a->read_until("part\r\n");
        auto idle = co_await peer.accept();
        co_await idle->read_head();
        a->reset();
        co_await sleep_for(30ms);
        writer.append(text("rest"));
        auto next = co_await peer.accept();
        auto head = co_await next->read_head();
        EXPECT_TRUE(begins_with(head, "DELETE /t/ch/0 ")) << head;
        EXPECT_TRUE(listener.has("dropped 0"));
        relay.abandon();
    };
    on.run(body());
}

TEST(trickle_client_relay, ends_at_once_when_the_channel_is_gone) {
    relay_stage on;
    auto& peer = on.peer;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        auto a = co_await peer.accept();
        co_await a->read_head();
        auto gone = reply("404 Not Found", "Connection: close\r\n");
        co_await a->send(gone);
        co_await sleep_for(30ms);
        writer.append(text("x"));
        co_await sleep_for(50ms);
        EXPECT_EQ(listener.log.back(), "ended " + make_error_code(errc::not_found).message());
        relay.abandon();
    };
    on.run(body());
}

TEST(trickle_client_relay, tells_when_the_source_has_ended_and_all_was_sent) {
    relay_stage on;
    auto& peer = on.peer;
    auto& source = on.source;
    auto& writer = on.writer;
    auto& listener = on.listener;
    auto& relay = on.relay;
    auto& io = on.io;
    auto body = [&]() -> awaitable<void> {
        EXPECT_TRUE(relay.start());
        auto a = co_await peer.accept();
        co_await a->read_head();
        writer.append(text("last"));
        co_await a->read_until("last\r\n");
        source->close();
        co_await a->read_until("0\r\n\r\n");
        EXPECT_FALSE(listener.has("ended " + make_error_code(errc::closed).message()));
        auto ok = reply("200 OK", "Lp-Trickle-Seq: 0\r\n");
        co_await a->send(ok);
        co_await sleep_for(30ms);
        EXPECT_TRUE(listener.has("sent 0 4"));
        EXPECT_EQ(listener.log.back(), "ended " + make_error_code(errc::closed).message());
        relay.abandon();
    };
    on.run(body());
    EXPECT_TRUE(io.stopped());
}

} // namespace
} // namespace rivulet::trickle
