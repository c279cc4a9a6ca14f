// Who may publish, watch and control, over sockets: stream keys, the auth webhook, the heartbeat.
#include "egress/rtmp_play.hpp"
#include "ingest/rtmp_server.hpp"
#include "live/heartbeat.hpp"
#include "live/routes.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/fake_webhook.hpp"
#include "support/live_rig.hpp"
#include "support/rtmp_client.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace json = boost::json;

const std::string publish_key = "publish-key-of-cam";
const std::string watch_key = "watch-key-of-cam-00";
const std::string control_key = "control-key-of-cam";
const std::string master_key = "master-key-of-everything";

// A file of keys that is gone with the test.
class keys_on_disk {
  public:
    keys_on_disk() {
        char name[] = "/tmp/rivulet-keys-XXXXXX";
        ::close(::mkstemp(name));
        path_ = name;
        std::ofstream out(path_);
        for (const auto& [pattern, actions, key] :
             {std::tuple("cam", "publish", publish_key),
              std::tuple("cam", "watch", watch_key),
              std::tuple("cam", "control", control_key),
              std::tuple("*", "all", master_key)})
            out << live::make_key_line(pattern, actions, key).value() << "\n";
        out << "open watch anyone\n";
    }

    ~keys_on_disk() { std::filesystem::remove(path_); }

    std::shared_ptr<live::key_file> open() const {
        return live::key_file::open(path_, logger("keys")).value();
    }

  private:
    std::filesystem::path path_;
};

live::gate_options with_keys(const keys_on_disk& keys) {
    live::gate_options options;
    options.keys = keys.open();
    return options;
}

live::gate_options with_webhook(const std::string& url, duration limit = 2s) {
    live::auth_webhook_options asked;
    asked.url = url;
    asked.api_key = "the-api-key";
    asked.limit = limit;
    live::gate_options options;
    options.webhook = live::auth_webhook::create(std::move(asked), logger("webhook")).value();
    return options;
}

// What a refused publisher hears; empty when it was let in.
std::string refusal(live_rig& rig, const std::string& name, query_list query = {}) {
    try {
        (void)rig.publish(name, std::move(query));
    } catch (const std::runtime_error& e) {
        return e.what();
    }
    return {};
}

raw_reply with_bearer(
    live_rig& rig,
    std::string_view method,
    const std::string& path,
    const std::string& key,
    std::string_view body = {}
) {
    return ask(
        rig.port(), request_with_body(method, path, body, "Authorization: Bearer " + key + "\r\n")
    );
}

std::string error_of(const raw_reply& reply) {
    return std::string(json::parse(reply.body).at("error").at("message").as_string());
}

constexpr const char* base = "/live/video-to-video";

awaitable<std::shared_ptr<egress::channel_feed>>
find_in(egress::feed_table& feeds, std::string name) {
    co_return feeds.find(name);
}

class stream_keys_flow : public testing::Test {
  protected:
    fake_orchestrator orchestrator;
    keys_on_disk keys;
    live_rig rig{{orchestrator.url()}, quick_timing(), live::registry_options(), with_keys(keys)};
};

} // namespace

TEST_F(stream_keys_flow, a_publisher_without_the_key_of_its_stream_is_refused) {
    EXPECT_EQ(refusal(rig, "cam"), "a key is needed to publish 'cam'");
    EXPECT_EQ(
        refusal(rig, "cam", {{"key", watch_key}}), "this key does not allow to publish 'cam'"
    );
    EXPECT_NE(refusal(rig, "other", {{"key", publish_key}}), "");
    EXPECT_EQ(rig.streams().count(), 0u);
    EXPECT_EQ(refusal(rig, "cam", {{"key", publish_key}}), "");
    EXPECT_EQ(refusal(rig, "cam", {{"token", publish_key}}), "");
    EXPECT_EQ(refusal(rig, "other", {{"pass", master_key}}), "");
}

