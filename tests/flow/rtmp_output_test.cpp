// What a push sends to a server of somebody else, and how it comes back.
#include "egress/rtmp_push.hpp"
#include "support/rtmp_rig.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>

using namespace rivulet;
using namespace std::chrono_literals;
using test::rtmp_rig;

namespace {

bytes sample(const std::string& name) {
    std::ifstream file(std::string(RIVULET_TEST_DATA "/media/") + name, std::ios::binary);
    const std::string all(std::istreambuf_iterator<char>(file), {});
    return bytes::copy_of(all);
}

void at(asio::io_context& home, const std::function<void()>& work) {
    std::promise<void> done;
    asio::post(home, [&] {
        work();
        done.set_value();
    });
    done.get_future().get();
}

// The first publisher's sound, once there is some.
media::codec sound_at(rtmp_rig& server) {
    for (const auto& publisher : server.publishers())
        for (const auto& format : publisher.formats)
            if (format.audio && !publisher.units.empty())
                return format.audio->type;
    return media::codec::none;
}

template <class Condition>
bool soon(Condition met) {
    for (int i = 0; i < 1'000 && !met(); ++i)
        std::this_thread::sleep_for(20ms);
    return met();
}

} // namespace

TEST(live_conformance, s47_a_push_sends_aac_and_comes_back_within_five_seconds_of_a_failure) {
    EXPECT_LE(egress::rtmp_push_options().backoff_last, 5s);
    rtmp_rig rig;
    auto away = std::make_unique<rtmp_rig>();
    const auto port = away->port();
    auto& home = rig.all_shards().of("cam-out");
    auto injected = rig.inject("cam-out", {});
    egress::rtmp_push_options options;
    options.backoff_first = 100ms;
    std::unique_ptr<egress::rtmp_push> push;
    at(home, [&] {
        push = std::make_unique<egress::rtmp_push>(
            home.get_executor(),
            away->url("app/copy"),
            "cam-out",
            rig.feeds().finder(),
            options,
            logger("push")
        );
    });
    const auto segment = sample("opus.ts");
    EXPECT_TRUE(soon([&] {
        injected->write_segment(segment);
        return sound_at(*away) == media::codec::aac;
    }));

    away.reset();
    auto again = rtmp_rig::fast_options();
    again.port = port;
    away = std::make_unique<rtmp_rig>(again);
    EXPECT_TRUE(soon([&] {
        injected->write_segment(segment);
        return sound_at(*away) == media::codec::aac;
    }));
    at(home, [&] { push.reset(); });
    injected->close();
}
