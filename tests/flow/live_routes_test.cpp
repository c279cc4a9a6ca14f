// The HTTP face of the live streams, over a socket.
#include "support/fake_orchestrator.hpp"
#include "support/live_rig.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

class live_routes : public testing::Test {
  protected:
    fake_orchestrator orchestrator;
    live_rig rig{{orchestrator.url()}};
};

std::string error_of(const raw_reply& reply) {
    return std::string(boost::json::parse(reply.body).at("error").at("message").as_string());
}

} // namespace

TEST(live_conformance, s12_status_is_keyed_by_id_and_update_by_name) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam", {{"streamId", "sid"}});
    EXPECT_EQ(rig.get("/live/video-to-video/sid/status").status, 200);
    EXPECT_EQ(rig.get("/live/video-to-video/cam/status").status, 200); // ours: by name too
    EXPECT_EQ(rig.post("/live/video-to-video/sid/update", "{}").status, 404);
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", "{}").status, 200);
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", "{}").body, "");
}

TEST(live_conformance, s13_status_of_an_unknown_stream_is_404) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    const auto reply = rig.get("/live/video-to-video/nobody/status");
    EXPECT_EQ(reply.status, 404);
    EXPECT_THAT(error_of(reply), HasSubstr("Stream not found"));
    EXPECT_THAT(reply["content-type"], StartsWith("application/json"));
}

TEST(live_conformance, s10_update_of_an_unknown_stream_is_404) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    const auto reply = rig.post("/live/video-to-video/nobody/update", "{}");
    EXPECT_EQ(reply.status, 404);
    EXPECT_THAT(error_of(reply), HasSubstr("nobody"));
}

TEST(live_conformance, s4_options_on_update_and_status_is_204) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    for (const char* path : {"/live/video-to-video/cam/update", "/live/video-to-video/cam/status"})
        EXPECT_EQ(rig.call("OPTIONS", path).status, 204) << path;
}

namespace {

TEST_F(live_routes, an_update_that_is_no_json_object_is_refused_with_the_reason) {
    auto publisher = rig.publish("cam");
    for (const char* bad : {"", "{", "[]", "12", "\"x\"", "{} {}", "{\"a\":1,}"}) {
        const auto reply = rig.post("/live/video-to-video/cam/update", bad);
        EXPECT_EQ(reply.status, 400) << bad;
        EXPECT_THAT(error_of(reply), HasSubstr("JSON")) << bad;
    }
}

TEST_F(live_routes, an_update_of_a_mebibyte_passes_and_one_byte_more_does_not) {
    auto publisher = rig.publish("cam");
    std::string most = "{\"a\":\"\"}";
    most.insert(6, 1024 * 1024 - most.size(), 'x');
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", most).status, 200);
    most.insert(6, 1, 'x');
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", most).status, 413);
    EXPECT_EQ(rig.get("/healthz").status, 200);
}

TEST_F(live_routes, delete_stops_the_stream_and_tells_the_publisher) {
    auto publisher = rig.publish("cam", {{"streamId", "sid"}});
    publisher->start();
    const auto job = orchestrator.last_job();
    const auto reply = rig.call("DELETE", "/live/video-to-video/cam");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(boost::json::parse(reply.body).at("stopped").as_string(), "cam");
    EXPECT_EQ(publisher->kicked(), "stopped through the API");
    EXPECT_EQ(rig.streams().count(), 0u);
    EXPECT_FALSE(rig.channel_exists("cam"));
    EXPECT_TRUE(eventually([&] {
        return !orchestrator.exists(job, "") && !orchestrator.exists(job, "control");
    }));
    EXPECT_EQ(rig.call("DELETE", "/live/video-to-video/cam").status, 404);
    // Why it ended can still be read.
    EXPECT_EQ(rig.status("sid").at("gateway_status").at("end_cause").as_string(), "stopped");
}

TEST_F(live_routes, delete_takes_an_id_too) {
    auto publisher = rig.publish("cam", {{"streamId", "sid"}});
    EXPECT_EQ(rig.call("DELETE", "/live/video-to-video/sid").status, 200);
    EXPECT_EQ(publisher->kicked(), "stopped through the API");
}

TEST_F(live_routes, the_list_names_every_stream) {
    EXPECT_EQ(
        boost::json::parse(rig.get("/live/video-to-video").body).at("streams").as_array().size(), 0u
    );
    auto one = rig.publish("b", {{"pipeline", "avfilter"}});
    auto two = rig.publish("a");
    const auto list = boost::json::parse(rig.get("/live/video-to-video").body).at("streams");
    ASSERT_EQ(list.as_array().size(), 2u);
    EXPECT_EQ(list.at(0).at("stream").as_string(), "a");
    EXPECT_EQ(list.at(0).at("pipeline").as_string(), "noop");
    EXPECT_EQ(list.at(1).at("pipeline").as_string(), "avfilter");
    EXPECT_EQ(list.at(1).at("state").as_string(), "waiting_for_media");
    const auto health = boost::json::parse(rig.get("/healthz").body);
    EXPECT_EQ(health.at("status").as_string(), "ok");
    EXPECT_EQ(health.at("streams").to_number<int>(), 2);
}

TEST_F(live_routes, the_first_page_names_streams_and_escapes_them) {
    auto one = rig.publish("a&b'c", {{"pipeline", "<script>"}});
    const auto page = rig.get("/");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page["content-type"], StartsWith("text/html"));
    EXPECT_THAT(page.body, HasSubstr("a&amp;b&#39;c"));
    EXPECT_THAT(page.body, testing::Not(HasSubstr("<script>")));
    EXPECT_THAT(page.body, HasSubstr("/ai/trickle/"));
}