TEST_F(stream_keys_flow, a_stranger_cannot_take_a_name_over) {
    auto publisher = rig.publish("cam", {{"key", publish_key}});
    EXPECT_NE(refusal(rig, "cam"), "");
    EXPECT_EQ(publisher->kicked(), "");
    EXPECT_EQ(rig.streams().count(), 1u);
}

TEST_F(stream_keys_flow, each_api_request_needs_the_key_for_control) {
    auto publisher = rig.publish("cam", {{"key", publish_key}, {"streamId", "sid"}});
    const std::string cam = std::string(base) + "/cam";
    for (const std::string& path :
         {cam + "/status", std::string(base) + "/sid/status", std::string(base)}) {
        const auto reply = rig.get(path);
        EXPECT_EQ(reply.status, 401) << path;
        EXPECT_THAT(reply["www-authenticate"], StartsWith("Bearer")) << path;
        EXPECT_THAT(error_of(reply), HasSubstr("key is needed")) << path;
        EXPECT_EQ(with_bearer(rig, "GET", path, watch_key).status, 403) << path;
        EXPECT_EQ(with_bearer(rig, "GET", path, master_key).status, 200) << path;
        EXPECT_EQ(rig.get(path + "?key=" + master_key).status, 200) << path;
    }
    EXPECT_EQ(with_bearer(rig, "GET", cam + "/status", control_key).status, 200);
    EXPECT_EQ(with_bearer(rig, "GET", std::string(base) + "/sid/status", control_key).status, 200);
    EXPECT_EQ(with_bearer(rig, "GET", base, control_key).status, 403) << "the list is of all";

    EXPECT_EQ(rig.post(cam + "/update", "{}").status, 401);
    EXPECT_EQ(with_bearer(rig, "POST", cam + "/update", publish_key, "{}").status, 403);
    EXPECT_EQ(with_bearer(rig, "POST", cam + "/update", control_key, "{}").status, 200);

    for (const char* id : {"/cam", "/sid"}) {
        EXPECT_EQ(rig.call("DELETE", base + std::string(id)).status, 401);
        EXPECT_EQ(with_bearer(rig, "DELETE", base + std::string(id), watch_key).status, 403);
    }
    EXPECT_EQ(publisher->kicked(), "");
    EXPECT_EQ(with_bearer(rig, "DELETE", std::string(base) + "/sid", control_key).status, 200);
    EXPECT_EQ(publisher->kicked(), "stopped through the API");
    EXPECT_EQ(rig.get("/healthz").status, 200) << "tells nothing about streams";
}

TEST_F(stream_keys_flow, a_stranger_cannot_tell_which_streams_exist) {
    auto publisher = rig.publish("cam", {{"key", publish_key}});
    for (const char* name : {"cam", "nobody"}) {
        EXPECT_EQ(rig.get(std::string(base) + "/" + name + "/status").status, 401);
        EXPECT_EQ(rig.post(std::string(base) + "/" + name + "/update", "{}").status, 401);
        EXPECT_EQ(rig.call("DELETE", std::string(base) + "/" + name).status, 401);
        EXPECT_EQ(rig.get(std::string("/ai/trickle/") + name + "/next").status, 401);
    }
    EXPECT_THAT(rig.get("/").body, Not(HasSubstr("/cam/status")));
    EXPECT_EQ(
        with_bearer(rig, "GET", std::string(base) + "/nobody/status", master_key).status, 404
    );
}

TEST_F(stream_keys_flow, segments_over_http_need_the_key_for_watching) {
    auto publisher = rig.publish("cam", {{"key", publish_key}});
    auto open = rig.publish("open", {{"key", master_key}});
    for (const char* channel : {"cam", "cam-out"}) {
        const auto path = "/ai/trickle/" + std::string(channel) + "/next";
        EXPECT_EQ(rig.get(path).status, 401) << channel;
        EXPECT_EQ(rig.get("/ai/trickle/" + std::string(channel) + "/-2").status, 401) << channel;
        EXPECT_EQ(with_bearer(rig, "GET", path, control_key).status, 403) << channel;
        EXPECT_EQ(with_bearer(rig, "GET", path, watch_key).status, 200) << channel;
        EXPECT_EQ(rig.get(path + "?key=" + watch_key).status, 200) << channel;
    }
    EXPECT_EQ(rig.get("/ai/trickle/open-out/next").status, 200);
    EXPECT_THAT(rig.get("/ai/trickle/cam/next")["www-authenticate"], StartsWith("Bearer"));
}

