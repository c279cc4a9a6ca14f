// Who may publish and read over SRT: stream keys and the auth webhook, with the protocol's codes.
#include "ingest/srt_server.hpp"
#include "live/srt_access.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/fake_webhook.hpp"
#include "support/live_rig.hpp"
#include "support/media_samples.hpp"
#include "support/srt_caller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* publish_key = "publish-key-of-cam";
constexpr const char* watch_key = "watch-key-of-cam-00";

// The server as the gateway wires it.
std::unique_ptr<ingest::srt_server> serve(live_rig& rig) {
    ingest::srt_options options;
    options.port = 0;
    ingest::srt_callbacks callbacks;
    live::decide_over_srt(callbacks, rig.gate());
    callbacks.find = [&feeds = rig.feeds()](const std::string& name) {
        auto feed = feeds.find(name);
        return feed ? feed->source() : nullptr;
    };
    return std::make_unique<ingest::srt_server>(
        rig.threads(), std::move(options), std::move(callbacks), logger("srt")
    );
}

// A file of keys that is gone with the test.
class keys_on_disk {
  public:
    keys_on_disk() {
        char name[] = "/tmp/rivulet-keys-XXXXXX";
        ::close(::mkstemp(name));
        path_ = name;
        std::ofstream(path_) << live::make_key_line("cam", "publish", publish_key).value() << "\n"
                             << live::make_key_line("cam", "watch", watch_key).value() << "\n";
    }

    ~keys_on_disk() { std::filesystem::remove(path_); }

    live::gate_options options() const {
        live::gate_options made;
        made.keys = live::key_file::open(path_, logger("keys")).value();
        return made;
    }

  private:
    std::filesystem::path path_;
};

srt_wish wish(const std::string& stream_id) {
    srt_wish made;
    made.stream_id = stream_id;
    return made;
}

} // namespace

TEST(srt_access, a_caller_without_the_key_is_told_during_the_handshake) {
    fake_orchestrator orchestrator;
    const keys_on_disk keys;
    live_rig rig({orchestrator.url()}, quick_timing(), live::registry_options(), keys.options());
    auto server = serve(rig);
    const auto port = server->listen().value();
    EXPECT_EQ(srt_caller(port, wish("publish:cam")).refusal(), 2401);
    EXPECT_EQ(srt_caller(port, wish("publish:cam:ann:" + std::string(watch_key))).refusal(), 2403);
    EXPECT_EQ(srt_caller(port, wish("#!::r=cam,m=publish,s=wrong")).refusal(), 2403);
    EXPECT_EQ(rig.streams().count(), 0u);

    srt_caller publisher(port, wish("publish:cam:key=" + std::string(publish_key)));
    ASSERT_TRUE(publisher.connected());
    ASSERT_TRUE(eventually([&] { return rig.streams().count() == 1; }));

    for (const char* name : {"cam", "cam-out", "cam-12345678-out"}) {
        EXPECT_EQ(srt_caller(port, wish("read:" + std::string(name))).refusal(), 2401);
        const auto with_wrong_key = "read:" + std::string(name) + ":key=" + publish_key;
        EXPECT_EQ(srt_caller(port, wish(with_wrong_key)).refusal(), 2403);
    }
    srt_caller reader(port, wish("read:cam-out:key=" + std::string(watch_key)));
    EXPECT_TRUE(reader.connected());
    server->stop(500ms);
}

TEST(srt_access, a_publisher_that_the_webhook_refuses_is_told) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    fake_webhook::answer no;
    no.status = 403;
    webhook.answers(no);
    live::auth_webhook_options asked;
    asked.url = webhook.url();
    live::gate_options access;
    access.webhook = live::auth_webhook::create(std::move(asked), logger("webhook")).value();
    live_rig rig({orchestrator.url()}, quick_timing(), live::registry_options(), access);
    auto server = serve(rig);
    const auto port = server->listen().value();
    {
        srt_caller first(port, wish("publish:cam:ann:secret"));
        // During the handshake when the webhook is quick, afterwards when it is not.
        EXPECT_TRUE(first.refusal() == 2403 || first.closed_within(3s));
    }
    EXPECT_EQ(srt_caller(port, wish("publish:cam:ann:secret")).refusal(), 2403);
    EXPECT_EQ(rig.streams().count(), 0u);
    ASSERT_FALSE(webhook.asked().empty());
    EXPECT_THAT(webhook.asked().at(0).body, HasSubstr("cam"));
    server->stop(100ms);
}

TEST(srt_access, the_webhooks_answer_may_name_the_passphrase_of_a_stream) {
    fake_orchestrator orchestrator;
    fake_webhook webhook;
    fake_webhook::answer yes;
    yes.body = R"({"srt_passphrase":"passphrase-of-cam"})";
    webhook.answers(yes);
    live::auth_webhook_options asked;
    asked.url = webhook.url();
    live::gate_options access;
    access.webhook = live::auth_webhook::create(std::move(asked), logger("webhook")).value();
    live_rig rig({orchestrator.url()}, quick_timing(), live::registry_options(), access);
    auto server = serve(rig);
    const auto port = server->listen().value();
    auto right = wish("publish:cam"), wrong = right;
    right.passphrase = "passphrase-of-cam";
    wrong.passphrase = "passphrase-of-dog";
    // A decision that comes late counts at the next attempt.
    const auto connects = [&](const srt_wish& with) {
        srt_caller caller(port, with);
        return caller.connected() && eventually([&] { return rig.streams().count() == 1; }, 1s);
    };
    EXPECT_TRUE(eventually([&] { return connects(right); }));
    ASSERT_TRUE(eventually([&] { return rig.streams().count() == 0; }));
    EXPECT_FALSE(connects(wrong));
    EXPECT_FALSE(connects(wish("publish:cam")));
    server->stop(100ms);
}

TEST(srt_status, tells_how_the_connection_of_a_publisher_is) {
    fake_orchestrator orchestrator;
    live_rig rig({orchestrator.url()});
    auto server = serve(rig);
    srt_caller publisher(server->listen().value(), wish("publish:cam"));
    ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 300ms));
    ASSERT_TRUE(eventually([&] {
        const auto stats = rig.status("cam").at("gateway_status").at("ingest_metrics").at("stats");
        return stats.at("packets").to_number<int>() > 50;
    }));
    const auto stats = rig.status("cam").at("gateway_status").at("ingest_metrics").at("stats");
    EXPECT_EQ(stats.at("encrypted"), false);
    EXPECT_EQ(stats.at("latency_ms"), 120);
    EXPECT_EQ(stats.at("lost"), 0u);
    server->stop(100ms);
}

} // namespace rivulet::test
