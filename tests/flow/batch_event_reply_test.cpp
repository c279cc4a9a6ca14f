// The event stream that a client of a conversation gets, over real sockets; the test says what
// comes from the network.
#include "batch/event_reply.hpp"
#include "batch/openai.hpp"
#include "http/server.hpp"
#include "support/raw_http.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view hello =
    R"({"choices":[{"delta":{"content":"Hel"},"finish_reason":"","index":0}]})";
constexpr std::string_view stop =
    R"({"choices":[{"delta":{"content":""},"finish_reason":"stop","index":0}]})";

awaitable<void> sleep_for(duration time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(as_tuple);
}

class event_reply_flow : public ::testing::Test {
  public:
    event_reply_flow() {
        http::stream_handler handle = [this](http::exchange& peer) { return answer_it(peer); };
        server_.stream_route(
            "/", [](std::string_view) { return 0u; }, std::move(handle)
        );
        port_ = server_.listen("127.0.0.1:0").value();
    }

    ~event_reply_flow() override { server_.stop(0s); }

    awaitable<void> answer_it(http::exchange& peer) {
        const std::string id = "1a2b3c4d";
        network_dialect network;
        openai_dialect openai(id, "the-model", 7, true);
        completion_dialect& dialect = openai_ ? static_cast<completion_dialect&>(openai) : network;
        event_reply reply(peer, dialect, id, options_);
        auto wanted = work_;
        auto good = co_await reply.serve(std::move(wanted));
        served_ = good ? 1 : -1;
    }

    // The client, once it has asked.
    test::raw_client ask(std::string_view head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n") {
        test::raw_client client(port_);
        client.send(head);
        return client;
    }

    event_reply_options options_;
    event_reply::work work_;
    bool openai_ = false;
    std::atomic<int> served_{0};

  private:
    shards shards_{1};
    http::server server_{shards_, {}, logger()};

  protected:
    std::uint16_t port_ = 0;
};

awaitable<answer<void>> say_two(completion_sink& to) {
    for (const auto chunk : {hello, stop}) {
        const bool there = co_await to.chunk(chunk);
        EXPECT_TRUE(there);
    }
    EXPECT_TRUE(to.begun());
    co_return answer<void>();
}

awaitable<answer<void>> refuse_at_once(completion_sink&) {
    co_return api_error(http::status::bad_request, "the model is too long");
}

TEST_F(event_reply_flow, sends_each_chunk_as_an_event_and_DONE_at_the_end) {
    work_ = say_two;
    auto client = ask();
    const auto head = client.read_head();
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head["Content-Type"], "text/event-stream");
    EXPECT_EQ(head["Cache-Control"], "no-cache");
    EXPECT_EQ(head["X-Request-Id"], "1a2b3c4d");
    EXPECT_EQ(client.read_chunk(), "data: " + std::string(hello) + "\n\n");
    EXPECT_EQ(client.read_chunk(), "data: " + std::string(stop) + "\n\n");
    EXPECT_EQ(client.read_chunk(), "data: [DONE]\n\n");
    EXPECT_EQ(client.read_chunk(), "");
    // The connection is good for more.
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.read_reply().status, 200);
}

TEST_F(event_reply_flow, DONE_can_be_left_out) {
    options_.done_event = false;
    work_ = say_two;
    EXPECT_THAT(ask().read_reply().body, Not(HasSubstr("DONE")));
}

TEST_F(event_reply_flow, a_chunk_is_there_before_the_next_one_is_known) {
    std::atomic<bool> seen{false};
    work_ = [&seen](completion_sink& to) -> awaitable<answer<void>> {
        const bool there = co_await to.chunk(hello);
        for (int i = 0; i < 500 && !seen; ++i)
            co_await sleep_for(10ms);
        EXPECT_TRUE(there && seen);
        co_return answer<void>();
    };
    auto client = ask();
    client.read_head();
    EXPECT_THAT(client.read_chunk(), HasSubstr("Hel"));
    seen = true;
    EXPECT_EQ(client.read_chunk(), "data: [DONE]\n\n");
}

TEST_F(event_reply_flow, what_fails_before_the_first_chunk_gets_a_real_status) {
    work_ = refuse_at_once;
    const auto reply = ask().read_reply();
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply["Content-Type"], "application/json");
    EXPECT_EQ(boost::json::parse(reply.body).at("detail").at("msg"), "the model is too long");
}

