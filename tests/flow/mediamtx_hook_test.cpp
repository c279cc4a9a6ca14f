// The hook of a MediaMTX in front: its part is played by a second RTMP server of ours and an API
// that a test answers.
#include "egress/rtmp_play.hpp"
#include "ingest/rtmp_server.hpp"
#include "live/mediamtx_hook.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/fake_webhook.hpp"
#include "support/live_rig.hpp"
#include "support/media_samples.hpp"
#include "support/rtmp_client.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Publishers and players of RTMP, as MediaMTX has them.
class media_server {
  public:
    media_server() : rig_({"http://127.0.0.1:1"}) {
        ingest::rtmp_options listen;
        listen.port = 0;
        ingest::rtmp_callbacks callbacks;
        callbacks.publish = rig_.gate().admission();
        egress::rtmp_play_options play;
        play.wait_for_stream = 2s;
        callbacks.play = egress::rtmp_play(
            [this](std::string name) -> awaitable<std::shared_ptr<egress::channel_feed>> {
                return find(rig_.feeds(), std::move(name));
            },
            play,
            nullptr
        );
        server_ =
            std::make_unique<ingest::rtmp_server>(rig_.threads(), listen, callbacks, logger("mtx"));
        port_ = server_->listen().value();
    }

    ~media_server() {
        rig_.streams().stop(1s);
        server_->stop(100ms);
        clients_.stop();
    }

    std::string url(const std::string& path) const {
        return "rtmp://127.0.0.1:" + std::to_string(port_) + "/" + path;
    }

    void publish(const std::string& path) {
        static const auto tags =
            std::make_shared<const std::vector<media::flv_tag>>(read_flv("av.flv"));
        rtmp_publish_options options;
        options.loop = true;
        running_.push_back(asio::co_spawn(
            clients_.at(0), rtmp_publish(url(path), tags, std::move(options)), asio::use_future
        ));
    }

    void end(const std::string& name) { rig_.call("DELETE", "/live/video-to-video/" + name); }

  private:
    static awaitable<std::shared_ptr<egress::channel_feed>>
    find(egress::feed_table& feeds, std::string name) {
        co_return feeds.find(name);
    }

    live_rig rig_;
    std::unique_ptr<ingest::rtmp_server> server_;
    std::uint16_t port_ = 0;
    shards clients_{1};
    std::vector<std::future<outcome<void>>> running_;
};

class hook_rig {
  public:
    explicit hook_rig(live::gate_options access = live::gate_options(), bool private_targets = true)
        : rig({orchestrator.url()}, quick_timing(), live::registry_options(), std::move(access)),
          front_(rig.threads(), {}, logger("hook")) {
        live::mediamtx_options options;
        options.api_url = "http://127.0.0.1:" + std::to_string(api.port());
        options.api_password = "pass word";
        options.private_targets = private_targets;
        options.pull.backoff_first = 20ms;
        options.pull.backoff_last = 50ms;
        hook_ = std::make_unique<live::mediamtx_hook>(
            rig.threads(), rig.gate().admission(), options, logger("mediamtx")
        );
        hook_->add_routes(front_);
        port_ = front_.listen("127.0.0.1:0").value();
    }

    ~hook_rig() {
        rig.streams().stop(1s);
        front_.stop(100ms);
        hook_->stop();
    }

    raw_reply
    start(const std::string& path, const query_list& fields, const std::string& more_headers = {}) {
        std::string body;
        for (const auto& [name, value] : fields)
            body += "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value +
                    "\r\n";
        body += "--b--\r\n";
        return ask(
            port_,
            request_with_body(
                "POST",
                "/live/video-to-video/" + path + "/start",
                body,
                "Content-Type: multipart/form-data; boundary=b\r\n" + more_headers
            )
        );
    }

    // "POST /v3/rtmpconns/kick/id"
    std::vector<std::string> api_calls() {
        std::vector<std::string> calls;
        for (const auto& one : api.asked())
            calls.push_back(one.method + " " + one.path);
        return calls;
    }

    std::uint64_t frames(const std::string& name) {
        const auto reply = rig.get("/live/video-to-video/" + name + "/status");
        if (reply.status != 200)
            return 0;
        return boost::json::parse(reply.body)
            .at("gateway_status")
            .at("ingest")
            .at("video_frames")
            .to_number<std::uint64_t>();
    }

    live::mediamtx_hook& hook() { return *hook_; }

    fake_orchestrator orchestrator;
    fake_webhook api;
    live_rig rig;

  private:
    http::server front_;
    std::unique_ptr<live::mediamtx_hook> hook_;
    std::uint16_t port_ = 0;
};

