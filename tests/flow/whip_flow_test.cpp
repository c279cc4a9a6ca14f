// WHIP over real sockets: publishers with DTLS and SRTP on loopback, their media in sinks.
#include "media/h264.hpp"
#include "media/runtime.hpp"
#include "support/raw_http.hpp"
#include "support/sdp_samples.hpp"
#include "support/whip_rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;
using media::track_kind;
using testing::HasSubstr;

namespace {

const std::string h264_line =
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=2000 "
    "sliced-threads=false "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1";
const std::string vp8_line =
    "vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay picture-id-mode=15-bit";

constexpr std::uint32_t ssrc = 1234, audio_ssrc = 4321;

bool eventually(const std::function<bool()>& condition, duration limit = 10s) {
    for (auto until = steady_clock::now() + limit; steady_clock::now() < until;
         std::this_thread::sleep_for(5ms))
        if (condition())
            return true;
    return condition();
}

std::vector<client_media> video_only() {
    return {h264_media("sendonly")};
}

std::vector<client_media> video_and_audio() {
    return {opus_media("sendonly"), h264_media("sendonly")};
}

std::vector<rtp_bytes> h264_video(int pictures) {
    return rtp_video(h264_line, pictures, 102, ssrc);
}

} // namespace

TEST(whip_flow, video_and_sound_reach_the_live_side) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam", "?pipeline=noop&streamId=7"), video_and_audio()), 201);
    client.send(h264_video(90), rtp_opus(150, 111, audio_ssrc));
    auto record = rig.record("cam");
    ASSERT_TRUE(record);
    EXPECT_EQ(record->request.protocol, "whip");
    EXPECT_THAT(
        record->request.query,
        testing::ElementsAre(testing::Pair("pipeline", "noop"), testing::Pair("streamId", "7"))
    );
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) == 90; }));
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::audio) > 130; }));
    EXPECT_EQ(record->units_before_format, 0u);
    ASSERT_GE(record->formats.size(), 1u);
    EXPECT_EQ(record->formats[0].video->width, 320);
    EXPECT_EQ(record->formats[0].audio->type, media::codec::opus);
    const auto video = record->of(track_kind::video);
    EXPECT_TRUE(video[0].keyframe);
    for (std::size_t i = 0; i < video.size(); ++i)
        EXPECT_NEAR(double(video[i].pts), double(i) * 3'000, 1);
    const auto stats = rig.stats("cam");
    ASSERT_EQ(stats.size(), 1u);
    EXPECT_TRUE(stats[0].connected);
    EXPECT_FALSE(stats[0].transcoding);
    EXPECT_EQ(stats[0].media.pictures, 90u);
    EXPECT_EQ(stats[0].media.given_up, 0u);
}

TEST(live_conformance, s3_the_playback_url_names_the_session) {
    {
        whip_rig rig;
        whip_client client;
        ASSERT_EQ(client.publish(rig.url("my-cam"), video_only()), 201);
        const auto id = rig.record("my-cam")->request.request_id;
        EXPECT_EQ(id.size(), 8u);
        EXPECT_EQ(
            client.header("livepeer-playback-url"),
            "http://127.0.0.1:" + std::to_string(rig.port()) + "/live/video-to-video/my-cam-" + id +
                "-out/whep"
        );
        EXPECT_THAT(
            client.header("access-control-expose-headers"), HasSubstr("Livepeer-Playback-URL")
        );
        EXPECT_EQ(rig.record("my-cam")->request.whep_url, client.header("livepeer-playback-url"));
    }
    ingest::whip_options options;
    options.playback_prefix = "https://play.example/";
    whip_rig rig(options);
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    const auto id = rig.record("cam")->request.request_id;
    EXPECT_EQ(
        client.header("livepeer-playback-url"), "https://play.example/cam-" + id + "-out/whep"
    );
}

