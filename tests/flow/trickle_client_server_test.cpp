// Publisher and subscriber against our own server over loopback, in the clear and with TLS.
#include "support/run_on.hpp"
#include "trickle/channel_writer.hpp"
#include "trickle/publisher.hpp"
#include "trickle/publisher_relay.hpp"
#include "trickle/server.hpp"
#include "trickle/subscriber.hpp"
#include "trickle/subscriber_relay.hpp"

#include <gtest/gtest.h>

namespace rivulet::trickle {
namespace {

using namespace std::chrono_literals;
using test::run_on;
using test::sleep_for;

// A whole trickle server on one shard; publisher and subscriber run there too.
struct stage {
    shards pool{1};
    channel_table table{pool, table_options(), logger()};
    http::server front{pool, http::server_options(), logger()};
    server_options options;
    std::unique_ptr<server> trickle;
    asio::any_io_executor executor = pool.at(0).get_executor();
    std::uint16_t port = 0;

    explicit stage(http::tls_context tls = {}) {
        options.base_path = "/t/";
        options.autocreate = true;
        trickle = std::make_unique<server>(table, options, logger());
        trickle->mount(front, pool);
        auto bound = front.listen("127.0.0.1:0", tls);
        EXPECT_TRUE(bound);
        if (bound)
            port = *bound;
    }

    ~stage() {
        table.stop();
        front.stop(100ms);
    }

    std::string url(const std::string& name, const std::string& scheme = "http") const {
        return scheme + "://127.0.0.1:" + std::to_string(port) + "/t/" + name;
    }

    void run(awaitable<void> body) { run_on(executor, std::move(body)); }

    std::unique_ptr<publisher>
    publish(const std::string& name, publisher_options options = publisher_options()) {
        auto made = std::make_unique<publisher>(executor, url(name), std::move(options), logger());
        EXPECT_TRUE(made->start());
        return made;
    }

    std::unique_ptr<subscriber>
    subscribe(const std::string& name, std::int64_t start, subscriber_options options = {}) {
        options.start = start;
        return std::make_unique<subscriber>(executor, url(name), std::move(options), logger());
    }
};

bytes text(std::string_view what) {
    return bytes::copy_of(what);
}

std::string text_of(const subscriber_item& item) {
    std::string text;
    for (const auto& block : item.blocks)
        text += block.text();
    return text;
}

TEST(trickle_client_server, what_one_publishes_the_other_reads_byte_for_byte) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto out = on.publish("cam");
        auto in = on.subscribe("cam", 0);
        co_await sleep_for(50ms);
        std::map<std::int64_t, std::string> sent;
        std::map<std::int64_t, std::string> got;
        bool reading = true;
        auto reader = [&]() -> awaitable<void> {
            while (got.size() < 30 || reading) {
                auto item = co_await in->read();
                if (!item) {
                    EXPECT_EQ(item.error().code, errc::end_of_stream) << item.error().detail;
                    break;
                }
                got[item->seq] += text_of(*item);
            }
            reading = false;
        };
        asio::co_spawn(on.executor, reader, [](std::exception_ptr) {});
        for (int seq = 0; seq < 30; ++seq) {
            auto segment = co_await out->next_segment();
            EXPECT_TRUE(segment);
            EXPECT_EQ((*segment)->seq(), seq);
            for (int i = 0; i < 10; ++i) {
                std::vector<bytes> blocks{
                    text("segment " + std::to_string(seq)), text(std::string(5000, 'a' + i))};
                for (const auto& block : blocks)
                    sent[seq] += block.text();
                auto written = co_await (*segment)->write(blocks);
                EXPECT_TRUE(written);
            }
            auto done = co_await (*segment)->finish();
            EXPECT_TRUE(done) << done.error().detail;
            // Segments come at the pace of live video, not of a loop: the window is five.
            for (int i = 0; i < 1000 && !got.count(seq); ++i)
                co_await sleep_for(1ms);
        }
        auto closed = co_await out->close();
        EXPECT_TRUE(closed) << closed.error().detail;
        for (int i = 0; i < 100 && reading; ++i)
            co_await sleep_for(10ms);
        EXPECT_FALSE(reading) << "the end of the channel did not arrive";
        EXPECT_TRUE(got == sent);
        co_await in->close();
    };
    on.run(body());
}

TEST(trickle_conformance, s53_after_close_the_channel_is_gone) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto out = on.publish("cam");
        co_await out->publish_message(text("{}"));
        EXPECT_TRUE(on.table.find("cam"));
        auto closed = co_await out->close();
        EXPECT_TRUE(closed);
        EXPECT_FALSE(on.table.find("cam"));
    };
    on.run(body());
}

