// RTMP with other people's programs: ffmpeg publishes and plays, GStreamer publishes.
#include "support/program.hpp"
#include "support/rtmp_rig.hpp"
#include "support/scratch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;

namespace {

std::string text_of(const std::string& path) {
    std::string text;
    if (auto* file = std::fopen(path.c_str(), "r")) {
        std::array<char, 4096> block;
        while (const auto n = std::fread(block.data(), 1, block.size(), file))
            text.append(block.data(), n);
        std::fclose(file);
    }
    return text;
}

struct packets {
    int video = 0, audio = 0;
};

// Decodes the file and counts frames, as a stranger would.
packets decode(const std::string& path, const scratch& where) {
    const auto list = where / "frames.csv";
    program probe(
        {"ffprobe", "-v", "error", "-show_entries", "frame=media_type", "-of", "csv=p=0", path},
        list
    );
    EXPECT_EQ(probe.wait(), 0) << text_of(list);
    packets counted;
    const auto text = text_of(list);
    for (std::size_t at = 0; (at = text.find("video", at)) != std::string::npos; ++at)
        ++counted.video;
    for (std::size_t at = 0; (at = text.find("audio", at)) != std::string::npos; ++at)
        ++counted.audio;
    return counted;
}

std::string sample_path(const std::string& name) {
    return std::string(RIVULET_TEST_DATA) + "/media/" + name;
}

template <class Condition>
bool soon(Condition holds, std::chrono::milliseconds limit = 10s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

std::vector<std::string>
ffmpeg_push(const std::string& file, const std::string& url, bool loop = false) {
    std::vector<std::string> words{"ffmpeg", "-nostdin", "-v", "warning", "-re"};
    if (loop)
        words.insert(words.end(), {"-stream_loop", "-1"});
    words.insert(words.end(), {"-i", sample_path(file), "-c", "copy", "-f", "flv", url});
    return words;
}

} // namespace

TEST(rtmp_real_clients, ffmpeg_publishes_and_ffmpeg_plays_all_of_it) {
    for (const auto* file : {"av.flv", "bframes.flv", "video_only.flv"}) {
        rtmp_rig rig;
        scratch where;
        const auto copy = where / "copy.flv";
        program player(
            {"ffmpeg",
             "-nostdin",
             "-v",
             "warning",
             "-i",
             rig.url("live/cam"),
             "-c",
             "copy",
             "-y",
             copy},
            where / "player.log"
        );
        std::this_thread::sleep_for(300ms);
        program publisher(ffmpeg_push(file, rig.url("live/cam")), where / "publisher.log");
        EXPECT_EQ(publisher.wait(), 0) << text_of(where / "publisher.log");
        EXPECT_EQ(player.wait(), 0) << text_of(where / "player.log");
        const auto sent = decode(sample_path(file), where), got = decode(copy, where);
        EXPECT_EQ(got.video, sent.video) << file;
        EXPECT_GE(got.audio + 5, sent.audio) << file;
        EXPECT_EQ(sent.audio > 0, got.audio > 0) << file;
    }
}

TEST(rtmp_real_clients, ffmpeg_puts_name_and_query_where_it_likes) {
    rtmp_rig rig;
    scratch where;
    const std::vector<std::string> paths{
        "one?pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D",
        "live/two?pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D",
        "live/three?pipeline=avfilter&params={\"graph\":\"negate\"}"};
    const std::vector<std::string> names{"one", "two", "three"};
    for (std::size_t i = 0; i < paths.size(); ++i) {
        program publisher(ffmpeg_push("video_only.flv", rig.url(paths[i])), where / "log");
        EXPECT_EQ(publisher.wait(), 0) << text_of(where / "log");
        const auto seen = rig.publishers();
        ASSERT_EQ(seen.size(), i + 1) << paths[i];
        EXPECT_EQ(seen[i].request.stream, names[i]);
        ASSERT_EQ(seen[i].request.query.size(), 2u) << paths[i];
        EXPECT_EQ(seen[i].request.query[0].second, "avfilter");
        EXPECT_EQ(seen[i].request.query[1].second, "{\"graph\":\"negate\"}");
    }
}

TEST(rtmp_real_clients, ffmpeg_killed_in_mid_stream_ends_it) {
    rtmp_rig rig;
    scratch where;
    program publisher(ffmpeg_push("av.flv", rig.url("live/cam"), true), where / "log");
    ASSERT_TRUE(soon([&] {
        const auto seen = rig.publishers();
        return !seen.empty() && seen[0].units.size() > 20;
    })) << text_of(where / "log");
    publisher.kill(SIGKILL);
    EXPECT_TRUE(soon([&] { return rig.publishers()[0].ended; }));
}

TEST(rtmp_real_clients, ffmpeg_sees_that_its_codec_is_refused) {
    rtmp_rig rig;
    scratch where;
    program publisher(
        {"ffmpeg",
         "-nostdin",
         "-v",
         "warning",
         "-re",
         "-f",
         "lavfi",
         "-i",
         "testsrc=size=160x96:rate=15",
         "-t",
         "3",
         "-c:v",
         "flv1",
         "-f",
         "flv",
         rig.url("live/old")},
        where / "log"
    );
    EXPECT_NE(publisher.wait(), 0);
    ASSERT_TRUE(soon([&] { return !rig.publishers().empty() && rig.publishers()[0].ended; }));
    EXPECT_NE(rig.publishers()[0].end_reason.find("H.263"), std::string::npos);
}

TEST(rtmp_real_clients, gstreamer_publishes_with_rtmp2sink) {
    rtmp_rig rig;
    scratch where;
    const auto copy = where / "copy.flv";
    program player(
        {"ffmpeg",
         "-nostdin",
         "-v",
         "warning",
         "-i",
         rig.url("live/gst"),
         "-c",
         "copy",
         "-y",
         copy},
        where / "player.log"
    );
    std::this_thread::sleep_for(300ms);
    program publisher(
        {"gst-launch-1.0",
         "-q",
         "filesrc",
         "location=" + sample_path("av.flv"),
         "!",
         "flvdemux",
         "name=d",
         "flvmux",
         "name=m",
         "streamable=true",
         "!",
         "rtmp2sink",
         "location=" + rig.url("live/gst"),
         "d.video",
         "!",
         "queue",
         "!",
         "h264parse",
         "!",
         "identity",
         "sync=true",
         "!",
         "m.video",
         "d.audio",
         "!",
         "queue",
         "!",
         "aacparse",
         "!",
         "m.audio"},
        where / "publisher.log"
    );
    EXPECT_EQ(publisher.wait(), 0) << text_of(where / "publisher.log");
    EXPECT_EQ(player.wait(), 0) << text_of(where / "player.log");
    ASSERT_EQ(rig.publishers().size(), 1u);
    const auto sent = decode(sample_path("av.flv"), where), got = decode(copy, where);
    // On a busy machine GStreamer starts late and then sends faster than real time, so that the
    // player joins at a later keyframe (one each second); from there on nothing may be missing.
    EXPECT_GE(sent.video, 90);
    EXPECT_GE(got.video + 1, 30);
    EXPECT_GT(got.audio, 0);
}
