// -streamKeys on the whole gateway: every door refuses who has no key, or the wrong one, each with
// its protocol's own error, and lets in who has the right one.
#include "base/shards.hpp"
#include "gateway.hpp"
#include "live/stream_keys.hpp"
#include "support/live_rig.hpp"
#include "support/media_samples.hpp"
#include "support/raw_http.hpp"
#include "support/rtmp_client.hpp"
#include "support/srt_caller.hpp"
#include "support/websocket_client.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

const std::string publish_key = "publish-key-of-cam";
const std::string watch_key = "watch-key-of-cam-00";
const std::string control_key = "control-key-of-cam";
const std::string base = "/live/video-to-video";

class closed_gateway : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/rivulet-keys-XXXXXX";
        ::close(::mkstemp(name));
        keys_ = name;
        std::ofstream(keys_) << live::make_key_line("cam", "publish", publish_key).value() << "\n"
                             << live::make_key_line("cam", "watch", watch_key).value() << "\n"
                             << live::make_key_line("cam", "control", control_key).value() << "\n";
        gateway_options options;
        options.http_addr = options.rtmp_addr = options.srt_addr = "127.0.0.1:0";
        options.webrtc_addr = "127.0.0.1:0";
        options.stream_keys = keys_;
        options.whep_wait = options.play_wait = 200ms;
        options.shards = 2;
        options.drain = 1s;
        running_ = std::make_unique<gateway>(std::move(options), logger("test"));
        auto started = running_->start();
        ASSERT_TRUE(started) << started.error().detail;
        ports = *started;
    }

    void TearDown() override {
        running_->stop();
        clients_.stop();
        std::filesystem::remove(keys_);
    }

    raw_reply http(
        std::string_view method,
        const std::string& path,
        const std::string& key = {},
        std::string_view body = {},
        std::string_view type = "application/json"
    ) const {
        std::string extra = "Content-Type: " + std::string(type) + "\r\n";
        if (!key.empty())
            extra += "Authorization: Bearer " + key + "\r\n";
        return ask(ports.http, request_with_body(method, path, body, extra));
    }

    static std::string sdp(const std::string& name) {
        std::ifstream file(std::string(RIVULET_TEST_DATA) + "/sdp/" + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::string rtmp(const std::string& path) const {
        return "rtmp://127.0.0.1:" + std::to_string(ports.rtmp) + "/live/" + path;
    }

    // What the server said; empty when it was well.
    std::string error_of(awaitable<outcome<void>> work) {
        auto ended = asio::co_spawn(clients_.at(0), std::move(work), asio::use_future).get();
        return ended ? std::string() : ended.error().detail;
    }

    int srt_refusal(const std::string& stream_id) const {
        srt_wish wish;
        wish.stream_id = stream_id;
        return srt_caller(ports.srt, wish).refusal();
    }

    asio::io_context& clients() { return clients_.at(0); }

    gateway_ports ports;

  private:
    std::filesystem::path keys_;
    std::unique_ptr<gateway> running_;
    shards clients_{1};
};

} // namespace

TEST_F(closed_gateway, refuses_publishers_without_the_key_on_every_door) {
    const auto nothing = std::make_shared<const std::vector<media::flv_tag>>();
    EXPECT_THAT(
        error_of(rtmp_publish(rtmp("cam"), nothing)),
        HasSubstr("NetStream.Publish.Rejected: a key is needed")
    );
    EXPECT_THAT(
        error_of(rtmp_publish(rtmp("cam?key=" + watch_key), nothing)),
        HasSubstr("NetStream.Publish.Rejected: this key does not allow")
    );
    EXPECT_EQ(srt_refusal("publish:cam"), 2401);
    EXPECT_EQ(srt_refusal("#!::r=cam,m=publish,s=" + watch_key), 2403);
    const auto offer = sdp("chromium_whip.sdp");
    for (const std::string& path : {base + "/cam/whip", std::string("/cam/whip")}) {
        auto reply = http("POST", path, "", offer, "application/sdp");
        EXPECT_EQ(reply.status, 401) << path << reply.body;
        EXPECT_THAT(reply["www-authenticate"], StartsWith("Bearer")) << path;
        reply = http("POST", path, watch_key, offer, "application/sdp");
        EXPECT_EQ(reply.status, 403) << path << reply.body;
        reply = http("POST", path, publish_key, offer, "application/sdp");
        EXPECT_EQ(reply.status, 201) << path << reply.body;
        const auto location = reply["location"];
        const auto session = location.substr(location.find(path));
        EXPECT_EQ(http("DELETE", session).status, 200) << location;
    }
    const auto form = "source_id=i&source_type=rtmpConn";
    const auto start =
        http("POST", base + "/cam/start", "", form, "application/x-www-form-urlencoded");
    EXPECT_EQ(start.status, 403) << start.body;
}

