// The trickle door on the live side alone, with short limits: who says nothing, who comes when
// there is no room, readers that are slow, and doors that nobody uses.
#include "live/trickle_door.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/fake_webhook.hpp"
#include "support/live_rig.hpp"
#include "support/trickle_visit.hpp"
#include "support/ts_clip.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

live::registry_options told_to(std::shared_ptr<live::event_hub> hub, std::size_t streams) {
    live::registry_options options;
    options.events = std::move(hub);
    options.max_streams = streams;
    return options;
}

class trickle_session : public testing::Test {
  protected:
    trickle_visit open(const std::string& name) {
        auto door = open_trickle(rig.port(), name);
        EXPECT_EQ(door.reply.status, 201) << door.reply.body;
        return door;
    }

    static live::trickle_door_options quick() {
        live::trickle_door_options options;
        options.session.idle_limit = 700ms;
        options.session.tick = 20ms;
        return options;
    }

    std::size_t channels() { return rig.table().size(); }

    fake_orchestrator orchestrator;
    std::shared_ptr<live::event_hub> hub = std::make_shared<live::event_hub>();
    live_rig rig{{orchestrator.url()}, quick_timing(), told_to(hub, 2)};
    live::trickle_door door_{
        rig.threads(), rig.table(), rig.door_channels(), rig.gate(), hub, quick(), logger("door")};

    void SetUp() override { door_.add_route(rig.front()); }
};

TEST_F(trickle_session, ends_when_nothing_comes) {
    const auto silent = open("cam");
    auto events = reading(silent, "events_url");
    const auto told = events.get();
    EXPECT_TRUE(told.ended);
    EXPECT_THAT(told.segments.back(), HasSubstr("nothing came for 0 s"));
    EXPECT_EQ(silent.write("publish_url", 0, "x").status, 404);
    EXPECT_TRUE(eventually([&] { return channels() == 0; })) << channels();
}

TEST_F(trickle_session, an_open_post_without_a_byte_does_not_keep_it) {
    const auto silent = open("cam");
    raw_client idle(rig.port());
    idle.send(open_request("POST", silent.path("publish_url") + "/0"));
    const auto reply = idle.read_reply();
    EXPECT_EQ(reply["lp-trickle-closed"], "terminated");
}

TEST_F(trickle_session, keeps_living_while_bytes_come) {
    const auto media = make_clip();
    const auto busy = open("cam");
    raw_client client(rig.port());
    client.send(open_request("POST", busy.path("publish_url") + "/0"));
    const auto started = std::chrono::steady_clock::now();
    for (const auto& block : media.segments[0].blocks) {
        client.send_chunk(block.text());
        std::this_thread::sleep_for(25ms);
    }
    EXPECT_GT(std::chrono::steady_clock::now() - started, 700ms);
    client.end_chunks();
    EXPECT_EQ(client.read_reply().status, 200);
    EXPECT_EQ(busy.remove("publish_url").status, 200);
}

TEST_F(trickle_session, who_finds_no_room_is_told_and_leaves_nothing) {
    const auto first = open("a"), second = open("b");
    const auto before = channels();
    const auto third = open_trickle(rig.port(), "c");
    EXPECT_EQ(third.reply.status, 429) << third.reply.body;
    EXPECT_THAT(third.reply.body, HasSubstr("limit of 2 streams"));
    EXPECT_EQ(channels(), before);
    EXPECT_EQ(first.remove("publish_url").status, 200);
    EXPECT_TRUE(eventually([&] { return open_trickle(rig.port(), "c").reply.status == 201; }));
}

TEST_F(trickle_session, tells_a_reader_that_begins_late_the_end) {
    const auto door = open("cam");
    EXPECT_EQ(door.remove("publish_url").status, 200);
    auto events = reading(door, "events_url");
    const auto told = events.get();
    EXPECT_TRUE(told.ended);
    ASSERT_FALSE(told.segments.empty());
    EXPECT_THAT(told.segments.back(), HasSubstr("stream_ended"));
}

// Faster than a window of five lets a reader follow, all at once.
TEST_F(trickle_session, no_event_of_a_burst_is_lost) {
    const auto door = open("cam");
    auto events = reading(door, "events_url");
    for (int i = 0; i < 20; ++i)
        hub->publish("cam", "runner", {{"number", i}});
    EXPECT_EQ(door.remove("publish_url").status, 200);
    const auto told = events.get();
    int next = 0;
    for (const auto& text : told.segments) {
        const auto event = boost::json::parse(text).as_object();
        if (event.at("type").as_string() == "runner") {
            EXPECT_EQ(event.at("data").at("number").to_number<int>(), next++);
        }
    }
    EXPECT_EQ(next, 20);
}