query_list source(const std::string& id, const std::string& url, const std::string& query = {}) {
    query_list fields{{"source_id", id}, {"source_type", "rtmpConn"}, {"query", query}};
    if (!url.empty())
        fields.emplace_back("rtmp_url", url);
    return fields;
}

} // namespace

TEST(live_conformance, s6_start_answers_400_to_a_form_that_lacks_something) {
    hook_rig rig;
    EXPECT_THAT(
        rig.start("cam", {{"source_type", "rtmpConn"}}).body, HasSubstr("Missing source_id")
    );
    EXPECT_THAT(rig.start("cam", {{"source_id", "i"}}).body, HasSubstr("Missing source_type"));
    for (const query_list& form :
         {query_list{{"source_type", "rtmpConn"}},
          query_list{{"source_id", "i"}},
          query_list{{"source_id", "i"}, {"source_type", "hlsMuxer"}}})
        EXPECT_EQ(rig.start("cam", form).status, 400);
    EXPECT_EQ(rig.hook().pulls(), 0u);
    EXPECT_EQ(rig.rig.streams().count(), 0u);
}

TEST(live_conformance, s7_start_of_an_output_is_accepted_and_does_nothing) {
    hook_rig rig;
    EXPECT_EQ(rig.start("cam-out", source("i", "")).status, 200);
    EXPECT_EQ(rig.start("live/cam-1a2b3c4d-out", source("i", "")).status, 200);
    EXPECT_EQ(rig.start("cam-out", source("i", "")).body, "");
    EXPECT_EQ(rig.hook().pulls(), 0u);
    EXPECT_EQ(rig.rig.streams().count(), 0u);
    EXPECT_EQ(rig.api.asked().size(), 0u);
}

TEST(live_conformance, s8_start_takes_both_paths_and_pulls_from_rtmp_url) {
    media_server mtx;
    mtx.publish("x/away");
    hook_rig rig;
    const auto reply =
        rig.start("cam", source("5f1c", mtx.url("x/away"), "streamId=sid&pipeline=passthrough"));
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.body, "");
    EXPECT_EQ(rig.start("prefix/two", source("5f1d", mtx.url("x/away"))).status, 200);
    EXPECT_TRUE(eventually([&] { return rig.frames("sid") > 20 && rig.frames("two") > 20; }));
    const auto status = rig.rig.status("sid").at("gateway_status");
    EXPECT_EQ(status.at("stream").as_string(), "cam");
    EXPECT_EQ(status.at("pipeline").as_string(), "passthrough");
    EXPECT_EQ(status.at("ingest").at("protocol").as_string(), "mediamtx-rtmp");
    EXPECT_EQ(rig.hook().pulls(), 2u);
}

TEST(live_conformance, s9_start_answers_400_to_params_that_are_no_json_object) {
    hook_rig rig;
    for (const char* query : {"params=%7B", "params%3D%257B", "params=[]"}) {
        const auto reply = rig.start("cam", source("i", "rtmp://127.0.0.1:1/a/b", query));
        EXPECT_EQ(reply.status, 400) << query;
        EXPECT_THAT(reply.body, HasSubstr("params")) << query;
    }
    EXPECT_EQ(rig.rig.streams().count(), 0u);
    EXPECT_EQ(rig.hook().pulls(), 0u);
    EXPECT_THAT(rig.api_calls(), Contains("POST /v3/rtmpconns/kick/i"))
        << "the publisher would stay connected for nothing";
}

TEST(live_conformance, s16_a_stream_that_the_webhook_refuses_is_403_and_kicked) {
    fake_webhook webhook;
    webhook.answers({401, "no"});
    live::auth_webhook_options asked;
    asked.url = webhook.url();
    live::gate_options access;
    access.webhook = live::auth_webhook::create(asked, logger("webhook")).value();
    hook_rig rig(access);
    auto form = source("5f1c", "rtmp://127.0.0.1:1/a/b", "key=k&x=%20y");
    form[1].second = "webRTCSession";
    const auto reply = rig.start("cam", form);
    EXPECT_EQ(reply.status, 403);
    EXPECT_THAT(reply.body, HasSubstr("Forbidden"));
    ASSERT_EQ(rig.api.asked().size(), 1u);
    EXPECT_EQ(rig.api_calls()[0], "POST /v3/webrtcsessions/kick/5f1c");
    EXPECT_EQ(rig.api.asked()[0].authorization, "Basic YWRtaW46cGFzcyB3b3Jk");
    const auto body = boost::json::parse(webhook.asked().at(0).body);
    EXPECT_EQ(body.at("type").as_string(), "whip");
    EXPECT_EQ(body.at("query_params").as_string(), "key=k&x=%20y");
    EXPECT_EQ(body.at("key").as_string(), "k");
    EXPECT_EQ(rig.rig.streams().count(), 0u);
}

