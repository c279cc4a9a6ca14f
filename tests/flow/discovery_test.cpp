#include "base/shards.hpp"
#include "session/discovery.hpp"
#include "session/keccak.hpp"
#include "support/run_on.hpp"
#include "support/scripted_network.hpp"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

using namespace rivulet;
using namespace rivulet::session;
using namespace std::chrono_literals;
using test::offer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

namespace {

constexpr auto live = capability::live_video_to_video;

struct kept_events : observe::event_queue {
    void send(std::string_view type, boost::json::value data) override {
        const std::lock_guard lock(guard);
        all.emplace_back(type, std::move(data));
    }

    std::vector<boost::json::value> of(std::string_view type) {
        const std::lock_guard lock(guard);
        std::vector<boost::json::value> out;
        for (const auto& [name, data] : all)
            if (name == type)
                out.push_back(data);
        return out;
    }

    std::mutex guard;
    std::vector<std::pair<std::string, boost::json::value>> all;
};

class discovery_rig {
  public:
    discovery_rig() {
        options.first_tick = 100ms;
        options.longest = 600ms;
    }

    ~discovery_rig() {
        if (found)
            found->stop();
        sleep(30ms);
        found.reset();
    }

    void start() {
        found = std::make_unique<discovery>(
            shards_.at(0).get_executor(), network, network, options, metrics, events, logger("test")
        );
    }

    // On another shard than the background work's.
    outcome<discovery::summary> gather(std::size_t wanted = 10) {
        outcome<discovery::summary> out = failure(errc::cancelled, "");
        auto keep = seen;
        std::function<void(discovered)> take = [keep](discovered one) {
            const std::lock_guard lock(keep->guard);
            keep->all.push_back(std::move(one));
        };
        auto work = [&]() -> awaitable<void> {
            out = co_await found->gather(live, "noop", wanted, take);
        };
        const auto begun = steady_clock::now();
        test::run_on(shards_.at(1).get_executor(), work());
        took = steady_clock::now() - begun;
        return out;
    }

    std::vector<std::string> dialled() {
        const std::lock_guard lock(seen->guard);
        std::vector<std::string> out;
        for (const auto& one : seen->all)
            out.push_back(one.dialled);
        return out;
    }

    void sleep(duration time) { test::run_on(shards_.at(0).get_executor(), test::sleep_for(time)); }

    bool wait_until(const std::function<bool()>& done) {
        for (int i = 0; i < 300 && !done(); ++i)
            sleep(10ms);
        return done();
    }

    std::string metric(const std::string& name) {
        const auto text = metrics.text();
        const auto at = text.find('\n' + name);
        return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    }

    struct heard {
        std::mutex guard;
        std::vector<discovered> all;
    };

    observe::metrics metrics;
    std::shared_ptr<kept_events> events = std::make_shared<kept_events>();
    std::shared_ptr<test::scripted_network> network = std::make_shared<test::scripted_network>();
    std::shared_ptr<heard> seen = std::make_shared<heard>();
    discovery_options options;
    duration took{};

  private:
    shards shards_{2};

  public:
    std::unique_ptr<discovery> found;
};

TEST(orchestrators_conformance, s5_a_black_hole_never_delays_the_others_beyond_the_first_tick) {
    discovery_rig rig;
    rig.network->put(offer("https://near:1", "noop"));
    rig.network->put(offer("https://hole:1", "noop"));
    rig.network->delay("https://hole:1", 1min);
    rig.start();
    const auto done = rig.gather();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->asked, 2u);
    EXPECT_EQ(done->accepted, 1u);
    EXPECT_GE(rig.took, 100ms);
    EXPECT_LT(rig.took, 400ms);
    EXPECT_THAT(rig.dialled(), ElementsAre("https://near:1"));
}

TEST(orchestrators_conformance, s6_one_at_the_first_tick_and_the_late_one_is_still_reported) {
    discovery_rig rig;
    rig.network->put(offer("https://near:1", "noop"));
    rig.network->put(offer("https://far:1", "noop"));
    rig.network->delay("https://far:1", 300ms);
    rig.start();
    const auto done = rig.gather(2);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->accepted, 1u);
    EXPECT_LT(rig.took, 280ms);
    EXPECT_TRUE(rig.wait_until([&] { return rig.dialled().size() == 2; }));
    EXPECT_TRUE(rig.wait_until([&] {
        return rig.metric("livepeer_ai_orchestrators_available_total").ends_with(" 2");
    }));
}

TEST(orchestrators_conformance, s7_the_only_one_is_waited_for_but_not_beyond_the_longest_time) {
    discovery_rig rig;
    rig.network->put(offer("https://slow:1", "noop"));
    rig.network->delay("https://slow:1", 300ms);
    rig.start();
    auto done = rig.gather();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->accepted, 1u);
    EXPECT_GE(rig.took, 300ms);
    rig.network->delay("https://slow:1", 1min);
    done = rig.gather();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->accepted, 0u);
    EXPECT_LT(rig.took, 900ms);
}

