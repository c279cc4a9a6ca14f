// The orchestrator of a running stream is lost: another one goes on, publisher and viewers stay.
// Real HTTP, real trickle, made-up frames.
#include "live/ts_meter.hpp"
#include "support/fake_orchestrator.hpp"
#include "support/live_rig.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// The operator's message queue.
class heard_events final : public observe::event_queue {
  public:
    void send(std::string_view type, boost::json::value data) override {
        const std::lock_guard lock(mutex_);
        all_.emplace_back(std::string(type), std::move(data));
    }

    // The first of this envelope type whose data has this "type".
    std::optional<boost::json::value> find(const std::string& envelope, const std::string& type) {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, data] : all_)
            if (name == envelope && data.at("type").as_string() == type)
                return data;
        return std::nullopt;
    }

  private:
    std::mutex mutex_;
    std::vector<std::pair<std::string, boost::json::value>> all_;
};

// Two orchestrators that echo; whoever has the job is `busy`.
class two_orchestrators {
  public:
    two_orchestrators() {
        for (auto& one : all_) {
            one = std::make_unique<fake_orchestrator>();
            one->echo();
        }
    }

    std::vector<std::string> urls() const { return {all_[0]->url(), all_[1]->url()}; }

    std::unique_ptr<fake_orchestrator>& preferred() { return all_[0]; }

    fake_orchestrator& other() { return *all_[1]; }

  private:
    std::array<std::unique_ptr<fake_orchestrator>, 2> all_;
};

boost::json::object swaps(live_rig& rig, const std::string& name = "cam") {
    return rig.status(name).at("gateway_status").at("swaps").as_object();
}

std::int64_t swap_count(live_rig& rig) {
    return swaps(rig).at("count").to_number<std::int64_t>();
}

// Processed video is back.
bool is_over(live_rig& rig) {
    const auto now = swaps(rig);
    return now.at("last").is_object() && now.at("last").at("gap_ms").is_number();
}

std::vector<std::int64_t> video_times(const std::vector<std::string>& segments) {
    std::vector<std::int64_t> pts;
    live::ts_meter meter([&pts](std::int64_t value) { pts.push_back(value); });
    for (const auto& segment : segments)
        meter.feed({reinterpret_cast<const std::uint8_t*>(segment.data()), segment.size()});
    return pts;
}

TEST(live_swap, an_orchestrator_that_dies_is_replaced_within_a_second_and_the_output_goes_on) {
    two_orchestrators both;
    live_rig rig(both.urls());
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.segments_of("cam-out").size() >= 3; }));
    const auto from = both.preferred()->url();
    const auto begun = steady_clock::now();
    both.preferred().reset();
    ASSERT_TRUE(eventually([&] { return is_over(rig); }));
    EXPECT_LT(steady_clock::now() - begun, 1500ms);
    const auto last = swaps(rig).at("last");
    EXPECT_LT(last.at("gap_ms").to_number<double>(), 1000);
    // What is noticed first depends on how it dies.
    const std::string cause(last.at("cause").as_string());
    EXPECT_TRUE(cause == "connection_lost" || cause == "output_ended") << cause;
    EXPECT_EQ(last.at("from").as_string(), from);
    EXPECT_EQ(last.at("to").as_string(), both.other().url());
    EXPECT_EQ(swap_count(rig), 1);
    EXPECT_EQ(rig.state("cam"), "live");
    EXPECT_EQ(publisher->kicked(), "");

    // One clock, in one channel.
    std::this_thread::sleep_for(600ms);
    const auto times = video_times(rig.segments_of("cam-out"));
    ASSERT_GE(times.size(), 20u);
    for (std::size_t i = 1; i < times.size(); ++i)
        EXPECT_GT(times[i], times[i - 1]) << i;
}

TEST(live_conformance, s41_the_new_orchestrator_gets_the_current_segment_from_its_first_byte) {
    two_orchestrators both;
    live::registry_options options;
    live_rig rig(both.urls(), quick_timing(), std::move(options));
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.segments_of("cam-out").size() >= 3; }));
    std::this_thread::sleep_for(100ms); // into the middle of a segment
    both.preferred().reset();
    const auto job = both.other().last_job();
    ASSERT_TRUE(eventually([&] { return both.other().segments(job, "").size() >= 2; }));
    const auto received = both.other().segments(job, "");
    // Whole segments of the source, none left out.
    const auto source = rig.segments_of("cam");
    auto at = std::ranges::find(source, received[0]);
    ASSERT_NE(at, source.end());
    EXPECT_EQ(*(at + 1), received[1]);
}