TEST_F(stream_keys_flow, rtmp_says_no_with_its_own_codes) {
    ingest::rtmp_options listen;
    listen.port = 0;
    ingest::rtmp_callbacks callbacks;
    callbacks.publish = rig.gate().admission();
    egress::rtmp_play_options play;
    play.access = rig.gate().access();
    play.wait_for_stream = 100ms;
    callbacks.play = egress::rtmp_play(
        [&feeds = rig.feeds()](std::string name) { return find_in(feeds, std::move(name)); },
        play,
        nullptr
    );
    ingest::rtmp_server server(rig.threads(), listen, callbacks, logger("rtmp"));
    const auto at = "rtmp://127.0.0.1:" + std::to_string(server.listen().value()) + "/live/";
    shards clients(1);
    const auto error = [&clients](awaitable<outcome<void>> work) {
        auto ended = asio::co_spawn(clients.at(0), std::move(work), asio::use_future).get();
        return ended ? std::string() : ended.error().detail;
    };
    const auto nothing = std::make_shared<const std::vector<media::flv_tag>>();
    const auto all = [](const rtmp_played&) { return true; };
    EXPECT_THAT(
        error(rtmp_publish(at + "cam", nothing)),
        HasSubstr("NetStream.Publish.Rejected: a key is needed to publish")
    );
    EXPECT_THAT(
        error(rtmp_publish(at + "cam?key=" + watch_key, nothing)),
        HasSubstr("NetStream.Publish.Rejected: this key does not allow to publish")
    );
    EXPECT_EQ(error(rtmp_publish(at + "cam?key=" + publish_key, nothing)), "");
    for (const char* name : {"cam", "cam-out", "cam-12345678-out"}) {
        EXPECT_THAT(
            error(rtmp_play(at + name, all)),
            HasSubstr("NetStream.Play.Failed: a key is needed to watch")
        );
        EXPECT_THAT(
            error(rtmp_play(at + name + "?key=" + publish_key, all)),
            HasSubstr("NetStream.Play.Failed: this key does not allow to watch")
        );
    }
    EXPECT_THAT(
        error(rtmp_play(at + "cam-out?key=" + watch_key, all)),
        HasSubstr("NetStream.Play.StreamNotFound")
    );
    server.stop(100ms);
    clients.stop();
}

TEST(live_conformance, s5_with_cors_every_reply_may_be_read_by_other_pages) {
    fake_orchestrator orchestrator;
    keys_on_disk keys;
    live_rig rig({orchestrator.url()}, quick_timing(), live::registry_options(), with_keys(keys));
    auto publisher = rig.publish("cam", {{"key", publish_key}});
    http::server_options cors;
    cors.cors = true;
    http::server front(rig.threads(), cors, logger("cors"));
    live::add_routes(front, rig.streams(), rig.gate().access());
    const auto port = front.listen("127.0.0.1:0").value();
    const std::string cam = std::string(base) + "/cam", key = "?key=" + master_key;
    for (const auto& [method, path, status] :
         {std::tuple("GET", cam + "/status" + key, 200),
          std::tuple("GET", cam + "/status", 401),
          std::tuple("GET", cam + "/status?key=wrong", 403),
          std::tuple("GET", std::string(base) + "/no/status" + key, 404),
          std::tuple("POST", cam + "/update" + key, 400),
          std::tuple("PUT", cam + "/update", 405),
          std::tuple("GET", std::string("/nowhere"), 404)}) {
        const auto reply = ask(port, request_text(method, path));
        EXPECT_EQ(reply.status, status) << method << " " << path;
        EXPECT_EQ(reply["Access-Control-Allow-Origin"], "*") << method << " " << path;
    }
    for (const auto& path : {cam + "/update", cam + "/status", cam}) {
        const auto preflight = ask(port, request_text("OPTIONS", path));
        EXPECT_EQ(preflight.status, 204) << path;
        EXPECT_THAT(preflight["Access-Control-Allow-Headers"], HasSubstr("Authorization")) << path;
        EXPECT_NE(preflight["Access-Control-Allow-Methods"], "") << path;
    }
    front.stop(100ms);
}

