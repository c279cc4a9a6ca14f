// -streamKeys on a gateway with every door open, with media: who has no key, or another one, is
// refused by each door in its protocol's words and leaves no trace; with the key media flows.
#include "support/closed_doors.hpp"
#include "support/frame_watch.hpp"
#include "support/websocket_client.hpp"

#include <gmock/gmock.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(closed_doors, let_in_publishers_with_the_key_only) {
    const auto tags = std::make_shared<const std::vector<media::flv_tag>>(read_flv("av.flv"));
    const auto clip = read_sample("aac.ts");
    const auto whip = sdp_file("chromium_whip.sdp");
    const auto query = [](const std::string& key) { return key.empty() ? "" : "?key=" + key; };
    rtmp_publish_options quickly;
    quickly.realtime = false;
    const std::vector<door> doors{
        {"cam-rtmp",
         "NetStream.Publish.Rejected: a key is needed",
         "NetStream.Publish.Rejected: this key does not allow",
         [&](const std::string& key) {
             return words_of(
                 rtmp_publish(gateway.rtmp("/live/cam-rtmp" + query(key)), tags, quickly)
             );
         }},
        {"cam-rtmps",
         "a key is needed",
         "this key does not allow",
         [&](const std::string& key) {
             const auto url = gateway.rtmps("/live/cam-rtmps" + query(key));
             return ffmpeg({"-i", media_folder + "av.flv", "-c", "copy", "-f", "flv", url});
         }},
        {"cam-srt",
         "SRT 2401",
         "SRT 2403",
         [&](const std::string& key) {
             srt_wish wish;
             wish.stream_id = "#!::r=cam-srt,m=publish" + (key.empty() ? "" : ",s=" + key);
             srt_caller caller(gateway.ports.srt, wish);
             const auto words = srt_words(caller);
             if (words.empty()) {
                 EXPECT_TRUE(caller.send(clip));
                 EXPECT_TRUE(eventually([&] { return frames_in("cam-srt") > 0; }));
             }
             return words;
         }},
        {"cam-srt2",
         "SRT 2401",
         "SRT 2403",
         [&](const std::string& key) {
             srt_wish wish;
             wish.stream_id = "publish:cam-srt2" + (key.empty() ? "" : ":user:" + key);
             srt_caller caller(gateway.ports.srt, wish);
             const auto words = srt_words(caller);
             if (words.empty()) {
                 EXPECT_TRUE(caller.send(clip));
                 EXPECT_TRUE(eventually([&] { return frames_in("cam-srt2") > 0; }));
             }
             return words;
         }},
        {"cam-whip",
         "401 .*a key is needed",
         "403 .*this key does not allow",
         [&](const std::string& key) { return visit_words(base + "/cam-whip/whip", key); }},
        {"cam-whip2",
         "401 .*a key is needed",
         "403 .*this key does not allow",
         [&](const std::string& key) { return visit_words("/cam-whip2/whip" + query(key), ""); }},
        {"cam-https",
         "HTTP/1.1 401 ",
         "HTTP/1.1 403 ",
         [&](const std::string& key) {
             return https_words("POST", base + "/cam-https/whip", key, whip);
         }},
    };
    for (const auto& door : doors) {
        EXPECT_THAT(door.enter(""), ContainsRegex(door.without)) << door.name;
        for (const auto& wrong : {watch_key, other_key})
            EXPECT_THAT(door.enter(wrong), ContainsRegex(door.wrong)) << door.name;
        EXPECT_EQ(gateway.http("GET", base + "/" + door.name + "/status", operator_key).status, 404)
            << door.name;
    }
    EXPECT_EQ(gateway.streams(), 0u);
    for (const auto& door : doors) {
        EXPECT_THAT(door.enter(publish_key), IsEmpty()) << door.name;
        if (door.name != "cam-https") {
            EXPECT_TRUE(eventually([&] { return frames_in(door.name) > 0; })) << door.name;
        }
    }
    // RTMP's stream may be named anything, and a key holds for the names of its line only.
    EXPECT_THAT(
        words_of(rtmp_publish(gateway.rtmp("/live/other?key=" + publish_key), tags, quickly)),
        HasSubstr("this key does not allow")
    );
}