TEST(live_conformance, s50_a_swap_is_told_with_the_old_orchestrator_and_the_reason) {
    two_orchestrators both;
    auto queue = std::make_shared<heard_events>();
    live::registry_options options;
    options.queue = queue;
    options.events = std::make_shared<live::event_hub>();
    live_rig rig(both.urls(), quick_timing(), options);
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = both.preferred()->last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    both.preferred()->remove(job, "out");
    ASSERT_TRUE(eventually([&] { return is_over(rig); }));
    const auto told = queue->find("stream_trace", "orchestrator_swap");
    ASSERT_TRUE(told);
    EXPECT_EQ(told->at("orchestrator_info").at("url").as_string(), both.preferred()->url());
    EXPECT_THAT(std::string(told->at("message").as_string()), HasSubstr("ended the output"));
}

TEST(live_swap, parameters_survive_and_every_channel_of_the_old_job_is_deleted) {
    two_orchestrators both;
    live_rig rig(both.urls());
    auto publisher = rig.publish("cam", {{"params", R"({"p":1})"}});
    publisher->start();
    const auto job = both.preferred()->last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    const std::string newest = R"({"p":2,"q":[1]})";
    EXPECT_EQ(rig.post("/live/video-to-video/cam/update", newest).status, 200);
    both.preferred()->remove(job, "");
    const auto next = both.other().last_job();
    const auto body = boost::json::parse(both.other().jobs().back().body);
    EXPECT_EQ(boost::json::serialize(body.at("params")), newest);
    ASSERT_TRUE(eventually([&] { return !both.other().segments(next, "control").empty(); }));
    EXPECT_EQ(both.other().segments(next, "control").front(), newest);
    EXPECT_TRUE(eventually([&] {
        for (const std::string channel : {"", "out", "control", "events"})
            if (both.preferred()->exists(job, channel))
                return false;
        return true;
    }));
}

TEST(live_swap, the_only_orchestrator_gets_the_job_again) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live_rig rig({orchestrator.url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    orchestrator.remove(job, "out");
    ASSERT_TRUE(eventually([&] { return is_over(rig); }));
    EXPECT_EQ(orchestrator.jobs().size(), 2u);
}

TEST(live_conformance, s40_with_a_limit_of_two_the_third_quick_swap_ends_the_stream) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live::swap_limits limits;
    limits.most = 2;
    live_rig rig({orchestrator.url()}, quick_timing(), {}, {}, limits);
    auto publisher = rig.publish("cam");
    publisher->start();
    for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; })) << i;
        EXPECT_EQ(publisher->kicked(), "") << i;
        orchestrator.remove(orchestrator.last_job(), "out");
        ASSERT_TRUE(eventually([&] { return rig.state("cam") != "live" || swap_count(rig) == i; }));
    }
    ASSERT_TRUE(eventually([&] { return publisher->kicked() != ""; }));
    EXPECT_THAT(publisher->kicked(), HasSubstr("Too many swaps"));
    EXPECT_EQ(rig.state("cam"), "ended");
}

TEST(live_swap, without_a_limit_a_stream_outlives_many_losses) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    live::swap_limits limits;
    limits.pause_first = 50ms;
    live_rig rig({orchestrator.url()}, quick_timing(), {}, {}, limits);
    auto publisher = rig.publish("cam");
    publisher->start();
    for (int i = 1; i <= 5; ++i) {
        ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; })) << i;
        orchestrator.remove(orchestrator.last_job(), "out");
        ASSERT_TRUE(eventually([&] { return swap_count(rig) == i; })) << i;
    }
    EXPECT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    EXPECT_EQ(publisher->kicked(), "");
}

TEST(live_swap, a_publisher_that_leaves_in_the_middle_of_a_swap_leaves_nothing) {
    auto orchestrator = std::make_unique<fake_orchestrator>();
    orchestrator->echo();
    live_rig rig({orchestrator->url()});
    auto publisher = rig.publish("cam");
    publisher->start();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    orchestrator.reset();
    ASSERT_TRUE(eventually([&] { return swap_count(rig) == 1; }));
    publisher->leave();
    EXPECT_TRUE(eventually([&] {
        return !rig.channel_exists("cam") && !rig.channel_exists("cam-out");
    }));
    EXPECT_EQ(rig.state("cam"), "ended");
}

// Two orchestrators: the first is lost, the second is asked and does not answer before it is let.
class swap_under_way {
  public:
    explicit swap_under_way(milliseconds answers_after = milliseconds(1500)) {
        other().answer_with([this, answers_after](fake_orchestrator& self, const http::request&) {
            asked = true;
            std::this_thread::sleep_for(answers_after);
            return self.take_job();
        });
        publisher->start();
        auto& lost = both.preferred();
        const auto job = lost->last_job();
        EXPECT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
        lost.reset();
        EXPECT_TRUE(eventually([&] { return asked && swap_count(rig) == 1; }));
    }