// --- the webhook ---------------------------------------------------------------------------------

TEST(live_conformance, s15_the_webhook_is_told_what_the_network_tells_it) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    auto options = with_webhook(webhook.url());
    options.gateway_host = "gw.example";
    options.playback_prefix = "https://cdn.example/";
    live_rig rig({orchestrator.url()}, quick_timing(), live::registry_options(), options);
    auto publisher = rig.publish("my+cam", {{"streamId", "sid"}, {"params", R"({"a":1})"}});
    ASSERT_EQ(webhook.asked().size(), 1u);
    const auto asked = webhook.asked().front();
    EXPECT_EQ(asked.method, "POST");
    EXPECT_EQ(asked.content_type, "application/json");
    EXPECT_EQ(asked.api_key, "the-api-key");
    EXPECT_EQ(asked.authorization, "the-api-key");
    const auto body = json::parse(asked.body);
    EXPECT_EQ(body.at("stream"), "my+cam");
    EXPECT_EQ(body.at("stream_key"), "my+cam");
    EXPECT_EQ(body.at("type"), "test");
    EXPECT_EQ(body.at("action"), "publish");
    EXPECT_EQ(body.at("query_params"), "streamId=sid&params=%7B%22a%22%3A1%7D");
    EXPECT_EQ(body.at("gateway_host"), "gw.example");
    EXPECT_EQ(body.at("update_url"), "https://gw.example/live/video-to-video/my%2Bcam/update");
    EXPECT_EQ(body.at("status_url"), "https://gw.example/live/video-to-video/my%2Bcam/status");
    auto snapshot = rig.streams().find("sid");
    const auto found =
        asio::co_spawn(rig.threads().at(0), std::move(snapshot), asio::use_future).get();
    ASSERT_TRUE(found);
    EXPECT_EQ(
        std::string(body.at("whep_url").as_string()),
        "https://cdn.example/my%2Bcam-" + found->request_id + "-out/whep"
    );
}

TEST(auth_webhook, is_told_the_address_of_this_gateway_when_no_other_is_configured) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    live_rig rig(
        {orchestrator.url()}, quick_timing(), live::registry_options(), with_webhook(webhook.url())
    );
    auto publisher = rig.publish("cam", {{"streamId", "sid"}});
    const auto body = json::parse(webhook.asked().at(0).body);
    const auto here = "127.0.0.1:" + std::to_string(rig.port());
    EXPECT_EQ(std::string(body.at("gateway_host").as_string()), here);
    EXPECT_EQ(
        std::string(body.at("update_url").as_string()),
        "http://" + here + "/live/video-to-video/cam/update"
    );
    EXPECT_THAT(
        std::string(body.at("whep_url").as_string()),
        StartsWith("http://" + here + "/live/video-to-video/cam-")
    );
    const auto status =
        json::parse(with_bearer(rig, "GET", std::string(base) + "/sid/status", "any key").body);
    EXPECT_EQ(status.at("gateway_status").at("whep_url"), body.at("whep_url"));
}