TEST_F(live_routes, strangers_may_read_channels_but_not_change_them) {
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.segments_of("cam").size() >= 2; }));
    const auto read = rig.get("/ai/trickle/cam/-2");
    EXPECT_EQ(read.status, 200);
    EXPECT_EQ(read["content-type"], "video/MP2T");
    EXPECT_EQ(read.body.size() % 188, 0u);
    for (const char* path : {"/ai/trickle/cam/0", "/ai/trickle/cam-out/0", "/ai/trickle/cam"})
        EXPECT_EQ(rig.post(path, "x").status, 403) << path;
    EXPECT_GE(rig.post("/ai/trickle/new", "x").status, 400);
    EXPECT_GE(rig.post("/ai/trickle/new/0", "x").status, 400);
    for (const char* path : {"/ai/trickle/cam", "/ai/trickle/cam-out", "/ai/trickle/cam/1"})
        EXPECT_EQ(rig.call("DELETE", path).status, 403) << path;
    EXPECT_TRUE(rig.channel_exists("cam"));
    EXPECT_TRUE(rig.channel_exists("cam-out"));
    EXPECT_FALSE(rig.channel_exists("new"));
}

TEST_F(live_routes, a_publisher_that_asks_for_nonsense_is_told_why) {
    const auto why = [this](const std::string& name, query_list query) {
        try {
            (void)rig.publish(name, std::move(query));
        } catch (const std::runtime_error& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    EXPECT_THAT(why("cam-out", {}), HasSubstr("-out"));
    EXPECT_THAT(why("cam", {{"params", "{"}}), HasSubstr("params"));
    EXPECT_THAT(why("cam", {{"rtmpOutput", "http://x/y/z"}}), HasSubstr("rtmpOutput"));
    EXPECT_THAT(why("cam", {{"rtmpOutput", "rtmp://127.0.0.1/a/b"}}), HasSubstr("private network"));
    EXPECT_THAT(
        why("cam", {{"rtmpOutput", "rtmp://localhost:1/a/b"}}), HasSubstr("private network")
    );
    EXPECT_EQ(rig.streams().count(), 0u);
    EXPECT_FALSE(rig.channel_exists("cam"));
}

TEST(live_registry, carries_no_more_streams_than_its_limit) {
    fake_orchestrator orchestrator;
    live::registry_options options;
    options.max_streams = 2;
    live_rig rig({orchestrator.url()}, quick_timing(), options);
    auto a = rig.publish("a");
    auto b = rig.publish("b");
    EXPECT_THROW(rig.publish("c"), std::runtime_error);
    auto again = rig.publish("a"); // a takeover needs no further place
    EXPECT_EQ(a->kicked(), "replaced by a newer publisher");
    b->leave();
    EXPECT_NO_THROW(rig.publish("c"));
}

TEST(live_registry, an_id_outranks_a_name) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto one = rig.publish("x", {{"streamId", "y"}});
    auto two = rig.publish("y", {{"streamId", "z"}});
    EXPECT_EQ(rig.status("y").at("gateway_status").at("stream").as_string(), "x");
    EXPECT_EQ(rig.status("z").at("gateway_status").at("stream").as_string(), "y");
    EXPECT_EQ(rig.post("/live/video-to-video/y/update", "{}").status, 200);
    EXPECT_EQ(rig.status("z").at("gateway_status").at("param_updates").to_number<int>(), 1);
}

} // namespace
} // namespace rivulet::test