TEST(mediamtx_hook, a_stream_that_is_stopped_here_is_kicked_there) {
    media_server mtx;
    mtx.publish("x/cam");
    hook_rig rig;
    ASSERT_EQ(rig.start("cam", source("5f1c", mtx.url("x/cam"))).status, 200);
    ASSERT_TRUE(eventually([&] { return rig.frames("cam") > 5; }));
    EXPECT_EQ(rig.rig.call("DELETE", "/live/video-to-video/cam").status, 200);
    EXPECT_TRUE(eventually([&] {
        const auto calls = rig.api_calls();
        return std::ranges::find(calls, "POST /v3/rtmpconns/kick/5f1c") != calls.end();
    }));
    EXPECT_TRUE(eventually([&] { return rig.hook().pulls() == 0; }));
}

TEST(mediamtx_hook, a_source_that_has_gone_ends_its_stream_without_a_kick) {
    media_server mtx;
    mtx.publish("x/cam");
    hook_rig rig;
    rig.api.answers({404, "{}"});
    ASSERT_EQ(rig.start("cam", source("5f1c", mtx.url("x/cam"))).status, 200);
    ASSERT_TRUE(eventually([&] { return rig.frames("cam") > 5; }));
    mtx.end("cam");
    EXPECT_TRUE(eventually([&] { return rig.rig.streams().count() == 0; }));
    EXPECT_TRUE(eventually([&] { return rig.hook().pulls() == 0; }));
    EXPECT_THAT(rig.api_calls(), Contains("GET /v3/rtmpconns/get/5f1c"));
    EXPECT_THAT(rig.api_calls(), Not(Contains("POST /v3/rtmpconns/kick/5f1c")));
}

TEST(mediamtx_hook, a_source_announced_twice_is_pulled_once_and_stays) {
    media_server mtx;
    mtx.publish("x/cam");
    hook_rig rig;
    ASSERT_EQ(rig.start("cam", source("5f1c", mtx.url("x/cam"))).status, 200);
    ASSERT_TRUE(eventually([&] { return rig.frames("cam") > 5; }));
    ASSERT_EQ(rig.start("cam", source("5f1c", mtx.url("x/cam"))).status, 200);
    ASSERT_TRUE(eventually([&] { return rig.hook().pulls() == 1; }));
    ASSERT_TRUE(eventually([&] { return rig.frames("cam") > 5; }));
    EXPECT_EQ(rig.rig.streams().count(), 1u);
    EXPECT_THAT(rig.api_calls(), Not(Contains(StartsWith("POST"))));
    // Another source of the same name takes over, and the first one is ended.
    ASSERT_EQ(rig.start("cam", source("7777", mtx.url("x/cam"))).status, 200);
    EXPECT_TRUE(eventually([&] { return rig.hook().pulls() == 1 && !rig.api_calls().empty(); }));
    EXPECT_THAT(rig.api_calls(), Contains("POST /v3/rtmpconns/kick/5f1c"));
    EXPECT_EQ(rig.rig.streams().count(), 1u);
}

TEST(mediamtx_hook, takes_nothing_from_a_web_page) {
    hook_rig rig;
    const auto form = source("i", "rtmp://127.0.0.1:1/x");
    EXPECT_EQ(rig.start("cam", form, "Origin: http://127.0.0.1:8935\r\n").status, 403);
    EXPECT_EQ(rig.start("cam", form, "Origin: null\r\n").status, 403);
    EXPECT_EQ(rig.hook().pulls(), 0u);
    EXPECT_EQ(rig.api.asked().size(), 0u);
}

TEST(mediamtx_hook, pulls_from_the_caller_and_from_no_other_private_host) {
    media_server mtx;
    mtx.publish("x/cam");
    hook_rig rig({}, false);
    EXPECT_EQ(rig.start("cam", source("i", mtx.url("x/cam"))).status, 200) << "127.0.0.1 called";
    ASSERT_TRUE(eventually([&] { return rig.frames("cam") > 5; }));
    for (const char* url :
         {"rtmp://localhost/a/b",
          "rtmp://127.0.0.2/a/b",
          "rtmp://10.0.0.1/a/b",
          "rtmp://[::1]/a/b",
          "http://example.com/a/b",
          "file:///etc/passwd",
          "rtmp://"}) {
        const auto reply = rig.start("two", source("i", url));
        EXPECT_EQ(reply.status, 400) << url;
        EXPECT_THAT(reply.body, HasSubstr("rtmp_url")) << url;
    }
    EXPECT_EQ(rig.rig.streams().count(), 1u);
}

} // namespace rivulet::test