TEST(live_conformance, s16_a_refused_publisher_gets_no_answer) {
    whip_rig rig;
    rig.refuse(failure(errc::unauthorized, "this stream is not yours"));
    whip_client client;
    EXPECT_EQ(client.publish(rig.url("cam"), video_only()), 401);
    EXPECT_THAT(client.session().answer, HasSubstr("this stream is not yours"));
    EXPECT_EQ(client.publish(rig.url("cam"), video_only(), "wrong"), 403);
    EXPECT_EQ(rig.resources(), 0u);
    EXPECT_EQ(rig.network().stats().peers, 0u);
}

TEST(whip_flow, the_bearer_token_and_the_query_carry_the_key) {
    whip_rig rig;
    whip_client one, two;
    ASSERT_EQ(one.publish(rig.url("one"), video_only(), "s3cret"), 201);
    ASSERT_EQ(two.publish(rig.url("two", "?key=other"), video_only()), 201);
    EXPECT_EQ(rig.record("one")->request.key, "s3cret");
    EXPECT_EQ(rig.record("two")->request.key, "other");
}

TEST(live_conformance, s21_the_publisher_is_asked_for_a_keyframe_at_once_and_every_two_seconds) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(h264_video(140));
    ASSERT_TRUE(eventually([&] { return client.keyframes_asked >= 1; }, 1s));
    std::this_thread::sleep_for(4300ms);
    EXPECT_GE(client.keyframes_asked, 3);
    EXPECT_LE(client.keyframes_asked, 6);
}

TEST(whip_flow, the_live_side_can_ask_for_a_keyframe) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(h264_video(90));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) > 25; }));
    const int before = client.keyframes_asked;
    rig.on_shard_of("cam", [&] { record->ask_keyframe(); });
    EXPECT_TRUE(eventually([&] { return client.keyframes_asked > before; }, 400ms));
}

TEST(live_conformance, s22_silent_audio_delays_the_start_by_half_a_second_at_most) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_and_audio()), 201);
    auto record = rig.record("cam");
    client.send(h264_video(60));
    const auto begin = steady_clock::now();
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) > 0; }));
    const auto waited = steady_clock::now() - begin;
    EXPECT_GT(waited, 450ms);
    EXPECT_LT(waited, 750ms);
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) == 60; }));
    EXPECT_EQ(record->of(track_kind::video)[0].pts, 0) << "nothing of the wait is lost";
    EXPECT_FALSE(record->formats[0].audio);
    // Sound that comes after all is taken up.
    client.send({}, rtp_opus(20, 111, audio_ssrc));
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::audio) > 10; }));
    EXPECT_TRUE(record->formats.back().audio);
}

TEST(live_conformance, s22_without_audio_in_the_offer_video_starts_at_once) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    auto record = rig.record("cam");
    client.send(h264_video(30));
    const auto begin = steady_clock::now();
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) > 0; }));
    EXPECT_LT(steady_clock::now() - begin, 300ms);
}

TEST(live_conformance, s22_sound_alone_is_refused_or_closed) {
    ingest::whip_options options;
    options.publisher.video_gather = 700ms;
    whip_rig rig(options);
    whip_client only_audio;
    EXPECT_THAT(
        only_audio.publish(rig.url("cam"), {opus_media("sendonly")}), testing::AnyOf(400, 406)
    );
    whip_client silent_video;
    ASSERT_EQ(silent_video.publish(rig.url("cam"), video_and_audio()), 201);
    silent_video.send({}, rtp_opus(100, 111, audio_ssrc));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return silent_video.ended(); }, 3s));
    EXPECT_THAT(record->ended, testing::ElementsAre(HasSubstr("no picture")));
    EXPECT_EQ(rig.resources(), 0u);
    EXPECT_EQ(silent_video.remove(), 404);
}

TEST(live_conformance, s24_video_times_begin_near_zero) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(h264_video(20)); // its RTP clock begins near the wrap
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) == 20; }));
    const auto video = record->of(track_kind::video);
    EXPECT_EQ(video.front().pts, 0);
    for (std::size_t i = 1; i < video.size(); ++i)
        EXPECT_GT(video[i].pts, video[i - 1].pts);
}

