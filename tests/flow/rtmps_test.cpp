// RTMP over TLS with ffmpeg as publisher and player.
#include "http/tls_reload.hpp"
#include "support/certificate_files.hpp"
#include "support/program.hpp"
#include "support/rtmp_rig.hpp"
#include "support/tls_client.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

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

struct tls_and_options {
    std::unique_ptr<http::reloading_tls> tls;
    ingest::rtmp_options options = rtmp_rig::fast_options();

    explicit tls_and_options(const certificate_files& files)
        : tls(std::move(*http::reloading_tls::open(files.certificate(), files.key(), logger("tls")))
          ) {
        options.tls = tls->context();
    }
};

std::string url(const rtmp_rig& rig, const std::string& path) {
    return "rtmps://127.0.0.1:" + std::to_string(rig.port()) + "/" + path;
}

std::vector<std::string> ffmpeg_push(const std::string& target) {
    return {
        "ffmpeg",
        "-nostdin",
        "-v",
        "warning",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        std::string(RIVULET_TEST_DATA) + "/media/av.flv",
        "-c",
        "copy",
        "-f",
        "flv",
        target};
}

TEST(rtmps, ffmpeg_publishes_and_ffmpeg_plays) {
    const certificate_files files("rtmps.example");
    tls_and_options given(files);
    rtmp_rig rig(given.options);
    program publisher(ffmpeg_push(url(rig, "live/cam")));
    ASSERT_TRUE(soon([&] {
        const auto all = rig.publishers();
        return all.size() == 1 && all[0].units.size() > 30;
    }));
    EXPECT_EQ(rig.publishers()[0].request.protocol, "rtmps");
    EXPECT_EQ(rig.publishers()[0].request.stream, "cam");
    const auto report = files.certificate().parent_path() / "player.txt";
    program player(
        {"ffmpeg",
         "-nostdin",
         "-v",
         "error",
         "-i",
         url(rig, "cam"),
         "-t",
         "1",
         "-map",
         "0:v",
         "-f",
         "framemd5",
         "-"},
        report.string()
    );
    EXPECT_EQ(player.wait(), 0);
    std::ifstream lines(report);
    int frames = 0;
    for (std::string line; std::getline(lines, line);)
        frames += line.starts_with("0,");
    EXPECT_GE(frames, 15);
    publisher.kill(SIGINT);
    EXPECT_TRUE(soon([&] { return rig.publishers()[0].ended; }));
}

TEST(rtmps, a_publisher_goes_on_while_the_certificate_is_renewed) {
    certificate_files files("one.example");
    tls_and_options given(files);
    rtmp_rig rig(given.options);
    given.tls->watch(rig.executor(), 20ms);
    program publisher(ffmpeg_push(url(rig, "live/cam")));
    ASSERT_TRUE(soon([&] { return !rig.publishers().empty(); }));
    EXPECT_EQ(tls_client(rig.port(), {.alpn = ""}).subject(), "one.example");
    files.write("two.example");
    EXPECT_TRUE(soon([&] { return tls_client(rig.port(), {.alpn = ""}).subject() == "two.example"; }
    ));
    const auto before = rig.publishers()[0].units.size();
    EXPECT_TRUE(soon([&] { return rig.publishers()[0].units.size() > before + 20; }));
    EXPECT_FALSE(rig.publishers()[0].ended);
    given.tls->close();
}

TEST(rtmps, strangers_on_its_port_are_cut) {
    const certificate_files files("rtmps.example");
    tls_and_options given(files);
    rtmp_rig rig(given.options);
    // Plain RTMP: the version byte and C1.
    raw_client plain(rig.port());
    plain.send(std::string(1, '\x03') + std::string(1536, 'x'));
    try {
        EXPECT_LT(plain.read_to_end().size(), 100u); // an alert at most
    } catch (const raw_http_error&) {
        // A reset will do.
    }
    std::mt19937 random(11);
    for (int i = 0; i < 200; ++i) {
        raw_client garbage(rig.port());
        std::string bytes(1 + random() % 300, '\0');
        for (auto& byte : bytes)
            byte = static_cast<char>(random());
        garbage.send(bytes);
        if (i % 2 == 0)
            garbage.reset();
    }
    plain.close();
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 0; }, 15s));
    // TLS and then no RTMP.
    tls_client nonsense(rig.port(), {.alpn = ""});
    ASSERT_TRUE(nonsense.connected());
    nonsense.send(request_text("GET", "/"));
    nonsense.send(std::string(4'000, 'x'));
    EXPECT_LT(nonsense.read_until("never").size(), 5'000u);
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 0; }, 15s));
    EXPECT_EQ(rig.publishers().size(), 0u);
}

} // namespace
} // namespace rivulet::test
