// WHEP over real sockets: offers of real browsers, DTLS and SRTP on loopback, channels with real
// media.
#include "support/trickle_rig.hpp"
#include "support/whep_rig.hpp"
#include "support/whep_viewer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;

namespace {

clip moving_bar(int frames = 90, int b_frames = 0, bool audio = true) {
    clip_options options;
    options.frames = frames;
    options.b_frames = b_frames;
    options.audio = audio;
    return make_clip(options);
}

// Larger pictures, many packets each.
clip large_bar(int frames) {
    clip_options options;
    options.frames = frames;
    options.width = 1280;
    options.height = 720;
    options.audio = false;
    return make_clip(options);
}

std::set<std::uint32_t> wrapped(const std::set<std::int64_t>& pts) {
    std::set<std::uint32_t> out;
    for (auto one : pts)
        out.insert(static_cast<std::uint32_t>(one));
    return out;
}

} // namespace

TEST(live_conformance, s48_whep_plays_a_stream_without_any_rtmp) {
    whep_rig rig;
    rig.publish("cam-out", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam-out"));
    ASSERT_TRUE(viewer.accepted()) << viewer.reply().body;
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_frames().size() > 45; }));
    const auto frames = viewer.video_frames();
    EXPECT_TRUE(frames.front().keyframe);
    const auto seen = viewer.decode();
    EXPECT_GE(seen.pictures, 45);
    EXPECT_EQ(seen.errors, 0);
    EXPECT_EQ(seen.width, 160);
    EXPECT_TRUE(viewer.run_until([&] { return viewer.audio().packets.size() > 20; }));
}

TEST(live_conformance, s46_rtp_times_are_the_channels_pts) {
    whep_rig rig;
    const auto media = moving_bar();
    const auto pts = wrapped(media.video_pts);
    rig.publish("cam", media);
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] {
        return viewer.video_frames().size() > 20 && viewer.audio().packets.size() > 10;
    }));
    for (const auto& frame : viewer.video_frames())
        EXPECT_TRUE(pts.contains(frame.timestamp)) << frame.timestamp;
    // 48 kHz: 20 ms are 960; and the same instant as the video's within the encoder's delay.
    const auto& packets = viewer.audio().packets;
    for (auto at = std::next(packets.begin()); at != packets.end(); ++at)
        EXPECT_EQ(at->second.timestamp - std::prev(at)->second.timestamp, 960u);
    EXPECT_NEAR(
        packets.rbegin()->second.timestamp / 48'000.0,
        viewer.video_frames().back().timestamp / 90'000.0,
        0.15
    );
}

TEST(whep_flow, sender_reports_put_both_tracks_on_one_clock) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] {
        return viewer.video().reports.size() >= 3 && viewer.audio().reports.size() >= 2;
    }));
    auto media_second = [](const received_report& report, double clock) {
        return report.rtp / clock - report.ntp / 4294967296.0;
    };
    // Lip sync within 40 ms, over every pair of reports.
    for (const auto& video : viewer.video().reports)
        for (const auto& audio : viewer.audio().reports)
            EXPECT_NEAR(media_second(video, 90'000), media_second(audio, 48'000), 0.04);
}

TEST(whep_flow, a_viewer_of_a_running_stream_has_a_picture_at_once) {
    whep_rig rig;
    rig.publish("cam", moving_bar(120));
    whep_viewer first(rig.port(), rig.path("cam"));
    ASSERT_TRUE(first.run_until([&] { return first.video_frames().size() > 50; }));
    whep_viewer second(rig.port(), rig.path("cam"));
    ASSERT_TRUE(second.run_until([&] { return !second.video_frames().empty(); }));
    EXPECT_LT(second.video_frames().front().completed - second.begun(), 300ms);
    // And it is at the live edge soon: both see the same pictures.
    auto newest = [](const whep_viewer& viewer) { return viewer.video_frames().back().timestamp; };
    EXPECT_TRUE(second.run_until([&] {
        first.step(0ms);
        return newest(second) == newest(first);
    }));
    // Keyframes say how long they may be delayed.
    EXPECT_TRUE(second.video().packets.begin()->second.extension);
    second.peer().close();
}

TEST(whep_flow, one_packetisation_serves_every_viewer) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    std::vector<std::unique_ptr<whep_viewer>> viewers;
    for (int i = 0; i < 5; ++i)
        viewers.push_back(std::make_unique<whep_viewer>(rig.port(), rig.path("cam")));
    const auto until = steady_clock::now() + 2s;
    while (steady_clock::now() < until)
        for (const auto& viewer : viewers)
            viewer->step(1ms);
    const auto stats = rig.stats("cam");
    EXPECT_EQ(stats.viewers.size(), 5u);
    std::size_t sent = 0;
    for (const auto& viewer : stats.viewers) {
        EXPECT_TRUE(viewer.transport.connected);
        sent += viewer.media.packets;
    }
    EXPECT_GT(sent, 3 * stats.feed.packets);
    for (const auto& viewer : viewers)
        EXPECT_EQ(viewer->decode().errors, 0);
}

