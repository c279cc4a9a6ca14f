// A gateway with every door open meets clients that come and go by the hundred, and strangers that
// send it garbage. Nothing of them is left, and a stream beside them loses no frame.
#include "support/frame_watch.hpp"
#include "support/live_rig.hpp"
#include "support/process_state.hpp"
#include "support/rtp_source.hpp"
#include "support/srt_caller.hpp"
#include "support/stranger.hpp"
#include "support/tls_client.hpp"
#include "support/whole_gateway.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;

constexpr std::size_t most_peers = 230;
constexpr std::size_t most_viewers = 180; // of a stream
constexpr std::size_t memory_slack = 16u << 20;
// The steady stream's own connections to its orchestrator are now a pair more, now one less.
constexpr std::size_t connection_slack = 8;
const std::string base = "/live/video-to-video/";

gateway_options for_crowds() {
    gateway_options options;
    options.webrtc_peers = most_peers;
    options.whep_max_sessions = most_viewers;
    options.whep_wait = options.play_wait = 500ms;
    options.rtmp_handshake = 3s;
    options.worker_capacity = 64;
    return options;
}

std::string path_of(const std::string& location) {
    const auto path = location.find("/live/");
    return path == std::string::npos ? location : location.substr(path);
}

class strangers : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(eventually([&] { return steady.played() > 30; }, 15'000ms));
    }

    // What the process holds once nobody but the steady stream is left.
    process_state settled() {
        EXPECT_TRUE(eventually([&] { return gateway.streams() == 1; }, 25'000ms))
            << gateway.http("GET", "/live/video-to-video").body;
        auto least = look_at_process();
        // The last sockets and threads are closed a moment later; libsrt takes seconds.
        eventually(
            [&] {
                const auto now = look_at_process();
                const bool still =
                    now.descriptors == least.descriptors && now.threads == least.threads;
                quiet_ = still ? quiet_ + 1 : 0;
                least = now;
                return quiet_ >= 150;
            },
            8'000ms
        );
        return least;
    }

    void expect_nothing_left(const process_state& before) {
        EXPECT_TRUE(eventually([&] { return gateway.streams() == 1; }, 25'000ms))
            << gateway.http("GET", "/live/video-to-video").body;
        process_state now;
        EXPECT_TRUE(eventually(
            [&] {
                now = look_at_process();
                return now.descriptors <= before.descriptors + connection_slack &&
                       now.threads <= before.threads;
            },
            20'000ms
        )) << now.descriptors
           << " file descriptors instead of " << before.descriptors << ", " << now.threads
           << " threads instead of " << before.threads << "\n"
           << describe_descriptors();
        if (memory_is_measured) {
            EXPECT_LT(now.resident, before.resident + memory_slack);
        }
        std::printf(
            "resident: %.1f MiB, then %.1f MiB\n",
            double(before.resident) / (1 << 20),
            double(now.resident) / (1 << 20)
        );
    }

    // Every place for a peer and for a viewer can be had: nobody holds one. Then all leave.
    void expect_every_place_free() {
        const auto watch = sdp_file("chromium_whep.sdp");
        const auto publish = sdp_file("chromium_whip.sdp");
        std::vector<std::string> sessions;
        const auto asks = [&](const std::string& path, const std::string& sdp) {
            const auto reply = gateway.offer(path, sdp);
            if (reply.status == 201)
                sessions.push_back(path_of(reply["location"]));
            return reply.status;
        };
        for (std::size_t i = 0; i < most_viewers; ++i)
            ASSERT_EQ(asks(base + "steady-out/whep", watch), 201) << "viewer " << i;
        EXPECT_EQ(asks(base + "steady-out/whep", watch), 429);
        for (std::size_t i = most_viewers; i < most_peers; ++i)
            ASSERT_EQ(asks(base + "full-" + std::to_string(i) + "/whip", publish), 201)
                << "peer " << i;
        EXPECT_EQ(asks(base + "one-more/whip", publish), 429);
        for (const auto& session : sessions)
            EXPECT_EQ(gateway.http("DELETE", session).status, 200);
        for (const auto& session : sessions)
            EXPECT_EQ(gateway.http("DELETE", session).status, 404);
        EXPECT_TRUE(eventually([&] { return gateway.streams() == 1; }, 20'000ms));
    }

    void expect_every_frame() {
        EXPECT_TRUE(steady.goes_on());
        EXPECT_TRUE(steady.connected());
        EXPECT_EQ(steady.gaps(), "");
    }

    whole_gateway gateway{for_crowds()};
    frame_watch steady{gateway, "/live/steady?pipeline=passthrough", "/live/steady-out"};

  private:
    int quiet_ = 0;
};

using picture_list = std::vector<std::vector<rtp_bytes>>;

std::shared_ptr<const picture_list> few_pictures() {
    return std::make_shared<const picture_list>(by_picture(rtp_video(
        "x264enc tune=zerolatency key-int-max=5 ! video/x-h264,profile=constrained-baseline ! "
        "rtph264pay config-interval=-1",
        5,
        102,
        0x10203040
    )));
}

struct publishing {
    int connected = 0, removed = 0;
    std::vector<std::string> troubles;
};

// One after the other under four names; some take over from one who only vanished.
awaitable<publishing> publish_often(
    whole_gateway& gateway,
    std::string name,
    int times,
    bool politely,
    std::shared_ptr<const picture_list> pictures
) {
    publishing done;
    for (int i = 0; i < times; ++i) {
        const auto path = base + name + "-" + std::to_string(i % 4) + "/whip?pipeline=passthrough";
        const auto how = i % 2 == 0               ? leave::remove
                         : politely || i % 4 == 1 ? leave::say_goodbye
                                                  : leave::vanish;
        const auto sent = i % 5 == 0 ? pictures : nullptr;
        const auto seen = co_await gateway.visit(path, how, "", sent);
        done.connected += seen.connected;
        done.removed += seen.removed == 200;
        if (!seen.connected)
            done.troubles.push_back(std::to_string(seen.status) + " " + seen.trouble);
    }
    co_return done;
}

void publish_in_parallel(whole_gateway& gateway, int times, bool politely) {
    constexpr int publishers = 8;
    const auto pictures = few_pictures();
    std::vector<std::future<publishing>> all;
    for (int i = 0; i < publishers; ++i)
        all.push_back(gateway.start(publish_often(
            gateway, "pub" + std::to_string(i), times / publishers, politely, pictures
        )));
    publishing sum;
    for (auto& each : all) {
        const auto done = each.get();
        sum.connected += done.connected;
        sum.removed += done.removed;
        EXPECT_THAT(done.troubles, testing::IsEmpty());
    }
    EXPECT_EQ(sum.connected, times / publishers * publishers);
    EXPECT_GE(sum.removed, times / publishers / 2 * publishers);
}

} // namespace

TEST_F(strangers, that_connect_and_abort_leave_nothing_behind) {
    const auto watch = sdp_file("chromium_whep.sdp");
    const auto whep = base + "steady-out/whep";
    const auto request =
        request_with_body("POST", whep, watch, "Content-Type: application/sdp\r\n");
    // Returns sessions that end by themselves.
    const auto abort_offers = [&](int times, bool politely) {
        std::vector<std::string> left;
        for (int i = 0; i < times; ++i) {
            if (politely || i % 5 == 0) {
                const auto reply = gateway.offer(whep, watch);
                EXPECT_EQ(reply.status, 201) << reply.body;
                EXPECT_EQ(gateway.http("DELETE", path_of(reply["location"])).status, 200);
            } else if (i % 5 == 1) { // nobody connects
                const auto reply = gateway.offer(whep, watch);
                EXPECT_EQ(reply.status, 201) << reply.body;
                left.push_back(path_of(reply["location"]));
            } else if (i % 5 == 2) { // nobody hears the answer
                raw_client(gateway.ports.http).send(request).reset();
            } else if (i % 5 == 3) { // half an offer
                raw_client(gateway.ports.http).send(request.substr(0, request.size() / 2));
            } else { // watches, and is gone
                const auto seen =
                    gateway.start(gateway.visit(whep, leave::vanish, "", nullptr, 5)).get();
                EXPECT_TRUE(seen.connected) << seen.status << seen.trouble;
                left.push_back(path_of(seen.location));
            }
        }
        return left;
    };

    publish_in_parallel(gateway, 16, true); // what is made once is there from now on
    abort_offers(10, true);
    const auto before = settled();

    auto left = abort_offers(200, false);
    for (int i = 0; i < 20; ++i) { // publishers who never come
        const auto path = base + "never" + std::to_string(i) + "/whip";
        const auto reply = gateway.offer(path, sdp_file("obs_whip.sdp"));
        EXPECT_EQ(reply.status, 201) << reply.body;
        left.push_back(path_of(reply["location"]));
    }
    publish_in_parallel(gateway, 200, false);
    EXPECT_TRUE(eventually(
        [&] {
            return std::ranges::all_of(left, [&](const std::string& session) {
                return gateway.http("PATCH", session).status == 404;
            });
        },
        25'000ms
    ));
    expect_nothing_left(before);
    expect_every_place_free();
    expect_every_frame();
}

TEST_F(strangers, that_send_garbage_leave_nothing_behind) {
    stranger garbage(5);
    const auto visit_all = [&](int times) {
        garbage.offers(gateway, base + "steady-out/whep", sdp_file("chromium_whep.sdp"), times / 2);
        garbage.offers(gateway, base + "odd/whip", sdp_file("chromium_whip.sdp"), times / 2);
        garbage.datagrams(gateway.ports.srt, stranger::srt_like, times * 10);
        for (const auto port : gateway.ports.webrtc) {
            garbage.datagrams(port, stranger::webrtc_like, times * 10);
            garbage.connections(port, stranger::framed_like, times / 4);
        }
        garbage.connections(gateway.ports.https, stranger::tls_like, times);
        garbage.connections(gateway.ports.rtmps, stranger::tls_like, times);
        garbage.connections(gateway.ports.rtmp, stranger::rtmp_like, times);
        garbage.connections(gateway.ports.http, stranger::tls_like, times / 2);
        for (const auto port : {gateway.ports.https, gateway.ports.rtmps}) {
            tls_client inside(port, {.alpn = ""});
            ASSERT_TRUE(inside.connected());
            inside.send(garbage.bytes(3'000));
        }
        for (const std::string id :
             {"", "#!::", "#!::r=,m=publish", "\xff\xfe", "publish:", "publish:a b", "read:a b"}) {
            srt_wish wish;
            wish.stream_id = id;
            srt_caller caller(gateway.ports.srt, wish);
            EXPECT_FALSE(caller.connected()) << id;
            EXPECT_GE(caller.refusal(), 2'000) << id;
        }
    };
    visit_all(20);
    const auto before = settled();
    visit_all(200);
    expect_nothing_left(before);

    // Every door still opens.
    const auto published = gateway.start(gateway.visit(base + "after/whip", leave::remove)).get();
    EXPECT_TRUE(published.connected) << published.trouble;
    const auto watched =
        gateway.start(gateway.visit(base + "steady-out/whep", leave::remove, "", nullptr, 5)).get();
    EXPECT_GE(watched.packets_in, 5u) << watched.trouble;
    srt_wish wish;
    wish.stream_id = "read:steady-out";
    EXPECT_GT(srt_caller(gateway.ports.srt, wish).receive(2'000, 8s).size(), 1'999u);
    EXPECT_THAT(
        gateway.https(request_text("GET", "/healthz", "Connection: close\r\n")),
        StartsWith("HTTP/1.1 200 ")
    );
    tls_client rtmps(gateway.ports.rtmps, {.alpn = ""});
    rtmps.send("\x03" + std::string(1'536, 'x'));
    EXPECT_THAT(rtmps.read_until("xxxxxxxx"), StartsWith("\x03"));
    expect_every_frame();
}

} // namespace rivulet::test
