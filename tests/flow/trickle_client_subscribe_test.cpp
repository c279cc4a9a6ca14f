// The subscriber against a scripted server: what it asks, when, and what it makes of odd replies.
#include "support/scripted_peer.hpp"
#include "trickle/subscriber.hpp"
#include "trickle/subscriber_relay.hpp"

#include <gtest/gtest.h>

namespace rivulet::trickle {
namespace {

using namespace std::chrono_literals;
using test::peer_ptr;
using test::scripted_peer;

struct stage {
    asio::io_context io;
    asio::any_io_executor executor = io.get_executor();
    scripted_peer peer{executor};
    subscriber_options options;

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

    // Runs `script` beside the test's body.
    template <class Script>
    void beside(Script& script) {
        asio::co_spawn(executor, script, [](std::exception_ptr e) {
            try {
                if (e)
                    std::rethrow_exception(e);
            } catch (const std::exception& failed) {
                ADD_FAILURE() << "the server's script: " << failed.what();
            }
        });
    }

    std::unique_ptr<subscriber> subscribe() {
        return std::make_unique<subscriber>(executor, peer.url("/t/ch"), options, logger());
    }
};

awaitable<void> sleep_for(duration time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(as_tuple);
}

bool begins_with(const std::string& text, const std::string& start) {
    return text.rfind(start, 0) == 0;
}

std::string head_of(int seq) {
    return "HTTP/1.1 200 OK\r\nContent-Type: video/MP2T\r\nLp-Trickle-Seq: " + std::to_string(seq) +
           "\r\nTransfer-Encoding: chunked\r\n\r\n";
}

std::string chunk(const std::string& text) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return size + text + "\r\n";
}

const std::string last_chunk = "0\r\n\r\n";

std::string whole(int seq, const std::string& text) {
    return head_of(seq) + (text.empty() ? "" : chunk(text)) + last_chunk;
}

std::string
plain(const std::string& status, const std::string& body = {}, const std::string& headers = {}) {
    return "HTTP/1.1 " + status + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string text_of(const subscriber_item& item) {
    std::string text;
    for (const auto& block : item.blocks)
        text += block.text();
    return text;
}

TEST(trickle_conformance, s57_asks_nothing_before_the_first_read_and_starts_where_told) {
    for (std::int64_t start : {-1, -2, 7}) {
        stage on;
        on.options.start = start;
        auto body = [&]() -> awaitable<void> {
            auto in = on.subscribe();
            auto early = co_await on.peer.accept_within(50ms);
            EXPECT_FALSE(early);
            std::string head;
            auto script = [&]() -> awaitable<void> {
                auto a = co_await on.peer.accept();
                head = co_await a->read_head();
                auto reply = whole(7, "x");
                co_await a->send(reply);
            };
            on.beside(script);
            auto item = co_await in->read();
            EXPECT_TRUE(item);
            if (item) {
                EXPECT_EQ(item->seq, 7);
            }
            EXPECT_TRUE(begins_with(head, "GET /t/ch/" + std::to_string(start) + " ")) << head;
        };
        on.run(body());
    }
}

TEST(trickle_conformance, s57_the_default_start_is_the_next_segment) {
    EXPECT_EQ(subscriber_options().start, -1);
}

TEST(trickle_conformance, s58_asks_for_the_next_segment_while_the_first_has_only_its_headers) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto head = head_of(30);
            co_await a->send(head);
            auto b = co_await on.peer.accept();
            auto asked = co_await b->read_head();
            EXPECT_TRUE(begins_with(asked, "GET /t/ch/31 ")) << asked;
            auto one = chunk("one");
            co_await a->send(one);
            co_await sleep_for(20ms);
            auto rest = chunk("two") + last_chunk;
            co_await a->send(rest);
            auto next = whole(31, "three");
            co_await b->send(next);
        };
        on.beside(script);
        std::string log;
        for (std::string all; all != "onetwothree";) {
            auto item = co_await in->read();
            EXPECT_TRUE(item);
            if (!item)
                co_return;
            all += text_of(*item);
            log += std::to_string(item->seq) + (item->segment_begins ? "+" : "") +
                   (item->segment_ends ? "-" : "") + text_of(*item) + " ";
        }
        EXPECT_EQ(log, "30+one 30-two 31+-three ");
    };
    on.run(body());
}