TEST_F(closed_doors, show_pictures_to_viewers_with_the_key_only) {
    frame_watch camera(
        gateway,
        "/live/cam?pipeline=passthrough&key=" + publish_key,
        "/live/cam-out?key=" + watch_key
    );
    ASSERT_TRUE(eventually([&] { return frames_in("cam") > 0; }));
    ASSERT_TRUE(eventually(
        [&] { return gateway.http("GET", "/ai/trickle/cam-out/next", watch_key).status == 200; },
        15'000ms
    ));
    const auto query = [](const std::string& key) { return key.empty() ? "" : "?key=" + key; };
    const auto until_a_picture = [](const rtmp_played& played) {
        return played.tag.type != media::flv_tag_type::video;
    };
    for (const std::string name : {"cam", "cam-out"}) {
        const std::vector<door> doors{
            {"rtmp",
             "NetStream.Play.Failed: a key is needed",
             "NetStream.Play.Failed: this key does not allow",
             [&](const std::string& key) {
                 return words_of(
                     rtmp_play(gateway.rtmp("/live/" + name + query(key)), until_a_picture)
                 );
             }},
            {"rtmps",
             "a key is needed",
             "this key does not allow",
             [&](const std::string& key) {
                 const auto url = gateway.rtmps("/live/" + name + query(key));
                 return ffmpeg({"-i", url, "-frames:v", "3", "-an", "-f", "null", "-"});
             }},
            {"srt",
             "SRT 2401",
             "SRT 2403",
             [&](const std::string& key) {
                 srt_wish wish;
                 wish.stream_id = "read:" + name + (key.empty() ? "" : ":user:" + key);
                 srt_caller caller(gateway.ports.srt, wish);
                 const auto words = srt_words(caller);
                 if (words.empty()) {
                     const auto got = caller.receive(10'000, 8s);
                     EXPECT_GE(got.size(), 10'000u) << name;
                     EXPECT_TRUE(got.empty() || got[0] == 0x47) << name;
                 }
                 return words;
             }},
            {"whep",
             "401 .*a key is needed",
             "403 .*this key does not allow",
             [&](const std::string& key) { return visit_words(base + "/" + name + "/whep", key); }},
            {"short whep",
             "401 .*a key is needed",
             "403 .*this key does not allow",
             [&](const std::string& key) {
                 return visit_words("/" + name + "/whep" + query(key), "");
             }},
            {"trickle",
             "401 Bearer.*a key is needed",
             "403 .*this key does not allow",
             [&](const std::string& key) {
                 return http_words(gateway.http("GET", "/ai/trickle/" + name + "/-1", key));
             }},
            {"https trickle",
             "HTTP/1.1 401 ",
             "HTTP/1.1 403 ",
             [&](const std::string& key) {
                 return https_words("GET", "/ai/trickle/" + name + "/next" + query(key), "");
             }},
        };
        for (const auto& door : doors) {
            EXPECT_THAT(door.enter(""), ContainsRegex(door.without)) << door.name << " " << name;
            for (const auto& wrong : {publish_key, other_key})
                EXPECT_THAT(door.enter(wrong), ContainsRegex(door.wrong))
                    << door.name << " " << name;
            EXPECT_THAT(door.enter(watch_key), IsEmpty()) << door.name << " " << name;
        }
    }
    // What is not there looks the same to strangers.
    EXPECT_EQ(gateway.http("GET", "/ai/trickle/cam7/next").status, 401);
    EXPECT_EQ(gateway.offer(base + "/cam7/whep", sdp_file("chromium_whep.sdp")).status, 401);
    EXPECT_TRUE(camera.goes_on());
    EXPECT_EQ(camera.gaps(), "");
}

TEST_F(closed_doors, take_commands_with_the_key_only) {
    frame_watch camera(
        gateway, "/live/cam?pipeline=passthrough&key=" + publish_key, "/live/cam?key=" + watch_key
    );
    ASSERT_TRUE(eventually([&] { return frames_in("cam") > 0; }));

    struct command {
        std::string method, path, right;
    };

    const auto one = base + "/cam";
    const std::vector<command> commands{
        {"GET", base, operator_key}, // concerns all streams
        {"GET", one + "/status", control_key},
        {"POST", one + "/update", control_key},
        {"DELETE", one, control_key},
    };
    for (const auto& [method, path, right] : commands) {
        const auto what = method + " " + path;
        EXPECT_THAT(
            http_words(gateway.http(method, path, "", "{}")),
            ContainsRegex("401 Bearer.*a key is needed")
        ) << what;
        EXPECT_THAT(https_words(method, path, "", "{}"), HasSubstr("HTTP/1.1 401 ")) << what;
        for (const auto& wrong : {publish_key, watch_key, other_key}) {
            EXPECT_THAT(
                http_words(gateway.http(method, path, wrong, "{}")),
                ContainsRegex("403 .*this key does not allow")
            ) << what;
            EXPECT_EQ(gateway.http(method, path + "?key=" + wrong, "", "{}").status, 403) << what;
        }
    }
    EXPECT_EQ(gateway.http("GET", base, control_key).status, 403);
    // The console is open, what it knows is not.
    EXPECT_THAT(gateway.http("GET", "/").body, testing::Not(HasSubstr("cam/status")));

    const auto events = one + "/events";
    EXPECT_EQ(websocket_client(gateway.ports.http, events).status(), 401);
    EXPECT_EQ(websocket_client(gateway.ports.http, events + "?key=" + watch_key).status(), 403);
    const auto all = base + "/events";
    EXPECT_EQ(websocket_client(gateway.ports.http, all).status(), 401);
    EXPECT_EQ(websocket_client(gateway.ports.http, all + "?key=" + control_key).status(), 403);
    websocket_wishes secure;
    secure.tls = true;
    EXPECT_EQ(websocket_client(gateway.ports.https, all, secure).status(), 401);
    EXPECT_TRUE(camera.connected());

    websocket_client listener(gateway.ports.http, events + "?after=0&key=" + control_key);
    ASSERT_EQ(listener.status(), 101);
    EXPECT_THAT(listener.read(), HasSubstr("\"stream\":\"cam\""));
    websocket_client everything(gateway.ports.https, all + "?after=0&key=" + operator_key, secure);
    ASSERT_EQ(everything.status(), 101);
    EXPECT_THAT(everything.read(), HasSubstr("\"seq\":"));
    for (const auto& [method, path, right] : commands)
        EXPECT_EQ(gateway.http(method, path, right, "{}").status, 200) << method << path;
    EXPECT_TRUE(eventually([&] { return gateway.streams() == 0; }));
    EXPECT_TRUE(eventually([&] { return !camera.connected(); }));
}

} // namespace
} // namespace rivulet::test
