// The whole process in one object: RTMP in, the built-in orchestrator over loopback HTTP, RTMP and
// HTTP out.
#include "gateway.hpp"
#include "media/flv_tag.hpp"
#include "support/live_rig.hpp"
#include "support/media_samples.hpp"
#include "support/raw_http.hpp"
#include "support/rtmp_client.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <set>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using tag_list = std::shared_ptr<const std::vector<media::flv_tag>>;

class gateway_rig {
  public:
    explicit gateway_rig(gateway_options options = gateway_options())
        : running_(with_free_ports(std::move(options)), logger("test")) {
        auto started = running_.start();
        if (!started)
            throw std::runtime_error(started.error().detail);
        ports = *started;
    }

    ~gateway_rig() {
        running_.stop();
        clients_.stop();
    }

    std::string rtmp(const std::string& path) const {
        return "rtmp://127.0.0.1:" + std::to_string(ports.rtmp) + path;
    }

    raw_reply get(const std::string& path) const {
        return ask(ports.http, request_text("GET", path));
    }

    raw_reply
    call(std::string_view method, const std::string& path, std::string_view body = {}) const {
        return ask(ports.http, request_with_body(method, path, body));
    }

    boost::json::value status(const std::string& name) const {
        const auto reply = get("/live/video-to-video/" + name + "/status");
        return reply.status == 200 ? boost::json::parse(reply.body) : boost::json::value();
    }

    std::string state(const std::string& name) const {
        const auto value = status(name);
        return value.is_null() ? "none"
                               : std::string(value.at("gateway_status").at("state").as_string());
    }

    std::future<outcome<void>> run(awaitable<outcome<void>> work) {
        auto done = std::make_shared<std::promise<outcome<void>>>();
        auto future = done->get_future();
        asio::co_spawn(
            clients_.at(0).get_executor(),
            std::move(work),
            [done](std::exception_ptr failed, outcome<void> result) {
                failed ? done->set_exception(failed) : done->set_value(std::move(result));
            }
        );
        return future;
    }

    std::future<outcome<void>> publish(const std::string& path, bool loop = true) {
        static const auto tags =
            std::make_shared<const std::vector<media::flv_tag>>(read_flv("av.flv"));
        rtmp_publish_options options;
        options.loop = loop;
        return run(rtmp_publish(rtmp(path), tags, std::move(options)));
    }

    struct heard {
        std::mutex mutex;
        std::vector<std::int64_t> video;
        std::size_t audio = 0;

        std::size_t frames() {
            const std::lock_guard lock(mutex);
            return video.size();
        }
    };

    std::future<outcome<void>> play(const std::string& path, std::shared_ptr<heard> into) {
        std::function<bool(const rtmp_played&)> on_tag = [into](const rtmp_played& played) {
            const std::lock_guard lock(into->mutex);
            if (played.tag.type == media::flv_tag_type::audio)
                ++into->audio;
            if (played.tag.type != media::flv_tag_type::video)
                return true;
            const auto header = media::parse_flv_video(played.tag.body.view());
            if (header && header->packet == media::flv_packet::frame)
                into->video.push_back(played.tag.timestamp);
            return true;
        };
        return run(rtmp_play(rtmp(path), std::move(on_tag), std::chrono::seconds(30)));
    }

    void stop() { running_.stop(); }

    gateway_ports ports;

  private:
    static gateway_options with_free_ports(gateway_options options) {
        options.http_addr = "127.0.0.1:0";
        options.rtmp_addr = "127.0.0.1:0";
        options.shards = 2;
        options.drain = 1s;
        return options;
    }

    gateway running_;
    shards clients_{1};
};

TEST(gateway, an_rtmp_publisher_is_processed_and_played_without_a_frame_lost) {
    gateway_rig rig;
    auto heard = std::make_shared<gateway_rig::heard>();
    auto player = rig.play("/live/cam-out", heard); // before there is anything
    std::this_thread::sleep_for(100ms);
    auto publisher = rig.publish("/live/cam?pipeline=passthrough", false);
    const auto published = publisher.get();
    EXPECT_TRUE(published) << published.error().detail;
    ASSERT_EQ(player.wait_for(10s), std::future_status::ready);
    const auto frames = units_of("av.flv");
    const auto wanted = std::ranges::count_if(frames.units, [](const auto& unit) {
        return unit.kind == media::track_kind::video;
    });
    EXPECT_EQ(heard->frames(), static_cast<std::size_t>(wanted));
    EXPECT_GT(heard->audio, 50u);
    for (std::size_t i = 1; i < heard->video.size(); ++i)
        EXPECT_GT(heard->video[i], heard->video[i - 1]) << i;
    EXPECT_EQ(rig.state("cam"), "ended");
}