// Five segments of 64 MiB each would be kept otherwise.
TEST_F(trickle_session, no_more_is_kept_of_parameters_than_may_be_read) {
    const auto door = open("cam");
    const auto path = door.path("control_url");
    const auto name = path.substr(path.rfind('/') + 1);
    const std::string big(8 << 20, 'x');
    for (int seq = 0; seq < 5; ++seq) {
        const auto reply = door.write("control_url", seq, big);
        EXPECT_EQ(reply.status, 200);
        EXPECT_TRUE(reply.has("lp-trickle-dropped")) << seq;
    }
    std::size_t kept = 0;
    for (const auto& segment : rig.segments_of(name))
        kept += segment.size();
    EXPECT_GT(kept, 0u);
    EXPECT_LE(kept, 5u * ((1 << 20) + (256 << 10)));
}

// The reader waits for the end of the first one meanwhile.
TEST_F(trickle_session, no_more_is_kept_behind_parameters_that_do_not_end) {
    const auto door = open("cam");
    raw_client slow(rig.port()), fast(rig.port());
    slow.send(open_request("POST", door.path("control_url") + "/0"));
    slow.send_chunk("{");
    EXPECT_TRUE(eventually([&] { return hub->last() > 0; }));
    fast.send(open_request("POST", door.path("control_url") + "/1"));
    fast.send_chunk(std::string((1 << 20) + 1, 'x'));
    std::this_thread::sleep_for(100ms);
    for (int i = 0; i < 10; ++i)
        fast.send_chunk("more");
    fast.end_chunks();
    const auto reply = fast.read_reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.has("lp-trickle-dropped"));
}

TEST_F(trickle_session, bad_parameters_are_told_once_a_second) {
    const auto door = open("cam");
    auto events = reading(door, "events_url");
    const auto began = std::chrono::steady_clock::now();
    for (int seq = 0; seq < 50; ++seq) {
        EXPECT_EQ(door.write("control_url", seq, "{" + std::to_string(seq)).status, 200);
        door.write("publish_url", seq, "\x47\x1f\xff\x10" + std::string(184, '\xff'));
    }
    // Not idle before the second one is due.
    int seq = 50;
    while (std::chrono::steady_clock::now() - began < 1300ms) {
        door.write("publish_url", seq++, "\x47\x1f\xff\x10" + std::string(184, '\xff'));
        std::this_thread::sleep_for(50ms);
    }
    const auto seconds =
        1 +
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began)
            .count();
    EXPECT_EQ(door.remove("publish_url").status, 200);
    const auto told = events.get();
    const auto warnings = std::ranges::count_if(told.segments, [](const auto& text) {
        return text.find("parameters were refused") != std::string::npos;
    });
    EXPECT_GE(warnings, 2);
    EXPECT_LE(warnings, seconds);
    EXPECT_THAT(told.whole(), HasSubstr("more like it)"));
}

TEST_F(trickle_session, others_events_are_not_told) {
    const auto door = open("cam");
    auto events = reading(door, "events_url");
    hub->publish("cam2", "runner", {{"number", 1}});
    EXPECT_EQ(door.remove("publish_url").status, 200);
    EXPECT_EQ(events.get().whole().find("cam2"), std::string::npos);
}

// While the decision is pending, nothing of the gateway belongs to who asks.
TEST(trickle_admission, who_is_not_let_in_yet_has_no_channels) {
    fake_webhook webhook;
    fake_webhook::answer late;
    late.status = 403;
    late.delay = 400ms;
    webhook.answers(late);
    fake_orchestrator orchestrator;
    live::auth_webhook_options asked;
    asked.url = webhook.url();
    live::gate_options access;
    access.webhook = live::auth_webhook::create(std::move(asked), logger("webhook")).value();
    live_rig rig{{orchestrator.url()}, quick_timing(), live::registry_options(), access};
    live::trickle_door door{
        rig.threads(),
        rig.table(),
        rig.door_channels(),
        rig.gate(),
        std::make_shared<live::event_hub>(),
        live::trickle_door_options(),
        logger("door")};
    door.add_route(rig.front());
    auto stranger = std::async(std::launch::async, [&rig] {
        return open_trickle(rig.port(), "cam").reply.status;
    });
    EXPECT_TRUE(eventually([&] { return !webhook.asked().empty(); }));
    EXPECT_EQ(rig.table().size(), 0u);
    EXPECT_EQ(stranger.get(), 401);
    EXPECT_EQ(rig.table().size(), 0u);
}

} // namespace
} // namespace rivulet::test