    fake_orchestrator& other() { return both.other(); }

    std::atomic<bool> asked{false};
    two_orchestrators both;
    live_rig rig{both.urls()};
    std::unique_ptr<fake_publisher> publisher = rig.publish("cam");
};

TEST(live_swap, an_update_in_the_middle_of_a_swap_reaches_the_new_orchestrator) {
    swap_under_way swap;
    const std::string newest = R"({"p":3})";
    EXPECT_EQ(swap.rig.post("/live/video-to-video/cam/update", newest).status, 200);
    const auto next = swap.other().last_job();
    ASSERT_TRUE(eventually([&] { return !swap.other().segments(next, "control").empty(); }));
    EXPECT_EQ(swap.other().segments(next, "control").front(), newest);
    EXPECT_TRUE(eventually([&] { return is_over(swap.rig); }));
    swap.publisher->leave();
}

TEST(live_swap, a_stream_that_is_deleted_in_the_middle_of_a_swap_leaves_nothing) {
    swap_under_way swap;
    auto stopped = asio::co_spawn(
        swap.rig.threads().at(0), swap.rig.streams().stop_stream("cam"), asio::use_future
    );
    EXPECT_TRUE(stopped.get());
    EXPECT_TRUE(eventually([&] { return swap.publisher->kicked() != ""; }));
    // It takes a job that nobody wants any more, and may have lost it before anybody looks.
    ASSERT_TRUE(eventually([&] {
        const auto jobs = swap.other().jobs();
        return !jobs.empty() && !jobs.back().id.empty();
    }));
    const auto next = swap.other().jobs().back().id;
    EXPECT_TRUE(eventually([&] {
        return !swap.other().exists(next, "") && !swap.other().exists(next, "control");
    }));
    EXPECT_TRUE(eventually([&] { return !swap.rig.channel_exists("cam-out"); }));
    EXPECT_EQ(swap.rig.state("cam"), "ended");
}

TEST(live_swap, a_newer_publisher_takes_over_in_the_middle_of_a_swap) {
    swap_under_way swap;
    auto second = swap.rig.publish("cam", {{"streamId", "two"}});
    second->start();
    EXPECT_TRUE(eventually([&] { return swap.publisher->kicked() != ""; }));
    EXPECT_EQ(swap.publisher->kick_cause(), ingest::kick_cause::replaced);
    EXPECT_TRUE(eventually([&] { return swap.rig.state("two") == "live"; }));
    EXPECT_EQ(swap_count(swap.rig), 0); // the newer stream has lost nobody
    EXPECT_TRUE(eventually([&] { return swap.other().jobs().size() == 2; }));
    second->leave();
}

TEST(live_swap, the_gateway_stops_in_the_middle_of_a_swap) {
    swap_under_way swap(milliseconds(4000)); // longer than the stop may take
    swap.rig.streams().stop(200ms);
    EXPECT_EQ(swap.publisher->kicked(), "the gateway is stopping");
    EXPECT_FALSE(swap.rig.channel_exists("cam"));
}

TEST(live_swap, the_gateway_stops_while_the_last_output_is_awaited) {
    fake_orchestrator orchestrator;
    orchestrator.echo();
    auto timing = quick_timing();
    timing.last_output = timing.last_output_total = 20s;
    live_rig rig({orchestrator.url()}, timing);
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = orchestrator.last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    publisher->leave();
    rig.streams().stop(0s);
    // Nobody is there any more to hear it.
    for (int i = 0; i < 10; ++i) {
        std::this_thread::sleep_for(20ms);
        try {
            orchestrator.publish(job, "out", std::string(1000, 'x'));
        } catch (const std::exception&) {
            break;
        }
    }
}

TEST(live_swap, output_that_stops_is_noticed_by_its_rhythm) {
    two_orchestrators both;
    live_rig rig(both.urls());
    auto publisher = rig.publish("cam");
    publisher->start();
    const auto job = both.preferred()->last_job();
    ASSERT_TRUE(eventually([&] { return rig.state("cam") == "live"; }));
    std::this_thread::sleep_for(5500ms); // long enough to know the rhythm
    EXPECT_EQ(swap_count(rig), 0);
    both.preferred()->mute(job);
    const auto begun = steady_clock::now();
    ASSERT_TRUE(eventually([&] { return is_over(rig); }));
    EXPECT_LT(steady_clock::now() - begun, 3s);
    EXPECT_EQ(swaps(rig).at("last").at("cause").as_string(), "output_stalled");
}

} // namespace
} // namespace rivulet::test