TEST(discovery, does_not_wait_at_all_when_enough_are_there) {
    discovery_rig rig;
    rig.options.first_tick = 10s;
    rig.options.longest = 10s;
    for (const char* url : {"https://a:1", "https://b:1", "https://c:1"})
        rig.network->put(offer(url, "noop"));
    rig.network->delay("https://c:1", 5s);
    rig.start();
    const auto done = rig.gather(2);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->accepted, 2u);
    EXPECT_LT(rig.took, 1s);
}

TEST(discovery, says_why_each_one_is_not_used) {
    discovery_rig rig;
    rig.network->put(offer("https://good:1", "noop"));
    rig.network->put(offer("https://other:1", "another-model"));
    auto mute = offer("https://mute:1", "noop");
    mute.token.reset();
    rig.network->put(mute);
    rig.network->refuse("https://full:1", failure(errc::http_status, "OrchestratorCapped"));
    rig.start();
    const auto done = rig.gather();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->asked, 4u);
    EXPECT_EQ(done->accepted, 1u);
    const std::map<std::string, std::string> why(done->rejected.begin(), done->rejected.end());
    ASSERT_EQ(why.size(), 3u);
    EXPECT_NE(why.at("https://other:1"), "");
    EXPECT_THAT(why.at("https://mute:1"), HasSubstr("auth token"));
    EXPECT_THAT(why.at("https://full:1"), HasSubstr("OrchestratorCapped"));
    EXPECT_THAT(
        rig.metric("livepeer_discovery_errors_total"),
        AllOf(HasSubstr("OrchestratorCapped"), HasSubstr("https://full:1"), testing::EndsWith(" 1"))
    );
}

TEST(discovery, blocked_addresses_are_never_used) {
    discovery_rig rig;
    auto bad = offer("https://bad:1", "noop");
    bad.address = *parse_address("0xabcdefabcdefabcdefabcdefabcdefabcdefabcd");
    rig.network->put(bad);
    rig.network->put(offer("https://good:1", "noop"));
    rig.options.blocklist = {"what", " 0xABCDEFABCDEFabcdefabcdefabcdefabcdefabcd"};
    rig.start();
    rig.gather();
    EXPECT_THAT(rig.dialled(), ElementsAre("https://good:1"));
}

TEST(discovery, older_versions_and_runners_are_not_used) {
    discovery_rig rig;
    auto old = offer("https://old:1", "noop");
    old.capabilities->version = "0.7.9";
    rig.network->put(old);
    auto stale = offer("https://stale:1", "noop");
    stale.capabilities->models[live]["noop"].runner_version = "0.1.0";
    rig.network->put(stale);
    auto fresh = offer("https://fresh:1", "noop");
    fresh.capabilities->models[live]["noop"].runner_version = "0.3.0-dirty";
    rig.network->put(fresh);
    rig.options.min_version = "0.8.0";
    rig.options.min_runner_versions[{"live-video-to-video", "noop"}] = "0.2.0";
    rig.start();
    rig.gather();
    EXPECT_THAT(rig.dialled(), ElementsAre("https://fresh:1"));
}

TEST(orchestrators_conformance, s15_the_transcoder_is_reported_beside_the_dialled_address) {
    discovery_rig rig;
    rig.network->put("https://front:1", offer("https://real:8935", "noop"), 10ms);
    rig.network->put("https://other:1", offer("https://real:8935", "noop"), 10ms);
    rig.start();
    const auto done = rig.gather();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->accepted, 1u) << "two addresses of one transcoder";
    const std::lock_guard lock(rig.seen->guard);
    for (const auto& one : rig.seen->all)
        EXPECT_EQ(one.info->transcoder, "https://real:8935");
}

TEST(orchestrators_conformance, s16_siblings_are_asked_once_and_only_the_first_entries) {
    discovery_rig rig;
    auto parent = offer("https://parent:1", "noop");
    parent.nodes = {"https://child:1", "https://second:1"};
    rig.network->put(parent);
    rig.network->put(
        "https://namer:1",
        [] {
            auto namer = offer("", "noop"); // does no work itself
            namer.nodes = {"https://child2:1"};
            return namer;
        }(),
        10ms
    );
    rig.options.extra_nodes = 1;
    rig.start();
    const auto before = rig.gather();
    ASSERT_TRUE(before);
    EXPECT_EQ(rig.network->asked("https://child:1"), 1);
    EXPECT_EQ(rig.network->asked("https://child2:1"), 1);
    EXPECT_EQ(rig.network->asked("https://second:1"), 0);
    EXPECT_EQ(before->asked, 4u);
    for (const auto& [address, why] : before->rejected)
        EXPECT_NE(address, "https://namer:1") << why;
}