TEST(whep_flow, lost_packets_are_repaired_by_rtx) {
    whep_rig rig;
    rig.publish("cam", large_bar(150));
    viewer_options options;
    options.loss = 0.03;
    whep_viewer viewer(rig.port(), rig.path("cam"), options);
    viewer.run_for(4000ms);
    EXPECT_GT(viewer.video().resent, 0u);
    EXPECT_GT(viewer.video().rtx_payload_type, 0);
    const auto& packets = viewer.video().packets;
    const auto all = packets.rbegin()->first - packets.begin()->first + 1;
    EXPECT_GT(all, 200u);
    // At least 95 of 100 frames decode, and the delay does not grow.
    std::set<std::uint32_t> times;
    for (const auto& [sequence, packet] : packets)
        times.insert(packet.timestamp);
    EXPECT_GE(viewer.decode().pictures, static_cast<int>(times.size() * 95 / 100));
    EXPECT_GT(times.size(), 100u);
    const auto frames = viewer.video_frames();
    auto delay = [&](const received_frame& frame) {
        return std::chrono::duration<double>(frame.completed - viewer.begun()).count() -
               frame.timestamp / 90'000.0;
    };
    double lowest = delay(frames[frames.size() / 2]), late = 0;
    for (std::size_t i = frames.size() / 2; i < frames.size(); ++i)
        lowest = std::min(lowest, delay(frames[i]));
    for (std::size_t i = frames.size() - 10; i < frames.size(); ++i)
        late = std::max(late, delay(frames[i]) - lowest);
    EXPECT_LT(late, 0.4);
    const auto stats = rig.stats("cam").viewers.at(0).media;
    EXPECT_GT(stats.resent, 0u);
}

TEST(whep_flow, lost_packets_are_repaired_without_rtx) {
    whep_rig rig;
    rig.publish("cam", large_bar(90));
    viewer_options options;
    options.loss = 0.03;
    options.rtx = false;
    whep_viewer viewer(rig.port(), rig.path("cam"), options);
    EXPECT_EQ(viewer.video().rtx_payload_type, -1);
    viewer.run_for(2000ms);
    EXPECT_EQ(viewer.video().resent, 0u);
    EXPECT_GT(rig.stats("cam").viewers.at(0).media.resent, 0u);
    std::set<std::uint32_t> times;
    for (const auto& [sequence, packet] : viewer.video().packets)
        times.insert(packet.timestamp);
    EXPECT_GE(viewer.decode().pictures, static_cast<int>(times.size() * 95 / 100));
}

TEST(whep_flow, a_viewers_keyframe_request_reaches_the_source_and_disturbs_nobody) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    whep_viewer asking(rig.port(), rig.path("cam")), other(rig.port(), rig.path("cam"));
    ASSERT_TRUE(asking.run_until([&] {
        other.step(0ms);
        return asking.video_packets() > 10 && other.video_packets() > 10;
    }));
    for (int i = 0; i < 20; ++i)
        asking.request_keyframe();
    EXPECT_TRUE(eventually([&] { return rig.keyframe_requests()["cam"] > 0; }));
    EXPECT_EQ(rig.keyframe_requests()["cam"], 1); // not one for each
    other.run_for(500ms);
    EXPECT_TRUE(other.video().missing.empty());
    EXPECT_EQ(other.video().twice, 0u);
}

TEST(whep_flow, reports_of_a_viewer_are_in_the_stats) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video().reports.size() > 1; }));
    viewer.report(64);
    EXPECT_TRUE(eventually([&] { return rig.stats("cam").viewers.at(0).media.loss_percent > 20; }));
    const auto stats = rig.stats("cam").viewers.at(0);
    EXPECT_DOUBLE_EQ(stats.media.loss_percent, 25);
    EXPECT_LT(stats.media.round_trip_ms, 2000);
    EXPECT_GT(stats.transport.bytes_out, stats.media.bytes);
}