TEST(gateway, the_default_pipeline_decodes_and_encodes) {
    gateway_rig rig;
    auto publisher = rig.publish("/live/cam");
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }, 15000ms));
    auto heard = std::make_shared<gateway_rig::heard>();
    auto player = rig.play("/cam-out", heard);
    EXPECT_TRUE(eventually([&] { return heard->frames() > 30; }, 15000ms));
    const auto status = rig.status("cam");
    EXPECT_EQ(status.at("gateway_status").at("pipeline").as_string(), "noop");
    EXPECT_EQ(status.at("gateway_status").at("players").at("output").to_number<int>(), 1);
    EXPECT_EQ(status.at("type").as_string(), "status"); // the runner's own word
}

TEST(gateway, new_parameters_reach_the_running_model) {
    gateway_rig rig;
    auto publisher =
        rig.publish("/live/cam?pipeline=avfilter&params=%7B%22graph%22%3A%22negate%22%7D");
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }, 15000ms));
    EXPECT_EQ(
        rig.call("POST", "/live/video-to-video/cam/update", R"({"graph":"hflip"})").status, 200
    );
    EXPECT_TRUE(eventually(
        [&] {
            const auto status = rig.status("cam");
            const auto* runner = status.as_object().if_contains("inference_status");
            return runner && runner->at("last_params").is_object() &&
                   runner->at("last_params").as_object().contains("graph") &&
                   runner->at("last_params").at("graph") == "hflip";
        },
        15000ms
    ));
    EXPECT_EQ(rig.state("cam"), "live");
}

TEST(gateway, a_second_publisher_takes_over_and_the_first_is_told_why) {
    gateway_rig rig;
    auto first = rig.publish("/live/cam?pipeline=passthrough&streamId=one");
    ASSERT_TRUE(eventually([&] { return rig.state("one") == "live"; }, 15000ms));
    auto second = rig.publish("/live/cam?pipeline=passthrough&streamId=two");
    ASSERT_EQ(first.wait_for(10s), std::future_status::ready);
    const auto ended = first.get();
    ASSERT_FALSE(ended);
    EXPECT_THAT(ended.error().detail, HasSubstr("replaced by a newer publisher"));
    EXPECT_TRUE(eventually([&] { return rig.state("two") == "live"; }, 15000ms));
}

TEST(gateway, a_publisher_is_refused_with_a_text_that_says_what_is_wrong) {
    gateway_rig rig;
    const std::pair<const char*, const char*> rows[] = {
        {"/live/cam-out", "-out"},
        {"/live/cam?params=%7B", "params"},
        {"/live/cam?rtmpOutput=rtmp%3A%2F%2F10.0.0.1%2Fa%2Fb", "private network"},
    };
    for (const auto& [path, text] : rows) {
        auto publisher = rig.publish(path);
        ASSERT_EQ(publisher.wait_for(10s), std::future_status::ready) << path;
        const auto refused = publisher.get();
        ASSERT_FALSE(refused) << path;
        EXPECT_THAT(refused.error().detail, HasSubstr(text)) << path;
    }
}

TEST(gateway, both_channels_of_a_stream_are_read_over_trickle_where_no_keys_are_asked) {
    gateway_rig rig;
    auto publisher = rig.publish("/live/cam?pipeline=passthrough");
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }, 15000ms));
    for (const auto* channel : {"cam", "cam-out"}) {
        const auto segment = rig.get(std::string("/ai/trickle/") + channel + "/-2");
        EXPECT_EQ(segment.status, 200) << channel;
        ASSERT_GT(segment.body.size(), 188u) << channel;
        EXPECT_EQ(segment.body[0], 'G') << channel;
    }
}