TEST(discovery, nobody_configured_is_an_error_of_its_own) {
    discovery_rig rig;
    rig.start();
    const auto done = rig.gather();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::not_found);

    asio::io_context context;
    discovery none(
        context.get_executor(), rig.network, nullptr, {}, rig.metrics, nullptr, logger("none")
    );
    outcome<discovery::summary> out = failure(errc::cancelled, "");
    auto work = [&]() -> awaitable<void> {
        std::function<void(discovered)> ignore = [](const discovered&) {};
        out = co_await none.gather(live, "noop", 1, ignore);
    };
    auto over = asio::co_spawn(context, work(), asio::use_future);
    context.run_for(2s);
    over.get();
    ASSERT_FALSE(out);
    EXPECT_THAT(out.error().detail, HasSubstr("-orchAddr"));
}

TEST(discovery, reports_nothing_after_it_was_stopped) {
    discovery_rig rig;
    rig.network->put(offer("https://near:1", "noop"));
    rig.network->put(offer("https://far:1", "noop"));
    rig.network->delay("https://far:1", 300ms);
    rig.start();
    ASSERT_TRUE(rig.gather());
    rig.found->stop();
    rig.sleep(400ms);
    EXPECT_THAT(rig.dialled(), ElementsAre("https://near:1"));
}

TEST(discovery, asks_one_again_with_the_same_table) {
    discovery_rig rig;
    rig.network->put(offer("https://one:1", "noop"));
    rig.network->refuse("https://gone:1", failure(errc::connect_failed, "connection refused"));
    rig.start();
    outcome<info_answer> good = failure(errc::cancelled, ""), bad = failure(errc::cancelled, "");
    auto work = [&]() -> awaitable<void> {
        good = co_await rig.found->ask_again("https://one:1", live, "noop", true);
        bad = co_await rig.found->ask_again("https://gone:1", live, "noop", false);
    };
    asio::io_context context;
    auto over = asio::co_spawn(context, work(), asio::use_future);
    context.run_for(3s);
    over.get();
    ASSERT_TRUE(good);
    EXPECT_EQ(good->info->transcoder, "https://one:1");
    EXPECT_EQ(rig.network->asked_ignoring_capacity("https://one:1"), 1);
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, errc::connect_failed);
}

TEST(discovery, tells_the_operators_queue_what_was_found) {
    discovery_rig rig;
    rig.network->put("https://one:1", offer("https://one:1", "noop"), 42ms);
    rig.start();
    rig.gather();
    const auto events = rig.events->of("discovery_results");
    ASSERT_EQ(events.size(), 1u);
    const auto& row = events[0].at(0);
    EXPECT_EQ(row.at("url"), "https://one:1");
    EXPECT_EQ(row.at("latency_ms"), "42");
    EXPECT_EQ(row.at("address"), "0x0000000000000000000000000000000000000000");
    EXPECT_THAT(
        rig.metric("livepeer_ai_orchestrators_available_total"),
        AllOf(HasSubstr("noop"), testing::EndsWith(" 1"))
    );
}

TEST(orchestrators_conformance, s30_the_networks_capabilities_are_known_without_a_chain) {
    discovery_rig rig;
    auto one = offer("https://one:1", "noop", live, 3);
    one.capabilities->models[live]["noop"].capacity_in_use = 2;
    rig.network->put(one);
    rig.network->put("https://behind:1", offer("https://one:1", "noop"), 10ms);
    rig.network->put("https://namer:1", offer("", "noop"), 10ms);
    rig.network->refuse("https://gone:1", failure(errc::connect_failed, "connection refused"));
    rig.start();
    EXPECT_TRUE(rig.found->network_capabilities().at("orchestrators").get_array().empty());
    rig.found->start();
    ASSERT_TRUE(rig.wait_until([&] { return !rig.found->network().empty(); }));
    EXPECT_EQ(rig.found->known(), 4u);
    const auto body = rig.found->network_capabilities();
    EXPECT_EQ(body.at("capabilities_names").at("35"), "Live video to video");
    const auto& rows = body.at("orchestrators").get_array();
    ASSERT_EQ(rows.size(), 1u) << boost::json::serialize(rows);
    EXPECT_EQ(rows[0].at("orch_uri"), "https://one:1");
    EXPECT_EQ(rig.found->network()[0].dialled, "https://one:1") << "its own address speaks for it";
    EXPECT_THAT(rig.metric("livepeer_ai_container_idle{"), testing::EndsWith(" 3"));
    EXPECT_THAT(rig.metric("livepeer_ai_container_in_use{"), testing::EndsWith(" 2"));
    EXPECT_TRUE(rig.wait_until([&] { return rig.events->of("network_capabilities").size() == 1; }));
}

TEST(discovery, the_network_is_asked_again_and_again_until_somebody_answers) {
    discovery_rig rig;
    rig.options.network_poll = 50ms;
    rig.network->refuse("https://late:1", failure(errc::connect_failed, "connection refused"));
    rig.start();
    rig.found->start();
    ASSERT_TRUE(rig.wait_until([&] { return rig.network->asked("https://late:1") > 1; }));
    rig.network->put(offer("https://late:1", "noop"));
    EXPECT_TRUE(rig.wait_until([&] { return rig.found->network().size() == 1; }));
    rig.network->refuse("https://late:1", failure(errc::connect_failed, "connection refused"));
}

} // namespace
