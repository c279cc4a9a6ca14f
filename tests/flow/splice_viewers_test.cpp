// Viewers of an output whose orchestrator is replaced twice: they stay, their clock rises, and
// every picture can be decoded.
#include "support/program.hpp"
#include "support/rtmp_client.hpp"
#include "support/scratch.hpp"
#include "support/splice_show.hpp"
#include "support/srt_caller.hpp"
#include "support/srt_rig.hpp"
#include "support/ts_decode.hpp"
#include "support/whep_rig.hpp"
#include "support/whep_viewer.hpp"

#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <mutex>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;
using live::swap_filler;

namespace {

class splice_viewers : public testing::TestWithParam<swap_filler> {};

std::string name_of(const testing::TestParamInfo<swap_filler>& info) {
    return info.param == swap_filler::freeze   ? "freeze"
           : info.param == swap_filler::source ? "source"
                                               : "none";
}

INSTANTIATE_TEST_SUITE_P(
    each,
    splice_viewers,
    testing::Values(swap_filler::freeze, swap_filler::source, swap_filler::none),
    name_of
);

TEST_P(splice_viewers, of_whep_stay) {
    whep_rig rig;
    rig.create("cam-out");
    const auto channel = rig.channel("cam-out");
    std::unique_ptr<splice_show> show;
    whep_viewer viewer(rig.port(), rig.path("cam-out"));
    ASSERT_FALSE(viewer.accepted()); // nothing to see yet
    show = std::make_unique<splice_show>(rig.home("cam-out"), channel, GetParam());
    whep_viewer watching(rig.port(), rig.path("cam-out"));
    ASSERT_TRUE(watching.accepted()) << watching.reply().body;
    ASSERT_TRUE(watching.run_until([&] { return show->over(); }, 15'000ms));
    watching.run_for(600ms);

    EXPECT_FALSE(watching.gone());
    EXPECT_TRUE(rig.left().empty());
    const auto frames = watching.video_frames();
    ASSERT_GT(frames.size(), 150u);
    for (std::size_t i = 1; i < frames.size(); ++i)
        EXPECT_GT(std::int32_t(frames[i].timestamp - frames[i - 1].timestamp), 0) << "frame " << i;
    EXPECT_NEAR(double(frames.back().timestamp), double(show->last_pts()), 15'000);
    const auto seen = watching.decode();
    EXPECT_EQ(seen.errors, 0);
    EXPECT_EQ(seen.width, 192);
    EXPECT_GE(seen.pictures + 3, int(frames.size()));

    // The sound: no gap in the numbers, and time only rises.
    const auto& sound = watching.audio().packets;
    ASSERT_GT(sound.size(), 150u);
    for (auto at = std::next(sound.begin()); at != sound.end(); ++at) {
        EXPECT_EQ(at->first, std::prev(at)->first + 1);
        EXPECT_GT(std::int32_t(at->second.timestamp - std::prev(at)->second.timestamp), 0);
    }
    EXPECT_EQ(show->counters().left_out > 0, true);
}

// What an RTMP player hears, put together again.
struct heard {
    std::mutex lock;
    std::vector<media::flv_tag> tags;
};

TEST_P(splice_viewers, of_rtmp_stay) {
    rtmp_rig rig;
    auto channel = std::make_shared<std::promise<trickle::channel_ptr>>();
    asio::post(rig.all_shards().of("cam-out"), [&] {
        channel->set_value(rig.channels().create("cam-out", "video/mp2t").value());
    });
    auto show = std::make_unique<splice_show>(
        rig.all_shards().of("cam-out").get_executor(), channel->get_future().get(), GetParam()
    );
    auto into = std::make_shared<heard>();
    auto on_tag = [into](const rtmp_played& played) {
        std::lock_guard hold(into->lock);
        into->tags.push_back(played.tag);
        return true;
    };
    auto player = asio::co_spawn(
        rig.executor(), rtmp_play(rig.url("live/cam-out"), on_tag), asio::use_future
    );
    const auto give_up = steady_clock::now() + 15s;
    while (!show->over() && steady_clock::now() < give_up)
        std::this_thread::sleep_for(20ms);
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(player.wait_for(0s), std::future_status::timeout) << "the player was cut";
    EXPECT_EQ(rig.play_stats().served, 1u);
    EXPECT_EQ(rig.play_stats().dropped_units, 0u);

    std::lock_guard hold(into->lock);
    std::int64_t newest[2] = {-1, -1};
    std::size_t frames = 0, configs = 0, sounds = 0, sound_configs = 0;
    std::vector<std::uint8_t> ts;
    media::ts_muxer muxer;
    std::optional<media::h264::avcc_record> record;
    for (const auto& tag : into->tags) {
        if (tag.type == media::flv_tag_type::video) {
            const auto header = media::parse_flv_video(tag.body.view()).value();
            const auto body = tag.body.view().subspan(header.header_bytes);
            if (header.packet == media::flv_packet::sequence_header) {
                record = media::h264::parse_avcc_record(body);
                ASSERT_TRUE(record);
                ++configs;
                continue;
            }
            ASSERT_TRUE(record) << "a picture before its parameters";
            EXPECT_GE(tag.timestamp, newest[0]);
            newest[0] = tag.timestamp;
            ++frames;
            media::access_unit unit;
            unit.dts = tag.timestamp * 90;
            unit.pts = unit.dts + header.composition_time * 90;
            unit.keyframe = header.keyframe;
            std::vector<std::uint8_t> data;
            if (header.keyframe)
                for (const auto& set : {record->sps.at(0), record->pps.at(0)}) {
                    data.insert(data.end(), {0, 0, 0, 1});
                    data.insert(data.end(), set.begin(), set.end());
                }
            const auto coded = media::h264::to_annexb(body).value();
            data.insert(data.end(), coded.begin(), coded.end());
            unit.data = bytes::copy_of(data);
            if (frames == 1) {
                media::stream_format format;
                format.video = media::video_format{media::codec::h264, 160, 96, {}, {}};
                ASSERT_FALSE(muxer.set_format(format));
            }
            const auto packets = muxer.write(unit).value();
            ts.insert(ts.end(), packets.view().begin(), packets.view().end());
        } else if (tag.type == media::flv_tag_type::audio) {
            const auto header = media::parse_flv_audio(tag.body.view()).value();
            if (header.packet == media::flv_packet::sequence_header) {
                ++sound_configs;
                continue;
            }
            EXPECT_GT(sound_configs, 0u);
            EXPECT_GE(tag.timestamp, newest[1]);
            newest[1] = tag.timestamp;
            ++sounds;
        }
    }
    EXPECT_GT(frames, 200u);
    EXPECT_GE(configs, 3u);
    EXPECT_GE(sound_configs, 2u);
    EXPECT_GT(sounds, 150u);
    EXPECT_NEAR(double(newest[0]), double(show->last_pts()) / 90, 200);
    const auto seen = look_at(ts);
    EXPECT_EQ(seen.errors, 0);
    EXPECT_EQ(seen.pictures.size(), frames);
    EXPECT_EQ(seen.pictures.back().width, 192);
}

TEST_P(splice_viewers, of_srt_stay) {
    srt_rig rig;
    auto& behind = rig.behind;
    std::promise<trickle::channel_ptr> channel;
    asio::post(behind.all_shards().of("cam-out"), [&] {
        channel.set_value(behind.channels().create("cam-out", "video/mp2t").value());
    });
    splice_show show(
        behind.all_shards().of("cam-out").get_executor(), channel.get_future().get(), GetParam()
    );
    srt_wish wish;
    wish.stream_id = "read:cam-out";
    srt_caller caller(rig.port, wish);
    ASSERT_TRUE(caller.connected());
    std::vector<std::uint8_t> got;
    while (!show.over()) {
        const auto more = caller.receive(std::size_t{1} << 20, 200ms);
        got.insert(got.end(), more.begin(), more.end());
    }
    const auto more = caller.receive(std::size_t{1} << 20, 500ms);
    got.insert(got.end(), more.begin(), more.end());
    EXPECT_FALSE(caller.closed_within(0ms));
    // A stranger's demultiplexer and decoder.
    const auto seen = look_at(got);
    EXPECT_EQ(seen.errors, 0);
    ASSERT_GT(seen.pictures.size(), 200u);
    for (std::size_t i = 1; i < seen.pictures.size(); ++i)
        EXPECT_GT(seen.pictures[i].pts, seen.pictures[i - 1].pts) << i;
    EXPECT_EQ(seen.pictures.back().width, 192);
    EXPECT_EQ(seen.pictures.back().pts, show.last_pts());
}

// Its complaints, and how many pictures it has shown.
struct said {
    int exit = -1, frames = 0;
    std::string text;
};

said read_log(int exit, const std::string& path) {
    said out;
    out.exit = exit;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("frame="))
            out.frames = std::stoi(line.substr(6));
        else if (line.find("rror") != std::string::npos && line.find("Input/output error") == std::string::npos) // how SRT ends
            out.text += line + '\n';
    return out;
}

TEST(splice_real_players, ffmpeg_plays_over_every_change) {
    srt_rig rig;
    auto& behind = rig.behind;
    std::promise<trickle::channel_ptr> channel;
    asio::post(behind.all_shards().of("cam-out"), [&] {
        channel.set_value(behind.channels().create("cam-out", "video/mp2t").value());
    });
    splice_show show(
        behind.all_shards().of("cam-out").get_executor(),
        channel.get_future().get(),
        swap_filler::freeze
    );
    const scratch where;
    const auto play = [&](const std::string& url, const std::string& log) {
        return std::make_unique<program>(
            std::vector<std::string>{
                "ffmpeg",
                "-nostdin",
                "-v",
                "warning",
                "-progress",
                "pipe:1",
                "-i",
                url,
                "-map",
                "0:v",
                "-fps_mode",
                "passthrough",
                "-f",
                "null",
                "-"},
            where / log
        );
    };
    const auto rtmp = play(behind.url("live/cam-out"), "rtmp");
    const auto srt =
        play("srt://127.0.0.1:" + std::to_string(rig.port) + "?streamid=read:cam-out", "srt");
    while (!show.over())
        std::this_thread::sleep_for(50ms);
    std::this_thread::sleep_for(300ms);
    // Players end with the stream, and only then.
    asio::post(behind.all_shards().of("cam-out"), [&] { behind.channels().remove("cam-out"); });
    for (const auto& [player, log] : {std::pair{&rtmp, "rtmp"}, {&srt, "srt"}}) {
        const auto seen = read_log((*player)->wait(), where / log);
        EXPECT_EQ(seen.exit, 0) << log;
        EXPECT_GT(seen.frames, 180) << log;
        EXPECT_EQ(seen.text, "") << log;
    }
}

} // namespace