TEST(gateway, delete_ends_the_publisher) {
    gateway_rig rig;
    auto publisher = rig.publish("/live/cam?pipeline=passthrough");
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }, 15000ms));
    EXPECT_EQ(rig.call("DELETE", "/live/video-to-video/cam").status, 200);
    ASSERT_EQ(publisher.wait_for(10s), std::future_status::ready);
    const auto ended = publisher.get();
    ASSERT_FALSE(ended);
    EXPECT_THAT(ended.error().detail, HasSubstr("stopped through the API"));
}

TEST(gateway, the_result_is_pushed_to_an_rtmp_server) {
    gateway_rig target;
    gateway_options options;
    options.private_targets = true;
    gateway_rig rig(options);
    auto publisher = rig.publish(
        "/live/cam?pipeline=passthrough&rtmpOutput=rtmp%3A%2F%2F127.0.0.1%3A" +
        std::to_string(target.ports.rtmp) + "%2Flive%2Fsecretkey%3Fpipeline%3Dpassthrough"
    );
    ASSERT_TRUE(eventually([&] { return target.state("secretkey") == "live"; }, 20000ms));
    const auto text = rig.get("/live/video-to-video/cam/status").body;
    EXPECT_THAT(text, HasSubstr("\"publishing\""));
    EXPECT_THAT(text, testing::Not(HasSubstr("secretkey")));

    // The end is told, so that the target does not wait for more.
    auto last = rig.publish(
        "/live/cam2?pipeline=passthrough&rtmpOutput=rtmp%3A%2F%2F127.0.0.1%3A" +
            std::to_string(target.ports.rtmp) + "%2Flive%2Fsecond",
        false
    );
    EXPECT_TRUE(eventually([&] { return target.state("second") == "ended"; }, 20000ms));
    EXPECT_THAT(
        boost::json::serialize(target.status("second")),
        testing::Not(HasSubstr("without unpublish"))
    );
}

TEST(gateway, a_stream_says_that_its_orchestrator_is_unreachable_and_shows_the_source) {
    gateway_options options;
    options.orch_addrs = {"http://127.0.0.1:1"};
    gateway_rig rig(options);
    EXPECT_EQ(rig.ports.worker, 0);
    auto publisher = rig.publish("/live/cam");
    ASSERT_TRUE(eventually(
        [&] {
            return boost::json::serialize(rig.status("cam")).find("no_orch") != std::string::npos;
        },
        15000ms
    ));
    EXPECT_EQ(rig.state("cam"), "starting"); // it may be back at any time
    auto heard = std::make_shared<gateway_rig::heard>();
    auto player = rig.play("/live/cam", heard);
    EXPECT_TRUE(eventually([&] { return heard->frames() > 20; }, 15000ms));
    EXPECT_THAT(
        std::string(rig.status("cam").at("gateway_status").at("summary").as_string()),
        HasSubstr("127.0.0.1:1")
    );
}

TEST(gateway, says_which_address_it_cannot_use) {
    gateway_rig rig;
    gateway_options options;
    options.http_addr = "127.0.0.1:" + std::to_string(rig.ports.http);
    options.rtmp_addr = "";
    gateway taken(options, logger("test"));
    auto started = taken.start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().detail, HasSubstr(options.http_addr));

    options.http_addr = "127.0.0.1:0";
    options.rtmp_addr = "nonsense";
    gateway odd(options, logger("test"));
    started = odd.start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().detail, HasSubstr("nonsense"));

    options.rtmp_addr = "";
    options.orch_addrs = {"ftp://x"};
    gateway wrong(options, logger("test"));
    started = wrong.start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().detail, HasSubstr("ftp://x"));
}

TEST(gateway, stops_quickly_with_streams_and_players_on_it) {
    gateway_rig rig;
    auto publisher = rig.publish("/live/cam?pipeline=passthrough");
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }, 15000ms));
    auto heard = std::make_shared<gateway_rig::heard>();
    auto player = rig.play("/live/cam-out", heard);
    ASSERT_TRUE(eventually([&] { return heard->frames() > 5; }));
    const auto begun = steady_clock::now();
    rig.stop();
    EXPECT_LT(steady_clock::now() - begun, 6s);
    EXPECT_EQ(publisher.wait_for(5s), std::future_status::ready);
    EXPECT_EQ(player.wait_for(5s), std::future_status::ready);
}

} // namespace
} // namespace rivulet::test