TEST_F(event_reply_flow, what_fails_later_ends_with_an_error_event_and_without_DONE) {
    work_ = [](completion_sink& to) -> awaitable<answer<void>> {
        const bool there = co_await to.chunk(hello);
        EXPECT_TRUE(there);
        co_return api_error(http::status::bad_gateway, "it broke");
    };
    const auto reply = ask().read_reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(
        reply.body, HasSubstr("\n\nevent: error\ndata: {\"error\":{\"message\":\"it broke\"")
    );
    EXPECT_THAT(reply.body, Not(HasSubstr("DONE")));
}

TEST_F(event_reply_flow, a_quiet_stream_is_kept_alive_and_may_still_begin_anew) {
    options_.heartbeat = 5ms;
    std::atomic<bool> enough{false}, begun{true};
    work_ = [&](completion_sink& to) -> awaitable<answer<void>> {
        for (int i = 0; i < 1000 && !enough; ++i)
            co_await sleep_for(5ms);
        begun = to.begun();
        const bool there = co_await to.chunk(hello);
        EXPECT_TRUE(there);
        co_return answer<void>();
    };
    auto client = ask();
    client.read_head();
    EXPECT_EQ(client.read_chunk(), ": keep-alive\n\n");
    EXPECT_EQ(client.read_chunk(), ": keep-alive\n\n");
    enough = true;
    std::string next = client.read_chunk();
    while (next == ": keep-alive\n\n")
        next = client.read_chunk();
    EXPECT_THAT(next, StartsWith("data: {"));
    EXPECT_FALSE(begun);
}

TEST_F(event_reply_flow, a_stream_that_falls_quiet_after_a_burst_is_kept_alive_too) {
    options_.heartbeat = 5ms;
    std::atomic<bool> enough{false};
    work_ = [&enough](completion_sink& to) -> awaitable<answer<void>> {
        for (int i = 0; i < 5; ++i) {
            const bool there = co_await to.chunk(hello);
            EXPECT_TRUE(there);
        }
        for (int i = 0; i < 200 && !enough; ++i)
            co_await sleep_for(5ms);
        co_return answer<void>();
    };
    auto client = ask();
    client.read_head();
    std::string next = client.read_chunk();
    while (next.starts_with("data: {"))
        next = client.read_chunk();
    EXPECT_EQ(next, ": keep-alive\n\n");
    enough = true;
    while (next == ": keep-alive\n\n")
        next = client.read_chunk();
    EXPECT_EQ(next, "data: [DONE]\n\n");
}

TEST_F(event_reply_flow, an_old_client_gets_plain_bytes_until_the_end) {
    work_ = say_two;
    auto client = ask("GET / HTTP/1.0\r\n\r\n");
    const auto head = client.read_head();
    EXPECT_FALSE(head.has("Transfer-Encoding"));
    EXPECT_EQ(
        client.read_to_end(),
        "data: " + std::string(hello) + "\n\ndata: " + std::string(stop) + "\n\ndata: [DONE]\n\n"
    );
}

TEST_F(event_reply_flow, a_client_that_left_is_told_to_who_writes) {
    std::promise<bool> told;
    work_ = [&told](completion_sink& to) -> awaitable<answer<void>> {
        bool there = true;
        for (int i = 0; i < 1000 && there; ++i) {
            there = co_await to.chunk(hello);
            co_await sleep_for(2ms);
        }
        told.set_value(there);
        co_return answer<void>();
    };
    auto client = ask();
    client.read_head();
    client.reset();
    auto told_of = told.get_future();
    ASSERT_EQ(told_of.wait_for(5s), std::future_status::ready);
    EXPECT_FALSE(told_of.get());
}

TEST_F(event_reply_flow, an_OpenAI_client_gets_its_own_shape_and_the_usage_it_asked_for) {
    openai_ = true;
    work_ = [](completion_sink& to) -> awaitable<answer<void>> {
        const bool there = co_await to.chunk(
            R"({"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"total_tokens":2}})"
        );
        EXPECT_TRUE(there);
        co_return answer<void>();
    };
    auto client = ask();
    client.read_head();
    const auto chunk = boost::json::parse(client.read_chunk().substr(6));
    EXPECT_EQ(chunk.at("object"), "chat.completion.chunk");
    EXPECT_EQ(chunk.at("model"), "the-model");
    const auto end = client.read_chunk();
    EXPECT_THAT(end, EndsWith("}\n\ndata: [DONE]\n\n"));
    const auto last = boost::json::parse(end.substr(6, end.find('\n') - 6));
    EXPECT_TRUE(last.at("choices").as_array().empty());
    EXPECT_EQ(last.at("usage").at("total_tokens"), 2);
}

} // namespace
} // namespace rivulet::batch
