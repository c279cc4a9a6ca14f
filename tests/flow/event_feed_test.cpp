// The event feed over WebSockets: what a live stream tells, resume, one stream or all, access.
#include "http/websocket_host.hpp"
#include "live/event_door.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/live_rig.hpp"
#include "support/websocket_client.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr const char* all_events = "/live/video-to-video/events";

// A gateway's live side with an event door on a server of its own.
class feed_rig {
  public:
    explicit feed_rig(ingest::check_access check = {}, live::event_log_limits limits = {})
        : hub_(std::make_shared<live::event_hub>(0, limits)),
          live_({orchestrator_.url()}, quick_timing(), with(hub_)), host_({}, logger("websocket")),
          server_(shards_, {}, logger("http")) {
        EXPECT_TRUE(host_.start());
        live::add_event_door(host_, server_, hub_, {.check = std::move(check)});
        port_ = *server_.listen("127.0.0.1:0");
    }

    ~feed_rig() {
        server_.stop(0ms);
        host_.stop();
    }

    fake_orchestrator& orchestrator() { return orchestrator_; }

    live_rig& live() { return live_; }

    live::event_hub& hub() { return *hub_; }

    std::uint16_t port() const { return port_; }

  private:
    static live::registry_options with(std::shared_ptr<live::event_hub> hub) {
        live::registry_options options;
        options.events = std::move(hub);
        return options;
    }

    fake_orchestrator orchestrator_;
    std::shared_ptr<live::event_hub> hub_;
    live_rig live_;
    shards shards_{1};
    http::websocket_host host_;
    http::server server_;
    std::uint16_t port_ = 0;
};

// Reads until an event of this type (and, when given, of this state) came.
json::value
await_event(websocket_client& client, std::string_view type, std::string_view state = {}) {
    for (;;) {
        auto event = json::parse(client.read());
        if (event.at("type").as_string() != type)
            continue;
        if (state.empty() || event.at("data").at("state").as_string() == state)
            return event;
    }
}

TEST(event_feed, tells_the_life_of_a_stream_in_order) {
    feed_rig rig;
    websocket_client client(rig.port(), all_events);
    ASSERT_EQ(client.status(), 101);
    rig.orchestrator().echo();
    auto publisher = rig.live().publish("cam", {{"pipeline", "noop"}});
    const auto started = json::parse(client.read());
    EXPECT_EQ(started.at("type"), "stream_started");
    EXPECT_EQ(started.at("stream"), "cam");
    EXPECT_EQ(started.at("data").at("protocol"), "test");
    EXPECT_EQ(started.at("data").at("pipeline"), "noop");
    EXPECT_EQ(json::parse(client.read()).at("data").at("state"), "waiting_for_media");
    publisher->start();
    await_event(client, "state", "starting");
    await_event(client, "state", "connected");
    await_event(client, "state", "live");
    const auto job = rig.orchestrator().last_job();
    rig.orchestrator().publish(
        job,
        "events",
        R"({"event":{"type":"status","state":"ONLINE"},"queue_event_type":"ai_stream_status"})"
    );
    EXPECT_EQ(await_event(client, "status").at("data").at("state"), "ONLINE");
    rig.orchestrator().publish(
        job,
        "events",
        R"({"event":{"type":"error","message":"no memory"},"queue_event_type":"ai_stream_events"})"
    );
    const auto runner = await_event(client, "runner");
    EXPECT_EQ(runner.at("data").at("event").at("message"), "no memory");
    EXPECT_THAT(
        std::string(await_event(client, "error").at("data").at("message").as_string()),
        testing::HasSubstr("no memory")
    );
    EXPECT_EQ(
        rig.live().post("/live/video-to-video/cam/update", R"({"graph":"negate"})").status, 200
    );
    EXPECT_EQ(await_event(client, "params").at("data").at("params").at("graph"), "negate");
    publisher->leave("gone home");
    await_event(client, "state", "ended");
    const auto ended = await_event(client, "stream_ended");
    EXPECT_EQ(ended.at("data").at("reason"), "gone home");
    EXPECT_GT(ended.at("data").at("frames_in").to_number<int>(), 0);
}

TEST(event_feed, numbers_rise_and_a_reader_resumes_where_it_was) {
    feed_rig rig;
    auto publisher = rig.live().publish("cam");
    std::uint64_t seen = 0;
    {
        websocket_client client(rig.port(), std::string(all_events) + "?after=0");
        for (int i = 0; i < 2; ++i) {
            const auto seq = json::parse(client.read()).at("seq").to_number<std::uint64_t>();
            EXPECT_EQ(seq, seen + 1);
            seen = seq;
        }
        client.drop();
    }
    ASSERT_TRUE(eventually([&] { return rig.hub().watchers() == 0; }));
    publisher->leave("while nobody looked");
    websocket_client again(rig.port(), std::string(all_events) + "?after=" + std::to_string(seen));
    EXPECT_EQ(json::parse(again.read()).at("seq").to_number<std::uint64_t>(), seen + 1);
    const auto ended = await_event(again, "stream_ended");
    EXPECT_EQ(ended.at("data").at("reason"), "while nobody looked");
}