TEST(whep_flow, b_frames_are_transcoded_once_for_all_viewers) {
    whep_rig rig;
    rig.publish("cam", moving_bar(150, 2));
    whep_viewer first(rig.port(), rig.path("cam"));
    ASSERT_TRUE(first.accepted() || first.reply().status == 503) << first.reply().status;
    if (!first.accepted())
        GTEST_SKIP() << "no transcoder here: " << first.reply().body;
    whep_viewer second(rig.port(), rig.path("cam"));
    ASSERT_TRUE(first.run_until([&] {
        second.step(0ms);
        return first.video_frames().size() > 30 && second.video_frames().size() > 30;
    }));
    EXPECT_TRUE(rig.stats("cam").feed.transcoding);
    for (const auto* viewer : {&first, &second}) {
        const auto frames = viewer->video_frames();
        for (std::size_t i = 1; i < frames.size(); ++i)
            EXPECT_GT(static_cast<std::int32_t>(frames[i].timestamp - frames[i - 1].timestamp), 0);
        EXPECT_EQ(viewer->decode().errors, 0);
    }
}

// Browsers begin with an IDR only.
TEST(whep_flow, a_stream_of_recovery_points_is_transcoded) {
    whep_rig rig;
    auto media = make_clip({.frames = 150, .intra_refresh = true});
    media.segments.erase(media.segments.begin());
    rig.publish("cam", std::move(media));
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.accepted() || viewer.reply().status == 503) << viewer.reply().status;
    if (!viewer.accepted())
        GTEST_SKIP() << "no transcoder here: " << viewer.reply().body;
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_frames().size() > 30; }));
    EXPECT_TRUE(rig.stats("cam").feed.transcoding);
    EXPECT_EQ(viewer.decode().errors, 0);
}

TEST(live_conformance, s45_one_viewer_too_many_is_refused_with_429_and_slots_come_back) {
    auto options = whep_rig::quick();
    options.sessions_per_stream = 2;
    whep_rig rig(options);
    rig.publish("cam-out", moving_bar());
    {
        whep_viewer first(rig.port(), rig.path("cam-out"));
        whep_viewer second(rig.port(), rig.path("cam-1a2b3c4d-out"));
        ASSERT_TRUE(first.accepted());
        ASSERT_TRUE(second.accepted());
        whep_viewer third(rig.port(), rig.path("cam-out"));
        EXPECT_EQ(third.reply().status, 429);
        EXPECT_EQ(first.remove().status, 200);
        whep_viewer fourth(rig.port(), rig.path("cam-out"));
        EXPECT_TRUE(fourth.accepted());
        EXPECT_EQ(fourth.remove().status, 200);
        EXPECT_EQ(second.remove().status, 200);
    }
    // Failures of every kind give theirs back too (the reference locked the name for ever).
    for (int i = 0; i < 5; ++i) {
        whep_viewer nothing_there(rig.port(), rig.path("other"));
        EXPECT_EQ(nothing_there.reply().status, 404);
    }
    rig.create("silent");
    for (int i = 0; i < 3; ++i) {
        whep_viewer no_picture(rig.port(), rig.path("silent"));
        EXPECT_EQ(no_picture.reply().status, 503);
    }
    whep_viewer again(rig.port(), rig.path("cam-out"));
    EXPECT_TRUE(again.accepted());
    EXPECT_EQ(rig.door().sessions(), 1u);
}

TEST(whep_flow, a_name_with_hyphens_is_a_name) {
    whep_rig rig;
    rig.publish("my-own-stream-out", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("my-own-stream-1a2b3c4d-out"));
    ASSERT_TRUE(viewer.accepted()) << viewer.reply().body;
    EXPECT_TRUE(viewer.run_until([&] { return viewer.video_packets() > 10; }));
}

TEST(whep_flow, a_stream_that_comes_within_the_wait_is_watched) {
    auto options = whep_rig::quick();
    options.wait = 5s;
    whep_rig rig(options);
    std::thread later([&] {
        std::this_thread::sleep_for(300ms);
        rig.publish("cam", moving_bar());
    });
    whep_viewer viewer(rig.port(), rig.path("cam"));
    later.join();
    ASSERT_TRUE(viewer.accepted()) << viewer.reply().body;
    EXPECT_TRUE(viewer.run_until([&] { return viewer.video_packets() > 10; }));
}

TEST(whep_flow, the_key_is_asked_before_anything_is_told) {
    whep_rig rig;
    rig.require_key("secret");
    rig.publish("cam", moving_bar());
    EXPECT_EQ(whep_viewer(rig.port(), rig.path("cam")).reply().status, 401);
    EXPECT_EQ(whep_viewer(rig.port(), rig.path("no-such")).reply().status, 401);
    viewer_options options;
    options.headers = "Authorization: Bearer wrong\r\n";
    EXPECT_EQ(whep_viewer(rig.port(), rig.path("cam"), options).reply().status, 403);
    options.headers = "Authorization: Bearer secret\r\n";
    EXPECT_TRUE(whep_viewer(rig.port(), rig.path("cam"), options).accepted());
    EXPECT_TRUE(whep_viewer(rig.port(), rig.path("cam") + "?key=secret").accepted());
}