TEST(live_conformance, s19_nothing_before_the_first_keyframe_and_parameter_sets_in_front_of_it) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    auto packets = h264_video(40);
    auto pictures = by_picture(packets);
    std::vector<rtp_bytes> late; // as if the beginning had been lost
    for (std::size_t i = 5; i < pictures.size(); ++i)
        late.insert(late.end(), pictures[i].begin(), pictures[i].end());
    client.send(late);
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) == 25; }));
    const auto first = record->of(track_kind::video).front();
    EXPECT_TRUE(first.keyframe);
    const auto sets = media::h264::find_parameter_sets(first.data.view());
    EXPECT_FALSE(sets.sps.empty());
    EXPECT_FALSE(sets.pps.empty());
}

TEST(whip_flow, vp8_is_transcoded_to_h264) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), {vp8_media("sendonly")}), 201);
    client.send(rtp_video(vp8_line, 75, 96, ssrc));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) >= 75; }));
    ASSERT_GE(record->formats.size(), 1u);
    EXPECT_EQ(record->formats[0].video->type, media::codec::h264);
    EXPECT_EQ(record->formats[0].video->width, 320);
    const auto video = record->of(track_kind::video);
    for (std::size_t i = 0; i < video.size(); ++i)
        EXPECT_NEAR(double(video[i].pts), double(i) * 3'000, 2);
    EXPECT_TRUE(video[0].keyframe);
    EXPECT_TRUE(video[60].keyframe) << "every two seconds";
    const auto stats = rig.stats("cam");
    EXPECT_TRUE(stats.at(0).transcoding);
    EXPECT_GT(stats.at(0).transcoder.cpu_seconds, 0);
}

TEST(whip_flow, video_that_nobody_can_decode_ends_the_session) {
    ingest::whip_options options;
    options.publisher.video_gather = 700ms;
    whip_rig rig(options);
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), {opus_media("sendonly"), vp8_media("sendonly")}), 201);
    auto video = rtp_video(vp8_line, 30, 96, ssrc);
    for (auto& packet : video)
        for (std::size_t i = 12; i + 3 <= packet.size(); ++i)
            if (packet[i] == 0x9d && packet[i + 1] == 0x01 && packet[i + 2] == 0x2a)
                packet[i] = 0; // a keyframe's start code
    client.send(video, rtp_opus(100, 111, audio_ssrc));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return client.ended(); }, 4s));
    EXPECT_THAT(record->ended, testing::ElementsAre(HasSubstr("no picture of it")));
    EXPECT_EQ(rig.resources(), 0u);
}

TEST(whip_flow, without_transcoding_vp8_is_not_taken) {
    ingest::whip_options options;
    options.publisher.transcode = false;
    whip_rig rig(options);
    whip_client client;
    EXPECT_EQ(client.publish(rig.url("cam"), {vp8_media("sendonly")}), 406);
    EXPECT_TRUE(rig.records().empty()) << "refused before anybody was asked";
}

TEST(whip_flow, three_percent_of_loss_costs_less_than_five_percent_of_the_pictures) {
    whip_rig rig;
    webrtc_client_options options;
    options.lose_out = 0.03;
    whip_client client(options);
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(rtp_video(h264_line, 240, 102, ssrc, 640, 480));
    auto record = rig.record("cam");
    std::this_thread::sleep_for(8s);
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) >= 229; }, 3s))
        << record->count(track_kind::video);
    const auto stats = rig.stats("cam").at(0);
    EXPECT_GT(stats.media.lost, 0u);
    EXPECT_GT(stats.media.recovered, 0u);
    EXPECT_GT(client.nacked, 0);
}

TEST(whip_flow, delete_ends_the_session_and_frees_everything) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(h264_video(60));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) > 5; }));
    EXPECT_EQ(client.remove(), 200);
    ASSERT_TRUE(eventually([&] { return client.ended(); }, 2s)) << "close_notify";
    EXPECT_EQ(record->ended.size(), 1u);
    EXPECT_EQ(client.remove(), 404);
    EXPECT_EQ(rig.door().sessions(), 0u);
    EXPECT_TRUE(eventually([&] { return rig.network().stats().peers == 0; }));
}