TEST(event_feed, without_a_number_only_what_is_new_is_sent) {
    feed_rig rig;
    auto publisher = rig.live().publish("cam");
    websocket_client client(rig.port(), all_events);
    ASSERT_TRUE(eventually([&] { return rig.hub().watchers() == 1; }));
    EXPECT_TRUE(client.silent_for(100ms));
    publisher->leave("bye");
    EXPECT_EQ(json::parse(client.read()).at("data").at("state"), "ended");
}

TEST(event_feed, a_streams_own_feed_has_its_events_only) {
    feed_rig rig;
    websocket_client client(rig.port(), "/live/video-to-video/cam%20two/events");
    ASSERT_TRUE(eventually([&] { return rig.hub().watchers() == 1; }));
    rig.hub().publish("cam", "state", {{"n", 1}});
    rig.hub().publish("cam two", "state", {{"n", 2}});
    EXPECT_EQ(json::parse(client.read()).at("data").at("n"), 2);
    EXPECT_TRUE(client.silent_for(50ms));
}

TEST(event_feed, tells_a_reader_that_comes_back_too_late) {
    feed_rig rig({}, {.events = 10});
    for (int i = 0; i < 30; ++i)
        rig.hub().publish("cam", "state", {});
    websocket_client client(rig.port(), std::string(all_events) + "?after=5");
    EXPECT_EQ(json::parse(client.read()).at("type"), "gap");
    EXPECT_EQ(json::parse(client.read()).at("seq"), 21);
}

TEST(event_feed, a_thousand_kept_events_arrive_in_order_and_compressed) {
    feed_rig rig;
    for (int i = 0; i < 1'000; ++i)
        rig.hub().publish("cam", "state", {{"state", "live"}, {"detail", std::string(200, 'x')}});
    websocket_client client(rig.port(), std::string(all_events) + "?after=0");
    for (int i = 1; i <= 1'000; ++i)
        ASSERT_EQ(json::parse(client.read()).at("seq"), i);
}

TEST(event_feed, refuses_a_number_that_is_none) {
    feed_rig rig;
    EXPECT_EQ(websocket_client(rig.port(), std::string(all_events) + "?after=x").status(), 400);
    EXPECT_EQ(websocket_client(rig.port(), std::string(all_events) + "?after=-1").status(), 400);
}

// What the keys allow: nothing but stream "cam" with "right".
awaitable<outcome<void>> only_cam(ingest::access_request asked) {
    EXPECT_EQ(asked.action, ingest::access_action::control);
    if (asked.stream == "cam" && asked.key == "right")
        co_return outcome<void>();
    co_return failure(errc::unauthorized, "a key is needed");
}

TEST(event_feed, asks_for_the_key_before_the_socket_is_open) {
    feed_rig rig(only_cam);
    const auto status = [&](const std::string& target, websocket_wishes wishes = {}) {
        return websocket_client(rig.port(), target, std::move(wishes)).status();
    };
    const std::string cam = "/live/video-to-video/cam/events";
    EXPECT_EQ(status(cam), 401);
    EXPECT_EQ(status(cam + "?key=wrong"), 403);
    EXPECT_EQ(status(cam + "?key=right"), 101);
    EXPECT_EQ(status(cam, {.headers = {{"Authorization", "Bearer right"}}}), 101);
    EXPECT_EQ(status("/live/video-to-video/other/events?key=right"), 403);
    EXPECT_EQ(status(std::string(all_events) + "?key=right"), 403);
}

TEST(event_feed, ten_watchers_of_one_stream_get_the_same) {
    feed_rig rig;
    std::vector<std::unique_ptr<websocket_client>> clients;
    for (int i = 0; i < 10; ++i)
        clients.push_back(
            std::make_unique<websocket_client>(rig.port(), "/live/video-to-video/cam/events")
        );
    ASSERT_TRUE(eventually([&] { return rig.hub().watchers() == 10; }));
    std::thread publishing([&] {
        for (int i = 0; i < 200; ++i)
            rig.hub().publish("cam", "state", {{"n", i}});
    });
    for (auto& client : clients)
        for (int i = 0; i < 200; ++i)
            ASSERT_EQ(json::parse(client->read()).at("data").at("n"), i);
    publishing.join();
}

} // namespace
} // namespace rivulet::test
