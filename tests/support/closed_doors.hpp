// A gateway with every door open and -streamKeys set, and what each door says to who knocks:
// nothing when it let them in, else the refusal in its protocol's words. Thread: the test's.
#pragma once

#include "live/stream_keys.hpp"
#include "support/live_rig.hpp"
#include "support/program.hpp"
#include "support/rtp_source.hpp"
#include "support/srt_caller.hpp"
#include "support/whole_gateway.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <tuple>

namespace rivulet::test {

inline const std::string publish_key = "publishes-all-cameras";
inline const std::string watch_key = "watches-all-cameras-00";
inline const std::string control_key = "controls-all-cameras-0";
inline const std::string operator_key = "the-operator-of-it-all";
inline const std::string other_key = "somebody-elses-stream-0";
inline const std::string base = "/live/video-to-video";
inline const std::string media_folder = std::string(RIVULET_TEST_DATA) + "/media/";

class key_list {
  public:
    key_list() {
        char name[] = "/tmp/rivulet-keys-XXXXXX";
        ::close(::mkstemp(name));
        path_ = name;
        std::ofstream out(path_);
        for (const auto& [pattern, actions, key] :
             {std::tuple("cam*", "publish", publish_key),
              std::tuple("cam*", "watch", watch_key),
              std::tuple("cam*", "control", control_key),
              std::tuple("*", "control", operator_key),
              std::tuple("other", "all", other_key)})
            out << live::make_key_line(pattern, actions, key).value() << "\n";
    }

    ~key_list() { std::filesystem::remove(path_); }

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

inline gateway_options closed_by(const key_list& keys) {
    gateway_options options;
    options.stream_keys = keys.path();
    options.whep_wait = options.play_wait = std::chrono::milliseconds(300);
    options.worker_capacity = 16;
    return options;
}

class closed_doors : public testing::Test {
  protected:
    std::uint64_t frames_in(const std::string& stream) const {
        const auto reply = gateway.http("GET", base + "/" + stream + "/status", operator_key);
        if (reply.status != 200)
            return 0;
        const auto status = boost::json::parse(reply.body);
        return status.at("gateway_status")
            .at("ingest")
            .at("video_frames")
            .to_number<std::uint64_t>();
    }

    std::string words_of(awaitable<outcome<void>> work) {
        const auto ended = gateway.start(std::move(work)).get();
        return ended ? std::string() : ended.error().detail;
    }

    // What ffmpeg says.
    std::string ffmpeg(std::vector<std::string> words) const {
        const auto output = keys.path().string() + ".log";
        words.insert(words.begin(), {"ffmpeg", "-nostdin", "-v", "error"});
        const int code = program(std::move(words), output).wait();
        std::stringstream text;
        text << std::ifstream(output).rdbuf();
        std::filesystem::remove(output);
        return code == 0 ? std::string() : text.str() + "(failed)";
    }

    std::string srt_words(const srt_caller& caller) const {
        return caller.connected() ? std::string() : "SRT " + std::to_string(caller.refusal());
    }

    static std::string http_words(const raw_reply& reply) {
        return reply.status < 300 ? std::string()
                                  : std::to_string(reply.status) + " " + reply["www-authenticate"] +
                                        " " + reply.body;
    }

    std::string https_words(
        const std::string& method,
        const std::string& path,
        const std::string& key,
        const std::string& body = {},
        const std::string& type = "application/sdp"
    ) const {
        const auto head = "Connection: close\r\nContent-Type: " + type + "\r\n" +
                          (key.empty() ? "" : "Authorization: Bearer " + key + "\r\n");
        const auto reply = gateway.https(request_with_body(method, path, body, head));
        return reply.starts_with("HTTP/1.1 2") ? std::string() : reply;
    }

    std::string visit_words(const std::string& path, const std::string& key) {
        const bool sends = path.find("/whip") != std::string::npos;
        const auto seen =
            gateway
                .start(gateway.visit(
                    path, leave::remove, key, sends ? pictures() : nullptr, sends ? 0 : 20
                ))
                .get();
        if (seen.status != 201)
            return std::to_string(seen.status) + " " + seen.trouble;
        EXPECT_TRUE(seen.connected) << path << seen.trouble;
        EXPECT_EQ(seen.removed, 200) << path;
        if (!sends) {
            EXPECT_GE(seen.packets_in, 20u) << path;
        }
        return {};
    }

    using picture_list = std::vector<std::vector<rtp_bytes>>;

    static std::shared_ptr<const picture_list> pictures() {
        static const auto made = std::make_shared<const picture_list>(by_picture(rtp_video(
            "x264enc tune=zerolatency key-int-max=15 ! video/x-h264,profile=constrained-baseline "
            "! rtph264pay config-interval=-1",
            30,
            102,
            0x10203040
        )));
        return made;
    }

    // A door: its stream, what it says when it refuses, and the attempt with a key, which gives the
    // refusal's words, or nothing.
    struct door {
        std::string name, without, wrong;
        std::function<std::string(const std::string& key)> enter;
    };

    const key_list keys;
    whole_gateway gateway{closed_by(keys)};
};

} // namespace rivulet::test