TEST(trickle_client_subscribe, two_connections_serve_any_number_of_segments) {
    stage on;
    on.options.start = 0;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            peer_ptr b;
            for (int seq = 0; seq < 20; ++seq) {
                auto asked = co_await a->read_head();
                EXPECT_TRUE(begins_with(asked, "GET /t/ch/" + std::to_string(seq) + " "));
                auto begin = head_of(seq) + chunk("x");
                co_await a->send(begin);
                if (!b)
                    b = co_await on.peer.accept();
                co_await sleep_for(2ms);
                co_await a->send(last_chunk);
                std::swap(a, b);
            }
            auto more = co_await on.peer.accept_within(50ms);
            EXPECT_FALSE(more);
        };
        on.beside(script);
        for (int ended = 0; ended < 20;) {
            auto item = co_await in->read();
            EXPECT_TRUE(item) << item.error().detail;
            if (!item)
                co_return;
            ended += item->segment_ends;
        }
        co_await sleep_for(100ms);
    };
    on.run(body());
}

TEST(trickle_conformance, s59_a_refresh_keeps_the_old_get_until_the_new_one_stands) {
    stage on;
    on.options.refresh = 200ms;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto b = co_await on.peer.accept();
            auto asked = co_await b->read_head();
            EXPECT_TRUE(begins_with(asked, "GET /t/ch/-1 ")) << asked;
            // The reply to the first GET was under way when the second came.
            auto reply = whole(4, "kept");
            co_await a->send(reply);
            auto closed = co_await b->closed_within(1s);
            EXPECT_TRUE(closed) << "the twin leaks";
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_TRUE(item);
        if (item) {
            EXPECT_EQ(item->seq, 4);
            EXPECT_EQ(text_of(*item), "kept");
        }
        co_await sleep_for(100ms);
    };
    on.run(body());
}

TEST(trickle_conformance, s59_an_old_get_without_a_reply_is_closed) {
    stage on;
    on.options.refresh = 100ms;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto b = co_await on.peer.accept();
            co_await b->read_head();
            auto closed = co_await a->closed_within(2s);
            EXPECT_TRUE(closed);
            auto reply = whole(0, "late");
            co_await b->send(reply);
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_TRUE(item);
        if (item) {
            EXPECT_EQ(text_of(*item), "late");
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s60_the_closed_header_counts_before_status_and_body) {
    stage on;
    on.options.start = 3;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto reply = plain(
                "200 OK",
                "Entry not found",
                "Lp-Trickle-Seq: 3\r\nLp-Trickle-Latest: 3\r\nLp-Trickle-Closed: terminated\r\n"
            );
            co_await a->send(reply);
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_EQ(item.error().code, errc::end_of_stream);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s61_a_gap_is_surfaced_and_followed_at_latest) {
    stage on;
    on.options.start = 3;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto gap = plain(
                "470 status code 470",
                "Entry not found",
                "Lp-Trickle-Latest: 90\r\nLp-Trickle-Seq: 3\r\n"
            );
            co_await a->send(gap);
            auto b = co_await on.peer.accept();
            auto asked = co_await b->read_head();
            EXPECT_TRUE(begins_with(asked, "GET /t/ch/90 ")) << asked;
            auto reply = whole(90, "here");
            co_await b->send(reply);
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_EQ(item.error().code, errc::sequence_not_found);
        }
        EXPECT_EQ(in->latest(), 90);
        EXPECT_EQ(in->position(), 3);
        in->set_seq(*in->latest());
        item = co_await in->read();
        EXPECT_TRUE(item);
        if (item) {
            EXPECT_EQ(item->seq, 90);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s62_gives_up_after_six_refused_connections_until_set_seq) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        const auto port = on.peer.port();
        on.peer.stop(); // nobody listens there now
        for (int i = 0; i < 6; ++i) {
            auto item = co_await in->read();
            EXPECT_FALSE(item);
            if (!item) {
                EXPECT_EQ(item.error().code, errc::connect_failed);
                const auto where = "127.0.0.1:" + std::to_string(port);
                EXPECT_NE(item.error().detail.find(where), std::string::npos)
                    << item.error().detail;
                EXPECT_NE(item.error().detail.find("refused"), std::string::npos);
            }
        }
        auto item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_NE(item.error().detail.find("gave up"), std::string::npos);
        }
        in->set_seq(0);
        item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_NE(item.error().detail.find("refused"), std::string::npos);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s63_set_seq_moves_a_pending_read_on_a_fresh_connection) {
    stage on;
    on.options.start = 10;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            in->set_seq(2); // backwards, while the GET waits
            auto closed = co_await a->closed_within(1s);
            EXPECT_TRUE(closed);
            auto b = co_await on.peer.accept();
            auto asked = co_await b->read_head();
            EXPECT_TRUE(begins_with(asked, "GET /t/ch/2 ")) << asked;
            auto begin = head_of(2) + chunk("old");
            co_await b->send(begin);
            co_await sleep_for(30ms);
            in->set_seq(50); // forwards, in the middle of a body
            closed = co_await b->closed_within(1s);
            EXPECT_TRUE(closed);
            for (int i = 0; i < 2; ++i) {
                auto c = co_await on.peer.accept();
                asked = co_await c->read_head();
                if (!begins_with(asked, "GET /t/ch/50 "))
                    continue; // the GET for 3 that was under way
                auto reply = whole(50, "new");
                co_await c->send(reply);
                break;
            }
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_TRUE(item);
        if (item) {
            EXPECT_EQ(text_of(*item), "old");
        }
        item = co_await in->read();
        EXPECT_TRUE(item);
        if (item) {
            EXPECT_EQ(text_of(*item), "new");
            EXPECT_TRUE(item->segment_begins);
        }
        co_await sleep_for(50ms);
    };
    on.run(body());
}