TEST(trickle_conformance, s56_a_second_publisher_goes_on_where_the_first_stopped) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto first = on.publish("cam");
        for (int i = 0; i < 3; ++i)
            co_await first->publish_message(text("old"));
        auto torn = co_await first->next_segment();
        co_await (*torn)->write(text("half"));
        co_await sleep_for(50ms);
        first->abandon();
        publisher_options options;
        options.attach = true;
        auto second = on.publish("cam", options);
        auto sent = co_await second->publish_message(text("new"));
        EXPECT_TRUE(sent) << sent.error().detail;
        auto channel = on.table.find("cam");
        EXPECT_TRUE(channel);
        if (!channel)
            co_return;
        EXPECT_EQ(channel->next(), 5);
        auto in = on.subscribe("cam", 3);
        auto item = co_await in->read();
        EXPECT_TRUE(item && text_of(*item) == "half");
        if (item && !item->segment_ends)
            item = co_await in->read(); // ended by the reset, so it does not hang
        item = co_await in->read();
        EXPECT_TRUE(item && item->seq == 4 && text_of(*item) == "new");
    };
    on.run(body());
}

TEST(trickle_conformance, s61_a_slow_subscriber_jumps_the_gap) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto out = on.publish("cam");
        for (int i = 0; i < 20; ++i)
            co_await out->publish_message(text(std::to_string(i)));
        auto in = on.subscribe("cam", 2);
        auto item = co_await in->read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_EQ(item.error().code, errc::sequence_not_found);
        }
        EXPECT_EQ(in->latest(), 20);
        in->set_seq(*in->latest());
        auto later = [&]() -> awaitable<void> {
            co_await sleep_for(50ms);
            co_await out->publish_message(text("20"));
        };
        asio::co_spawn(on.executor, later, [](std::exception_ptr) {});
        item = co_await in->read();
        EXPECT_TRUE(item && item->seq == 20 && text_of(*item) == "20");
        co_await sleep_for(50ms);
    };
    on.run(body());
}

TEST(trickle_conformance, s63_positions_can_be_visited_in_any_order) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto out = on.publish("cam");
        for (int i = 0; i < 4; ++i)
            co_await out->publish_message(text(std::to_string(i)));
        auto in = on.subscribe("cam", 0);
        for (int seq : {3, 0, 2, 1, 1, 3}) {
            in->set_seq(seq);
            auto item = co_await in->read();
            EXPECT_TRUE(item && item->seq == seq && text_of(*item) == std::to_string(seq)) << seq;
        }
    };
    on.run(body());
}