TEST(whep_flow, delete_ends_the_session_and_frees_everything) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_packets() > 10; }));
    EXPECT_EQ(viewer.remove().status, 200);
    EXPECT_TRUE(viewer.run_until([&] { return viewer.gone(); }));
    EXPECT_TRUE(viewer.video().bye);
    EXPECT_EQ(viewer.remove().status, 404);
    EXPECT_EQ(rig.door().sessions(), 0u);
    EXPECT_EQ(rig.network().stats().peers, 0u);
    EXPECT_EQ(rig.resources(), 0u);
    EXPECT_FALSE(rig.at_home("cam", [&] { return rig.door().stats("cam").has_value(); }));
}

TEST(whep_flow, a_player_that_leaves_without_a_word_to_http_is_forgotten) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_packets() > 10; }));
    viewer.peer().close();
    viewer.run_for(50ms);
    EXPECT_TRUE(eventually([&] { return rig.door().sessions() == 0; }));
    EXPECT_TRUE(eventually([&] { return rig.resources() == 0; }));
    EXPECT_EQ(viewer.remove().status, 404);
    EXPECT_EQ(rig.left().size(), 1u);
}

TEST(whep_flow, offers_that_nobody_follows_up_are_forgotten) {
    auto network = whep_rig::loopback();
    network.connect_limit = 300ms;
    whep_rig rig(whep_rig::quick(), network);
    rig.publish("cam", moving_bar(60, 0, false));
    for (int i = 0; i < 200; ++i) {
        whep_viewer viewer(rig.port(), rig.path("cam"));
        ASSERT_TRUE(viewer.accepted()) << viewer.reply().body;
    }
    EXPECT_TRUE(eventually([&] { return rig.door().sessions() == 0; }));
    EXPECT_EQ(rig.network().stats().peers, 0u);
    EXPECT_TRUE(eventually([&] { return rig.resources() == 0; }));
}

TEST(whep_flow, viewers_stay_when_the_publisher_comes_back) {
    auto options = whep_rig::quick();
    options.feed.return_limit = 5s;
    whep_rig rig(options);
    rig.publish("cam", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_frames().size() > 20; }));
    rig.end("cam");
    viewer.run_for(500ms);
    const auto before = viewer.video_frames().size();
    rig.publish("cam", moving_bar());
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_frames().size() > before + 30; }));
    // One clock: no step back, no gap in the numbers.
    const auto frames = viewer.video_frames();
    for (std::size_t i = 1; i < frames.size(); ++i)
        EXPECT_GT(static_cast<std::int32_t>(frames[i].timestamp - frames[i - 1].timestamp), 0);
    EXPECT_TRUE(viewer.video().missing.empty());
}

TEST(whep_flow, viewers_are_told_when_the_stream_is_over) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    whep_viewer viewer(rig.port(), rig.path("cam"));
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_packets() > 10; }));
    rig.end("cam");
    EXPECT_TRUE(viewer.run_until([&] { return viewer.gone(); }));
    EXPECT_TRUE(viewer.video().bye);
    EXPECT_TRUE(eventually([&] { return rig.resources() == 0; }));
    EXPECT_THAT(rig.left(), testing::ElementsAre("cam: the stream ended"));
}

TEST(whep_flow, offers_of_every_client_are_answered) {
    whep_rig rig;
    rig.publish("cam", moving_bar());
    for (const char* client :
         {"chromium_whep",
          "firefox_whep",
          "safari_whep",
          "aiortc_whep",
          "gstreamer_whep",
          "pion_whep"}) {
        viewer_options options;
        options.offer = client;
        whep_viewer viewer(rig.port(), rig.path("cam"), options);
        ASSERT_TRUE(viewer.accepted()) << client << ": " << viewer.reply().body;
        EXPECT_TRUE(viewer.run_until([&] { return viewer.video_frames().size() > 5; })) << client;
    }
}

TEST(whep_flow, a_stop_in_the_middle_frees_everything) {
    auto rig = std::make_unique<whep_rig>();
    rig->publish("cam", moving_bar());
    whep_viewer viewer(rig->port(), rig->path("cam"));
    ASSERT_TRUE(viewer.run_until([&] { return viewer.video_packets() > 10; }));
    rig.reset();
    EXPECT_TRUE(viewer.run_until([&] { return viewer.gone(); }));
}