TEST(live_conformance, s16_an_answer_that_is_not_2xx_or_not_json_refuses_the_stream) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    live_rig rig(
        {orchestrator.url()}, quick_timing(), live::registry_options(), with_webhook(webhook.url())
    );
    webhook.answers({403, "no such key"});
    EXPECT_EQ(refusal(rig, "cam"), "refused by the auth webhook (status 403)");
    webhook.answers({500, "{}"});
    EXPECT_EQ(refusal(rig, "cam"), "refused by the auth webhook (status 500)");
    for (const char* bad : {"", "ok", "[]", R"({"pipeline_parameters":"x"})"}) {
        webhook.answers({200, bad});
        EXPECT_THAT(refusal(rig, "cam"), StartsWith("the auth webhook's answer can't be used"))
            << bad;
    }
    EXPECT_EQ(rig.streams().count(), 0u);
    EXPECT_FALSE(rig.channel_exists("cam"));
    webhook.answers({201, "{}"});
    EXPECT_EQ(refusal(rig, "cam"), "");
}

TEST(live_conformance, s17_the_answer_decides_what_the_orchestrator_is_asked) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    webhook.answers(
        {200, R"({"pipeline":"comfyui","stream_id":"theirs","pipeline_parameters":{"1":{"x":2}}})"}
    );
    live_rig rig(
        {orchestrator.url()}, quick_timing(), live::registry_options(), with_webhook(webhook.url())
    );
    auto publisher =
        rig.publish("cam", {{"pipeline", "noop"}, {"streamId", "mine"}, {"params", "{\"a\":1}"}});
    publisher->start();
    ASSERT_TRUE(eventually([&] { return orchestrator.jobs().size() == 1; }));
    const auto job = json::parse(orchestrator.jobs().front().body).as_object();
    EXPECT_EQ(job.at("model_id"), "comfyui");
    EXPECT_EQ(job.at("stream_id"), "theirs");
    EXPECT_EQ(job.at("params"), json::parse(R"({"prompt":{"1":{"x":2}}})"));
}

TEST(auth_webhook, is_asked_again_until_it_listens) {
    fake_orchestrator orchestrator;
    const auto port = free_port();
    live_rig rig(
        {orchestrator.url()},
        quick_timing(),
        live::registry_options(),
        with_webhook("http://127.0.0.1:" + std::to_string(port) + "/hook", 5s)
    );
    std::unique_ptr<fake_webhook> late;
    std::thread starts([&] {
        std::this_thread::sleep_for(250ms);
        late = std::make_unique<fake_webhook>(port);
    });
    EXPECT_EQ(refusal(rig, "cam"), "");
    starts.join();
    EXPECT_EQ(late->asked().size(), 1u);
}

TEST(auth_webhook, that_never_answers_costs_no_more_than_its_deadline) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    webhook.answers({200, "{}", 1s});
    live_rig rig(
        {orchestrator.url()},
        quick_timing(),
        live::registry_options(),
        with_webhook(webhook.url(), 300ms)
    );
    const auto before = steady_clock::now();
    EXPECT_EQ(refusal(rig, "cam"), "the auth webhook did not answer in time");
    EXPECT_LT(steady_clock::now() - before, 900ms);
    EXPECT_EQ(rig.streams().count(), 0u);
}

TEST(auth_webhook, that_is_gone_refuses_without_telling_where_it_was) {
    fake_orchestrator orchestrator;
    live_rig rig(
        {orchestrator.url()},
        quick_timing(),
        live::registry_options(),
        with_webhook("http://127.0.0.1:" + std::to_string(free_port()) + "/hook", 300ms)
    );
    EXPECT_EQ(refusal(rig, "cam"), "the auth webhook can't be reached");
    const auto reply = with_bearer(rig, "GET", std::string(base) + "/cam/status", "some key");
    EXPECT_EQ(reply.status, 503);
    EXPECT_THAT(reply.body, Not(HasSubstr("127.0.0.1")));
}