TEST(trickle_conformance, s65_certificates_are_checked_unless_told_otherwise) {
    auto self_signed = http::self_signed_tls("127.0.0.1");
    ASSERT_TRUE(self_signed);
    auto trusting = http::client_tls(http::tls_verify::none);
    ASSERT_TRUE(trusting);
    stage on(*self_signed);
    auto body = [&]() -> awaitable<void> {
        const auto url = on.url("cam", "https");
        // Both roles refuse by default, and say why.
        publisher strict(on.executor, url, publisher_options(), logger());
        EXPECT_TRUE(strict.start());
        auto sent = co_await strict.publish_message(text("x"));
        EXPECT_FALSE(sent);
        if (!sent) {
            EXPECT_EQ(sent.error().code, errc::tls_failed) << sent.error().detail;
            EXPECT_NE(sent.error().detail.find("certificate"), std::string::npos);
        }
        subscriber wary(on.executor, url, subscriber_options(), logger());
        auto item = co_await wary.read();
        EXPECT_FALSE(item);
        if (!item) {
            EXPECT_EQ(item.error().code, errc::tls_failed);
        }
        // The opt-out covers both.
        publisher_options out_options;
        out_options.client.tls = *trusting;
        publisher out(on.executor, url, out_options, logger());
        EXPECT_TRUE(out.start());
        auto block = text(std::string(100'000, 'x'));
        sent = co_await out.publish_message(block);
        EXPECT_TRUE(sent) << sent.error().detail;
        subscriber_options in_options;
        in_options.client.tls = *trusting;
        in_options.start = 0;
        subscriber in(on.executor, url, in_options, logger());
        auto message = co_await in.read_message(1 << 20);
        EXPECT_TRUE(message);
        if (message) {
            EXPECT_EQ(message->body.size(), 100'000u);
        }
        auto closed = co_await out.close();
        EXPECT_TRUE(closed);
    };
    on.run(body());
}

TEST(trickle_conformance, s66_an_empty_segment_crosses_both_clients) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto out = on.publish("cam");
        auto in = on.subscribe("cam", 0);
        auto empty = co_await out->next_segment();
        auto done = co_await (*empty)->finish();
        EXPECT_TRUE(done);
        co_await out->publish_message(text("full"));
        auto item = co_await in->read();
        EXPECT_TRUE(item && item->seq == 0 && item->blocks.empty() && item->segment_ends);
        item = co_await in->read();
        EXPECT_TRUE(item && item->seq == 1 && text_of(*item) == "full");
    };
    on.run(body());
}

TEST(trickle_client_server, fetch_returns_every_status_and_holds_its_limits) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        http::client_options options;
        auto missing = co_await http::fetch(
            options, http::verb::get, on.url("nothing") + "/next", {}, {}, 5s, 1000
        );
        EXPECT_TRUE(missing && missing->status == http::status::not_found);
        auto out = on.publish("cam");
        auto block = text(std::string(5000, 'x'));
        co_await out->publish_message(block);
        auto large =
            co_await http::fetch(options, http::verb::get, on.url("cam") + "/0", {}, {}, 5s, 1000);
        EXPECT_FALSE(large);
        if (!large) {
            EXPECT_EQ(large.error().code, errc::too_large);
        }
        const auto before = steady_clock::now();
        auto late = co_await http::fetch(
            options, http::verb::get, on.url("cam") + "/1", {}, {}, 100ms, 1000
        );
        EXPECT_FALSE(late);
        if (!late) {
            EXPECT_EQ(late.error().code, errc::timed_out);
        }
        EXPECT_LE(steady_clock::now() - before, 2s);
        auto nowhere = co_await http::fetch(
            options, http::verb::get, "http://name.invalid/", {}, {}, 5s, 1000
        );
        EXPECT_FALSE(nowhere);
        if (!nowhere) {
            EXPECT_EQ(nowhere.error().code, errc::connect_failed) << nowhere.error().detail;
        }
        http::header_list split_headers;
        split_headers.emplace_back("X-Bad", "a\r\nX-Injected: 1");
        auto split = co_await http::fetch(
            options, http::verb::get, on.url("cam") + "/next", split_headers, {}, 5s, 1000
        );
        EXPECT_FALSE(split);
    };
    on.run(body());
}

struct ignore_all : relay_listener {
    std::string ended;

    void relay_ended(const failure& why) override { ended = why.detail; }
};

TEST(trickle_client_server, a_relayed_channel_arrives_whole) {
    stage on;
    auto body = [&]() -> awaitable<void> {
        auto source = on.table.create("source", "video/MP2T");
        EXPECT_TRUE(source);
        channel_writer writer(*source);
        ignore_all listener;
        publisher_relay relay(
            on.executor, *source, on.url("copy"), publisher_options(), listener, logger()
        );
        EXPECT_TRUE(relay.start());
        co_await sleep_for(50ms);
        auto in = on.subscribe("copy", 0);
        std::string sent;
        std::string got;
        bool ended = false;
        auto reader = [&]() -> awaitable<void> {
            for (;;) {
                auto item = co_await in->read();
                if (!item)
                    break;
                got += text_of(*item);
            }
            ended = true;
        };
        asio::co_spawn(on.executor, reader, [](std::exception_ptr) {});
        for (int seq = 0; seq < 20; ++seq) {
            writer.begin_segment();
            for (int i = 0; i < 20; ++i) {
                auto block = text(std::to_string(seq) + ":" + std::string(2000, 'a' + i));
                sent += block.text();
                writer.append(block);
                if (i % 5 == 0)
                    co_await sleep_for(2ms);
            }
            writer.end_segment();
            for (int i = 0; i < 1000 && got.size() + 2000 < sent.size(); ++i)
                co_await sleep_for(1ms);
        }
        (*source)->close();
        for (int i = 0; i < 200 && listener.ended.empty(); ++i)
            co_await sleep_for(10ms);
        EXPECT_EQ(listener.ended, "the source has ended");
        EXPECT_EQ(relay.count().sent, 20u);
        EXPECT_EQ(relay.count().dropped, 0u);
        EXPECT_EQ(relay.count().bytes, sent.size());
        co_await relay.close();
        for (int i = 0; i < 200 && !ended; ++i)
            co_await sleep_for(10ms);
        EXPECT_TRUE(ended);
        EXPECT_TRUE(got == sent) << got.size() << " of " << sent.size();
    };
    on.run(body());
}

} // namespace
} // namespace rivulet::trickle
