// SRT with other people's programs: ffmpeg and srt-live-transmit publish and read.
#include "support/program.hpp"
#include "support/scratch.hpp"
#include "support/srt_rig.hpp"
#include "support/ts_decode.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <thread>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* secret = "a long passphrase";

template <class Condition>
bool soon(Condition holds, std::chrono::milliseconds limit = 15s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

std::string sample_path(const std::string& name) {
    return std::string(RIVULET_TEST_DATA) + "/media/" + name;
}

std::vector<std::uint8_t> content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string url(const srt_rig& rig, const std::string& stream_id, bool encrypted = true) {
    return "srt://127.0.0.1:" + std::to_string(rig.port) + "?mode=caller&streamid=" + stream_id +
           (encrypted ? std::string("&pbkeylen=32&passphrase=") + secret : "");
}

auto with_passphrase() {
    return
        [](ingest::srt_options& options, ingest::srt_callbacks&) { options.passphrase = secret; };
}

std::size_t units_of(const srt_rig& rig, media::track_kind kind) {
    std::size_t n = 0;
    for (const auto& one : rig.behind.publishers())
        for (const auto& unit : one.units)
            n += unit.kind == kind;
    return n;
}

std::vector<std::string>
ffmpeg_publish(const std::string& file, const std::string& to, bool loop = false) {
    std::vector<std::string> words{"ffmpeg", "-nostdin", "-y", "-v", "warning", "-re"};
    if (loop)
        words.insert(words.end(), {"-stream_loop", "-1"});
    words.insert(words.end(), {"-i", sample_path(file), "-c", "copy", "-f", "mpegts", to});
    return words;
}

// What a program of the test leaves running becomes the test's child, and is a failure.
struct srt_real_clients : testing::Test {
    srt_real_clients() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

    void TearDown() override {
        // 0: some run. -1: there is none.
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a program still runs, or nobody waited";
    }
};

} // namespace

TEST_F(srt_real_clients, ffmpeg_publishes_and_reads_encrypted) {
    srt_rig rig(with_passphrase());
    const scratch where;
    program publisher(
        ffmpeg_publish("aac.ts", url(rig, "publish:cam"), true), where / "publish.log"
    );
    ASSERT_TRUE(soon([&] { return units_of(rig, media::track_kind::video) > 20; }));
    EXPECT_TRUE(soon([&] { return units_of(rig, media::track_kind::audio) > 20; }));
    program reader(
        {"ffmpeg",
         "-nostdin",
         "-v",
         "warning",
         "-i",
         url(rig, "#!::r=cam,m=request"),
         "-c",
         "copy",
         "-t",
         "2",
         "-f",
         "mpegts",
         where / "read.ts"},
        where / "read.log"
    );
    EXPECT_EQ(reader.wait(), 0) << content_of(where / "read.log").data();
    const auto seen = decode_ts(content_of(where / "read.ts"));
    EXPECT_GT(seen.video_frames, 20);
    EXPECT_GT(seen.audio_frames, 20);
    EXPECT_TRUE(rig.server->sessions().at(0).encrypted);
    publisher.kill(SIGINT);
    publisher.wait();
    EXPECT_TRUE(soon([&] { return rig.behind.publishers().at(0).ended; }));
}

TEST_F(srt_real_clients, ffmpeg_with_a_wrong_passphrase_is_refused) {
    srt_rig rig(with_passphrase());
    program publisher(
        ffmpeg_publish("aac.ts", url(rig, "publish:cam", false) + "&passphrase=another+passphrase")
    );
    EXPECT_NE(publisher.wait(), 0);
    EXPECT_TRUE(rig.behind.publishers().empty());
}

TEST_F(srt_real_clients, ffmpeg_publishes_what_broadcasters_use) {
    srt_rig rig;
    for (const char* sample : {"mp2.ts", "opus.ts", "mp3.ts"}) {
        const auto before = units_of(rig, media::track_kind::audio);
        program publisher(ffmpeg_publish(sample, url(rig, "publish:cam", false)));
        EXPECT_EQ(publisher.wait(), 0) << sample;
        EXPECT_TRUE(soon([&] { return units_of(rig, media::track_kind::audio) > before + 5; }))
            << sample;
    }
    EXPECT_EQ(rig.behind.publishers().at(0).formats.back().audio->type, media::codec::aac);
}

TEST_F(srt_real_clients, srt_live_transmit_publishes_from_a_pipe_and_reads) {
    srt_rig rig(with_passphrase());
    const scratch where;
    ASSERT_EQ(program({"sh", "-c", "command -v srt-live-transmit"}).wait(), 0)
        << "srt-live-transmit is not installed (srt-tools)";
    // It polls its input, so a file will not do. Messages of 1456 bytes: not whole packets. No
    // shell between: what it started would outlive it.
    const auto pipe = where / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    // Nobody's opening of it waits for another end. "e": the programs don't hold it, too.
    const std::unique_ptr<std::FILE, decltype([](std::FILE* file) { std::fclose(file); })> held(
        std::fopen(pipe.c_str(), "r+e")
    );
    program source(ffmpeg_publish("aac.ts", pipe, true));
    program publisher(
        {"srt-live-transmit", "-q", "-a:no", "file://con", url(rig, "publish:cam")},
        "/dev/null",
        pipe
    );
    ASSERT_TRUE(soon([&] { return units_of(rig, media::track_kind::video) > 20; }));
    program reader(
        {"timeout",
         "-k",
         "2",
         "-s",
         "INT",
         "3",
         "srt-live-transmit",
         "-q",
         "-loglevel:fatal",
         url(rig, "read:cam"),
         "file://con"},
        where / "read.ts"
    );
    reader.wait();
    EXPECT_GT(decode_ts(content_of(where / "read.ts")).video_frames, 20);
}