TEST(auth_webhook, decides_over_viewers_too_and_is_not_asked_without_a_key) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    webhook.answers([](const asked_of_webhook& asked) {
        const auto body = json::parse(asked.body).as_object();
        const auto* key = body.if_contains("key");
        const bool good = body.at("action") == "publish" || (key && *key == "viewer key");
        return fake_webhook::answer{good ? 200u : 403u, "{}"};
    });
    live_rig rig(
        {orchestrator.url()}, quick_timing(), live::registry_options(), with_webhook(webhook.url())
    );
    auto publisher = rig.publish("cam");
    const std::string next = "/ai/trickle/cam-out/next";
    EXPECT_EQ(rig.get(next).status, 401);
    EXPECT_EQ(webhook.asked().size(), 1u);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(with_bearer(rig, "GET", next, "viewer key").status, 200);
        EXPECT_EQ(with_bearer(rig, "GET", next, "wrong key").status, 403);
    }
    ASSERT_EQ(webhook.asked().size(), 3u) << "answers are remembered for a moment";
    const auto body = json::parse(webhook.asked()[1].body);
    EXPECT_EQ(body.at("stream"), "cam") << "the stream, not the channel";
    EXPECT_EQ(body.at("action"), "watch");
    const std::string status = std::string(base) + "/cam/status";
    EXPECT_EQ(with_bearer(rig, "GET", status, "viewer key").status, 200);
    EXPECT_EQ(json::parse(webhook.asked()[3].body).at("action"), "control");
}

TEST_F(stream_keys_flow, the_key_of_a_stream_opens_no_channel_of_a_stream_whose_name_goes_on) {
    const auto owner = rig.publish("cam", {{"key", publish_key}});
    const auto other = rig.publish("cam-0123abcd", {{"key", master_key}});
    const std::string next = "/ai/trickle/cam-0123abcd-out/next";
    ASSERT_EQ(with_bearer(rig, "GET", next, master_key).status, 200);
    EXPECT_EQ(with_bearer(rig, "GET", next, watch_key).status, 403);
    ingest::access_request asked;
    asked.protocol = "rtmp";
    asked.stream = "cam-0123abcd-out";
    asked.key = watch_key;
    auto& home = rig.threads().of("cam");
    const auto allowed = [&] {
        return asio::co_spawn(home, rig.gate().check(asked), asio::use_future).get().has_value();
    };
    EXPECT_FALSE(allowed());
    asked.stream = "cam-out";
    EXPECT_TRUE(allowed());
}

TEST(auth_webhook, is_asked_once_by_a_door_that_decides_before_it_admits) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    webhook.answers({200, R"({"stream_id":"theirs","srt_passphrase":"0123456789"})"});
    live_rig rig(
        {orchestrator.url()}, quick_timing(), live::registry_options(), with_webhook(webhook.url())
    );
    ingest::publish_request request;
    request.protocol = "srt";
    request.stream = "cam";
    request.session_id = "s1";
    auto& home = rig.threads().of("cam");
    const auto check = [&](ingest::publish_request wanted) {
        return asio::co_spawn(home, rig.gate().check_publish(std::move(wanted)), asio::use_future)
            .get();
    };
    const auto publish = [&](ingest::publish_request wanted) {
        auto admitted = rig.gate().publish(std::move(wanted), [](auto, const auto&) {});
        return asio::co_spawn(home, std::move(admitted), asio::use_future).get();
    };
    EXPECT_FALSE(rig.gate().passphrase(request));
    ASSERT_TRUE(check(request));
    EXPECT_EQ(rig.streams().count(), 0u) << "a question changes nothing";
    EXPECT_EQ(rig.gate().passphrase(request), "0123456789");
    auto other = request;
    other.session_id = "s2";
    EXPECT_FALSE(rig.gate().passphrase(other));
    auto sink = publish(request);
    ASSERT_TRUE(sink);
    ASSERT_EQ(webhook.asked().size(), 1u);
    const auto told = json::parse(webhook.asked()[0].body);
    EXPECT_THAT(
        std::string(told.at("whep_url").as_string()), HasSubstr((*sink)->request_id() + "-out/whep")
    );
    auto found = rig.streams().find("theirs");
    EXPECT_TRUE(asio::co_spawn(home, std::move(found), asio::use_future).get());
    webhook.answers({403, ""});
    EXPECT_FALSE(publish(request)) << "a decision holds for one connection";
    EXPECT_FALSE(check(other));
}