TEST(trickle_conformance, s64_cancel_ends_a_pending_read_with_the_callers_reason) {
    for (bool in_body : {false, true}) {
        stage on;
        auto body = [&]() -> awaitable<void> {
            auto in = on.subscribe();
            auto script = [&]() -> awaitable<void> {
                auto a = co_await on.peer.accept();
                co_await a->read_head();
                if (in_body) {
                    auto begin = head_of(0) + chunk("x");
                    co_await a->send(begin);
                }
                co_await sleep_for(50ms);
                in->cancel(failure(errc::lagged, "the viewer left"));
                auto closed = co_await a->closed_within(1s);
                EXPECT_TRUE(closed);
            };
            on.beside(script);
            auto item = co_await in->read();
            if (in_body) {
                EXPECT_TRUE(item);
                item = co_await in->read();
            }
            EXPECT_FALSE(item);
            if (!item) {
                EXPECT_EQ(item.error().code, errc::lagged);
                EXPECT_EQ(item.error().detail, "the viewer left");
            }
            co_await in->close();
        };
        on.run(body());
        EXPECT_TRUE(on.io.stopped()) << "something of the subscriber still runs";
    }
}

TEST(trickle_conformance, s66_empty_segments_are_valid) {
    stage on;
    on.options.start = 0;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            for (int seq = 0; seq < 2; ++seq) {
                co_await a->read_head();
                auto empty = plain(
                    "200 OK",
                    "",
                    "Lp-Trickle-Seq: " + std::to_string(seq) +
                        "\r\nLp-Trickle-Latest: " + std::to_string(seq + 1) + "\r\n"
                );
                co_await a->send(empty);
                if (seq == 0)
                    a = co_await on.peer.accept();
            }
        };
        on.beside(script);
        for (int seq = 0; seq < 2; ++seq) {
            auto item = co_await in->read();
            EXPECT_TRUE(item);
            if (!item)
                co_return;
            EXPECT_EQ(item->seq, seq);
            EXPECT_TRUE(item->segment_begins && item->segment_ends && item->blocks.empty());
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s67_messages_are_read_whole_and_empty_ones_skipped) {
    stage on;
    on.options.start = 0;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            peer_ptr b;
            for (int seq = 0; seq < 4; ++seq) {
                co_await a->read_head();
                auto head = head_of(seq);
                co_await a->send(head);
                if (!b)
                    b = co_await on.peer.accept();
                if (seq == 0) {
                    for (const char* part : {"{\"a\"", ":[1,", "2]}"}) {
                        auto piece = chunk(part);
                        co_await a->send(piece);
                        co_await sleep_for(5ms);
                    }
                } else if (seq == 2) {
                    auto large = chunk(std::string(200, ' '));
                    co_await a->send(large);
                } else if (seq == 3) {
                    auto piece = chunk("{}");
                    co_await a->send(piece);
                }
                co_await a->send(last_chunk);
                std::swap(a, b);
            }
        };
        on.beside(script);
        auto message = co_await in->read_message(100);
        EXPECT_TRUE(message);
        if (message) {
            EXPECT_EQ(message->body, "{\"a\":[1,2]}");
        }
        message = co_await in->read_message(100); // 1 is empty, 2 is too long
        EXPECT_FALSE(message);
        if (!message) {
            EXPECT_EQ(message.error().code, errc::too_large);
        }
        message = co_await in->read_message(100);
        EXPECT_TRUE(message);
        if (message) {
            EXPECT_EQ(message->seq, 3);
            EXPECT_EQ(message->body, "{}");
        }
    };
    on.run(body());
}