TEST(whip_flow, a_kicked_publisher_is_cut) {
    whip_rig rig;
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(h264_video(60));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) > 5; }));
    rig.on_shard_of("cam", [&] { record->kick(ingest::kick_cause::replaced, "another one came"); });
    EXPECT_TRUE(eventually([&] { return client.ended(); }, 2s));
    EXPECT_THAT(record->ended, testing::ElementsAre("another one came"));
    EXPECT_EQ(rig.resources(), 0u);
}

TEST(whip_flow, the_live_side_may_end_it_while_it_takes_a_picture) {
    whip_rig rig;
    for (const auto& media : {h264_media("sendonly"), vp8_media("sendonly")}) {
        const bool vp8 = media.codecs.at(0).payload_type == 96;
        const std::string name = vp8 ? "vp8" : "h264";
        whip_client client;
        ASSERT_EQ(client.publish(rig.url(name), {media}), 201);
        auto record = rig.record(name);
        record->kick_at = 7;
        client.send(vp8 ? rtp_video(vp8_line, 40, 96, ssrc) : h264_video(40));
        EXPECT_TRUE(eventually([&] { return client.ended(); }, 5s));
        std::lock_guard lock(record->mutex);
        EXPECT_EQ(record->units.size(), 7u);
        EXPECT_THAT(record->ended, testing::ElementsAre("enough"));
    }
    EXPECT_EQ(rig.resources(), 0u);
}

TEST(whip_flow, a_publisher_that_vanishes_ends_after_the_silence_limit) {
    auto network = whip_rig::loopback();
    network.silence_limit = 1s;
    whip_rig rig({}, network);
    whip_client client;
    ASSERT_EQ(client.publish(rig.url("cam"), video_only()), 201);
    client.send(h264_video(10));
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] { return record->count(track_kind::video) > 5; }));
    client.vanish();
    ASSERT_TRUE(eventually([&] {
        std::lock_guard lock(record->mutex);
        return record->ended.size() == 1;
    }));
    EXPECT_TRUE(eventually([&] { return rig.resources() == 0 && rig.door().sessions() == 0; }));
}

TEST(whip_flow, one_that_never_connects_ends_after_the_connect_limit) {
    auto network = whip_rig::loopback();
    network.connect_limit = 500ms;
    whip_rig rig({}, network);
    const auto offer = sdp_sample("chromium_whip");
    const auto reply =
        ask(rig.port(),
            request_with_body("POST", rig.path("cam"), offer, "Content-Type: application/sdp\r\n"));
    ASSERT_EQ(reply.status, 201) << reply.body;
    auto record = rig.record("cam");
    ASSERT_TRUE(eventually([&] {
        std::lock_guard lock(record->mutex);
        return record->ended.size() == 1;
    }));
    EXPECT_TRUE(eventually([&] { return rig.resources() == 0; }));
}

TEST(whip_flow, two_hundred_sessions_come_and_go_without_a_trace) {
    whip_rig rig;
    for (int i = 0; i < 200; ++i) {
        whip_client client;
        ASSERT_EQ(client.publish(rig.url("cam" + std::to_string(i % 7)), video_only()), 201) << i;
        if (i % 3 == 0) {
            EXPECT_EQ(client.remove(), 200);
        } else if (i % 3 == 1) {
            client.vanish();
            EXPECT_EQ(client.remove(), 200);
        }
    }
    for (auto& record : rig.records())
        if (record->ended.empty() && record->kick)
            rig.on_shard_of(record->request.stream, [&] {
                record->kick(ingest::kick_cause::stopped, "stopped");
            });
    EXPECT_TRUE(eventually([&] {
        return rig.door().sessions() == 0 && rig.resources() == 0 &&
               rig.network().stats().peers == 0;
    }));
    EXPECT_EQ(media::tear_downs_pending(), 0u);
}