TEST(auth_webhook, is_not_asked_about_a_key_of_the_file) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    webhook.answers({403, ""});
    keys_on_disk keys;
    auto options = with_webhook(webhook.url());
    options.keys = keys.open();
    live_rig rig({orchestrator.url()}, quick_timing(), live::registry_options(), options);
    EXPECT_EQ(refusal(rig, "cam", {{"key", publish_key}}), "");
    EXPECT_EQ(webhook.asked().size(), 0u);
    EXPECT_EQ(refusal(rig, "cam"), "refused by the auth webhook (status 403)");
    EXPECT_EQ(refusal(rig, "cam", {{"params", "{"}}).substr(0, 6), "params");
    EXPECT_EQ(webhook.asked().size(), 1u) << "nonsense is refused before anybody is asked";
}

// --- the heartbeat -------------------------------------------------------------------------------

TEST(live_conformance, s43_a_heartbeat_answer_ends_exactly_the_streams_that_it_names) {
    fake_orchestrator orchestrator;
    fake_webhook service;
    live_rig rig({orchestrator.url()});
    auto one = rig.publish("one", {{"streamId", "id-1"}});
    auto twin = rig.publish("twin", {{"streamId", "id-1"}});
    auto two = rig.publish("two", {{"streamId", "id-2"}});
    auto named = rig.publish("id-1x", {{"streamId", "id-3"}});
    auto by_name = rig.publish("id-1", {{"streamId", "id-4"}});
    service.answers([](const asked_of_webhook& asked) {
        const auto ids = json::parse(asked.body).at("ids");
        const bool there = json::serialize(ids).find("\"id-1\"") != std::string::npos;
        return fake_webhook::answer{
            200, there ? R"({"terminatedStreamIds":["id-1","nobody"]})" : "{}"};
    });
    live::heartbeat_options options;
    options.url = service.url();
    options.headers = {{"x-api-key", "secret"}};
    options.interval = 50ms;
    live::heartbeat beats(rig.threads(), rig.streams(), options, logger("heartbeat"));
    ASSERT_TRUE(beats.start());
    ASSERT_TRUE(eventually([&] { return service.asked().size() >= 3; }));
    beats.stop();
    EXPECT_EQ(one->kicked(), "stream terminated: credit_exhaustion");
    EXPECT_EQ(twin->kicked(), "stream terminated: credit_exhaustion");
    EXPECT_EQ(two->kicked(), "");
    EXPECT_EQ(named->kicked(), "");
    EXPECT_EQ(by_name->kicked(), "") << "an id is no name";
    const auto first = service.asked().front();
    EXPECT_EQ(first.api_key, "secret");
    EXPECT_EQ(first.content_type, "application/json");
    EXPECT_EQ(json::parse(first.body).at("ids").as_array().size(), 5u);
    EXPECT_EQ(json::parse(service.asked().back().body).at("ids").as_array().size(), 3u);
}

TEST(heartbeat, a_service_that_fails_ends_nothing) {
    fake_orchestrator orchestrator;
    fake_webhook service;
    service.answers({500, R"({"terminatedStreamIds":["id-1"]})"});
    live_rig rig({orchestrator.url()});
    auto one = rig.publish("one", {{"streamId", "id-1"}});
    live::heartbeat_options options;
    options.url = service.url();
    options.interval = 20ms;
    live::heartbeat beats(rig.threads(), rig.streams(), options, logger("heartbeat"));
    ASSERT_TRUE(beats.start());
    ASSERT_TRUE(eventually([&] { return service.asked().size() >= 3; }));
    EXPECT_EQ(one->kicked(), "");
    live::heartbeat_options wrong;
    wrong.url = "ftp://x";
    EXPECT_FALSE(live::heartbeat(rig.threads(), rig.streams(), wrong, logger("h")).start());
}

} // namespace rivulet::test