TEST(trickle_client_subscribe, a_broken_segment_goes_on_where_it_broke) {
    stage on;
    on.options.start = 0;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto begin = head_of(0) + chunk("hello ");
            co_await a->send(begin);
            auto next = co_await on.peer.accept();
            co_await next->read_head();
            co_await sleep_for(30ms);
            a->reset();
            auto closed = co_await next->closed_within(1s);
            EXPECT_TRUE(closed) << "the GET for 1 must not stay open";
            auto again = co_await on.peer.accept();
            auto asked = co_await again->read_head();
            EXPECT_TRUE(begins_with(asked, "GET /t/ch/0 ")) << asked;
            auto reply = head_of(0) + chunk("hel") + chunk("lo wor") + chunk("ld") + last_chunk;
            co_await again->send(reply);
        };
        on.beside(script);
        std::string all;
        int begins = 0;
        int errors = 0;
        for (bool ended = false; !ended;) {
            auto item = co_await in->read();
            if (!item) {
                EXPECT_EQ(++errors, 1) << item.error().detail;
                if (errors > 1)
                    co_return;
                continue;
            }
            all += text_of(*item);
            begins += item->segment_begins;
            ended = item->segment_ends;
        }
        EXPECT_EQ(all, "hello world");
        EXPECT_EQ(begins, 1);
        EXPECT_EQ(errors, 1);
    };
    on.run(body());
}

TEST(trickle_client_subscribe, a_segment_that_takes_too_long_is_read_again) {
    stage on;
    on.options.start = 0;
    on.options.segment_timeout = 100ms;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        peer_ptr a, b;
        auto script = [&]() -> awaitable<void> {
            a = co_await on.peer.accept();
            co_await a->read_head();
            auto begin = head_of(0) + chunk("x");
            co_await a->send(begin);
            b = co_await on.peer.accept();
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_TRUE(item);
        item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_EQ(item.error().code, errc::timed_out);
        }
    };
    on.run(body());
}

TEST(trickle_client_subscribe, interim_replies_before_a_segment_are_ignored) {
    stage on;
    on.options.start = 0;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            for (int i = 0; i < 50; ++i)
                co_await a->send("HTTP/1.1 100 Continue\r\n\r\n");
            auto reply = whole(0, "x");
            co_await a->send(reply);
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_TRUE(item);
    };
    on.run(body());
}

TEST(trickle_client_subscribe, a_reply_that_is_no_http_is_an_error_and_no_crash) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            co_await a->send("220 mail.example.org ESMTP\r\n\r\n");
        };
        on.beside(script);
        auto item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_EQ(item.error().code, errc::protocol_violation);
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s68_follow_ends_on_the_seventh_error_in_a_row_300_ms_apart) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        int asked = 0;
        auto script = [&]() -> awaitable<void> {
            for (;;) {
                auto a = co_await on.peer.accept_within(1s);
                while (a) {
                    try {
                        co_await a->read_head();
                    } catch (const std::exception&) {
                        break;
                    }
                    ++asked;
                    auto broken = plain("500 Oops", "broken", "Connection: close\r\n");
                    co_await a->send(broken);
                    break;
                }
                if (!a)
                    co_return;
            }
        };
        on.beside(script);
        int troubles = 0;
        item_sink items = [](subscriber_item) { ADD_FAILURE() << "there is nothing to read"; };
        trouble_sink trouble = [&](const failure&) { ++troubles; };
        const auto before = steady_clock::now();
        auto why = co_await follow(*in, items, trouble);
        EXPECT_EQ(why.code, errc::http_status);
        EXPECT_NE(why.detail.find("500: broken"), std::string::npos) << why.detail;
        EXPECT_EQ(troubles, 6);
        EXPECT_EQ(asked, 7);
        EXPECT_GE(steady_clock::now() - before, 1800ms);
    };
    on.run(body());
}

TEST(trickle_client_subscribe, cancelling_ends_the_pause_before_a_retry) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto broken = plain("500 Oops", "broken");
            co_await a->send(broken);
        };
        on.beside(script);
        item_sink items = [](subscriber_item) {};
        time_point cancelled{};
        trouble_sink trouble = [&](const failure&) {
            cancelled = steady_clock::now();
            in->cancel(failure(errc::cancelled, "enough"));
        };
        auto why = co_await follow(*in, items, trouble);
        EXPECT_EQ(why.detail, "enough");
        EXPECT_LE(steady_clock::now() - cancelled, 150ms);
    };
    on.run(body());
}

TEST(trickle_conformance, s68_follow_stops_at_once_when_the_channel_is_gone) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto in = on.subscribe();
        auto script = [&]() -> awaitable<void> {
            auto a = co_await on.peer.accept();
            co_await a->read_head();
            auto gone = plain("404 Not Found", "Stream not found\n");
            co_await a->send(gone);
        };
        on.beside(script);
        item_sink items = [](subscriber_item) {};
        trouble_sink trouble = [](const failure&) { ADD_FAILURE() << "not to be retried"; };
        const auto before = steady_clock::now();
        auto why = co_await follow(*in, items, trouble);
        EXPECT_EQ(why.code, errc::not_found);
        EXPECT_LE(steady_clock::now() - before, 250ms);
    };
    on.run(body());
}

} // namespace
} // namespace rivulet::trickle