TEST_F(closed_gateway, refuses_viewers_and_commands_without_the_key_on_every_door) {
    const auto tags = std::make_shared<const std::vector<media::flv_tag>>(read_flv("av.flv"));
    rtmp_publish_options loop;
    loop.loop = true;
    auto publishing = asio::co_spawn(
        clients(), rtmp_publish(rtmp("cam?key=" + publish_key), tags, loop), asio::use_future
    );
    const auto status = base + "/cam/status";
    ASSERT_TRUE(eventually([&] { return http("GET", status, control_key).status == 200; }));

    const auto all = [](const rtmp_played&) { return true; };
    const auto one = [](const rtmp_played& played) {
        return played.tag.type != media::flv_tag_type::video;
    };
    for (const char* name : {"cam", "cam-out"}) {
        EXPECT_THAT(
            error_of(rtmp_play(rtmp(name), all)),
            HasSubstr("NetStream.Play.Failed: a key is needed")
        );
        EXPECT_THAT(
            error_of(rtmp_play(rtmp(name + ("?key=" + publish_key)), all)),
            HasSubstr("NetStream.Play.Failed: this key does not allow")
        );
        EXPECT_EQ(srt_refusal("read:" + std::string(name)), 2401);
        EXPECT_EQ(srt_refusal("read:" + std::string(name) + "::" + publish_key), 2403);
        const auto offer = sdp("chromium_whep.sdp");
        const auto whep = base + "/" + name + "/whep";
        EXPECT_EQ(http("POST", whep, "", offer, "application/sdp").status, 401);
        EXPECT_EQ(http("POST", whep, publish_key, offer, "application/sdp").status, 403);
        const auto next = "/ai/trickle/" + std::string(name) + "/next";
        EXPECT_EQ(http("GET", next).status, 401);
        EXPECT_EQ(http("GET", next, publish_key).status, 403);
        EXPECT_EQ(http("GET", next, watch_key).status, 200);
    }
    EXPECT_EQ(error_of(rtmp_play(rtmp("cam?key=" + watch_key), one)), "");
    EXPECT_EQ(
        http("POST", base + "/cam/whep", watch_key, sdp("chromium_whep.sdp"), "application/sdp")
            .status,
        201
    );

    for (const auto& [method, path] :
         {std::pair("GET", status),
          std::pair("POST", base + "/cam/update"),
          std::pair("DELETE", base + "/cam")}) {
        EXPECT_EQ(http(method, path, "", "{}").status, 401) << method << path;
        EXPECT_EQ(http(method, path, watch_key, "{}").status, 403) << method << path;
    }
    EXPECT_EQ(http("GET", base).status, 401);
    const auto events = base + "/cam/events";
    EXPECT_EQ(websocket_client(ports.http, events).status(), 401);
    EXPECT_EQ(websocket_client(ports.http, events + "?key=" + watch_key).status(), 403);
    EXPECT_EQ(websocket_client(ports.http, events + "?key=" + control_key).status(), 101);
    EXPECT_EQ(http("POST", base + "/cam/update", control_key, "{}").status, 200);
    EXPECT_EQ(http("DELETE", base + "/cam", control_key).status, 200);
    EXPECT_FALSE(publishing.get());
}

} // namespace rivulet::test
