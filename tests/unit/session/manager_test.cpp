#include "session/manager.hpp"
#include "support/scripted_network.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using test::offer;
using test::scripted_network;

constexpr auto live = capability::live_video_to_video;
constexpr auto t2i = capability::text_to_image;

// A manager over a scripted network, on one loop that the test turns; time stands still unless the
// test moves it.
struct manager_rig {
    asio::io_context io;
    observe::metrics metrics;
    std::shared_ptr<scripted_network> network = std::make_shared<scripted_network>();
    std::shared_ptr<price_caps> caps = std::make_shared<price_caps>();
    std::shared_ptr<discovery> found;
    manager_options options;
    time_point now = time_point(1000s);
    std::int64_t unix_now = 1'800'000'000;
    double random = 0.5;
    std::unique_ptr<manager> sessions;

    manager_rig() {
        options.now = [this] { return now; };
        options.unix_now = [this] { return unix_now; };
        options.random = [this] { return random; };
        options.exploration = 0;
        options.warm_grace = 0s;
        options.late_answers = 20ms;
    }

    ~manager_rig() {
        if (sessions)
            sessions->stop();
        if (found)
            found->stop();
        io.restart();
        io.run_for(50ms);
        sessions.reset();
        found.reset();
    }

    manager& start() {
        discovery_options how;
        how.first_tick = 20ms;
        how.longest = 40ms;
        found = std::make_shared<discovery>(
            io.get_executor(), network, network, how, metrics, nullptr, logger()
        );
        sessions =
            std::make_unique<manager>(io.get_executor(), found, caps, options, metrics, logger());
        return *sessions;
    }

    template <class T>
    T run(awaitable<T> work) {
        auto done = asio::co_spawn(io, std::move(work), asio::use_future);
        io.restart();
        while (done.wait_for(0s) != std::future_status::ready)
            if (io.run_one_for(5s) == 0)
                throw std::runtime_error("the coroutine never ended");
        return done.get();
    }

    outcome<attempt> next(selection& from) { return run(from.next()); }

    // Until nothing more happens for a while: gatherings and their sweeps are over.
    void settle() {
        io.restart();
        io.run_for(80ms);
    }
};

TEST(manager, gives_whom_discovery_finds) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    auto s = rig.start().begin(job_need(live, "noop"), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a) << a.error().detail;
    EXPECT_EQ(a->url(), "https://a:1");
    EXPECT_TRUE(a->warm());
    EXPECT_EQ(a->info()->transcoder, "https://a:1");
}

TEST(manager, turns_to_others_and_tells_what_each_one_said) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.network->put(offer("https://b:1", "noop"));
    auto s = rig.start().begin(job_need(live, "noop"), 5s);
    for (int i = 0; i < 2; ++i) {
        auto a = rig.next(s);
        ASSERT_TRUE(a) << a.error().detail;
        s.failed(std::move(*a), to_fault(500, "model crashed"));
    }
    auto none = rig.next(s);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::no_capacity);
    EXPECT_THAT(s.summary(), testing::HasSubstr("https://a:1: model crashed"));
    EXPECT_THAT(s.summary(), testing::HasSubstr("https://b:1: model crashed"));
    ASSERT_EQ(s.reasons().size(), 2u);
    const auto body = s.to_json();
    const auto& error = body.at("error").as_object();
    EXPECT_EQ(error.at("code"), "no_capacity");
    EXPECT_EQ(error.at("tried").as_array().size(), 2u);
    EXPECT_EQ(error.at("tried").as_array()[0].at("kind"), "internal");
    EXPECT_EQ(error.at("tried").as_array()[0].at("status").to_number<int>(), 500);
}

TEST(manager, an_unknown_model_says_what_the_orchestrators_said) {
    manager_rig rig;
    rig.network->refuse("https://a:1", failure(errc::connect_failed, "connection refused"));
    auto s = rig.start().begin(job_need(live, "noop"), 5s);
    auto none = rig.next(s);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::no_capacity);
    EXPECT_THAT(s.summary(), testing::HasSubstr("connection refused"));
    EXPECT_GE(s.retry_after(), 1s);
}

TEST(manager, a_missing_model_is_not_asked_for_again_at_once) {
    manager_rig rig;
    rig.network->refuse("https://a:1", failure(errc::connect_failed, "connection refused"));
    rig.start();
    for (int i = 0; i < 5; ++i) {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        EXPECT_FALSE(rig.next(s));
    }
    EXPECT_EQ(rig.network->asked("https://a:1"), 1);
    rig.now += 2s;
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
    EXPECT_FALSE(rig.next(s));
    EXPECT_EQ(rig.network->asked("https://a:1"), 2);
}

TEST(manager, a_hundred_requests_cost_one_gathering) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    std::vector<attempt> taken;
    for (int i = 0; i < 100; ++i) {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        auto a = rig.next(s);
        ASSERT_TRUE(a);
        taken.push_back(std::move(*a));
    }
    EXPECT_EQ(rig.network->asked("https://a:1"), 1);
}

TEST(manager, does_not_wait_for_a_slow_one_when_a_good_one_is_known) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.network->put(offer("https://slow:1", "noop"));
    rig.network->delay("https://slow:1", 10s);
    auto s = rig.start().begin(job_need(live, "noop"), 5s);
    const auto before = steady_clock::now();
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->url(), "https://a:1");
    EXPECT_LT(steady_clock::now() - before, 1s);
}

TEST(manager, an_attempt_that_goes_without_a_word_leaves_no_mark) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        auto a = rig.next(s);
        ASSERT_TRUE(a);
    }
    const auto pools = rig.sessions->pools_info();
    const auto& pool = pools.at("35_noop").as_object();
    EXPECT_EQ(pool.at("warm").at("orchestrators").as_array()[0].at("in_flight").as_int64(), 0);
    EXPECT_TRUE(pool.at("suspended").at("list").as_object().empty());
}

TEST(manager, an_attempt_may_outlive_it) {
    std::optional<attempt> kept;
    {
        manager_rig rig;
        rig.network->put(offer("https://a:1", "noop"));
        auto s = rig.start().begin(job_need(live, "noop"), 5s);
        auto a = rig.next(s);
        ASSERT_TRUE(a);
        kept.emplace(std::move(*a));
        // The clock of the rig goes with it.
        rig.options.now = nullptr;
    }
    EXPECT_EQ(kept->url(), "https://a:1");
}

TEST(manager, the_model_of_a_pipeline_stands_for_an_empty_one) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    auto s = rig.start().begin(job_need(live, ""), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->need().model, "noop");
}

TEST(manager, takes_the_standby_when_the_current_one_failed) {
    manager_rig rig;
    for (const auto* url : {"https://a:1", "https://b:1", "https://c:1"})
        rig.network->put(offer(url, "noop", live, 10));
    rig.start();
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    rig.settle();
    const auto ready = rig.sessions->standby(job_need(live, "noop"), a->url());
    ASSERT_TRUE(ready);
    EXPECT_NE(*ready, a->url());
    const auto failed = a->url();
    a->failed(fault(fault_kind::unreachable, "reset"));
    for (const double random : {0.0, 0.4, 0.99}) {
        rig.random = random;
        auto again = rig.sessions->begin(job_need(live, "noop"), 5s, {failed});
        auto b = rig.next(again);
        ASSERT_TRUE(b);
        EXPECT_EQ(b->url(), *ready);
    }
}

TEST(manager, the_avoided_one_is_taken_when_it_is_the_only_one) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    EXPECT_FALSE(rig.sessions->standby(job_need(live, "noop"), "https://a:1"));
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s, {"https://a:1"});
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->url(), "https://a:1");
}

TEST(manager, pools_are_bounded_and_the_least_used_one_goes) {
    manager_rig rig;
    rig.options.pools = 4;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    auto kept = rig.sessions->begin(job_need(live, "noop"), 5s);
    auto busy = rig.next(kept);
    ASSERT_TRUE(busy);
    for (int i = 0; i < 50; ++i) {
        rig.now += 1s;
        auto s = rig.sessions->begin(job_need(live, fmt::format("made-up-{}", i)), 5s);
        EXPECT_FALSE(rig.next(s));
        EXPECT_LE(rig.sessions->pools_info().size(), 4u);
    }
    EXPECT_TRUE(rig.sessions->pools_info().contains("35_noop"));
}

TEST(manager, names_that_nobody_serves_make_room_before_those_that_somebody_does) {
    manager_rig rig;
    rig.options.pools = 4;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        ASSERT_TRUE(rig.next(s));
    }
    for (int i = 0; i < 20; ++i) {
        rig.now += 1s;
        auto s = rig.sessions->begin(job_need(live, fmt::format("made-up-{}", i)), 5s);
        EXPECT_FALSE(rig.next(s));
    }
    EXPECT_TRUE(rig.sessions->pools_info().contains("35_noop")) << "what was learnt is kept";
}

TEST(manager, a_name_that_no_model_can_have_is_refused) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    for (const auto& name : {std::string(2000, 'x'), std::string("a\nb"), std::string("\xff")}) {
        auto s = rig.sessions->begin(job_need(live, name), 5s);
        auto a = rig.next(s);
        ASSERT_FALSE(a);
        EXPECT_EQ(a.error().code, errc::invalid_argument);
        EXPECT_FALSE(rig.sessions->standby(job_need(live, name), "https://a:1"));
    }
    EXPECT_TRUE(rig.sessions->pools_info().empty());
    EXPECT_EQ(rig.network->asked("https://a:1"), 0);
}

TEST(manager, stopping_ends_the_wait_for_discovery) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.network->delay("https://a:1", 10s);
    auto s = rig.start().begin(job_need(live, "noop"), 60s);
    asio::steady_timer timer(rig.io, 5ms);
    timer.async_wait([&](error_code) { rig.sessions->stop(); });
    auto a = rig.next(s);
    ASSERT_FALSE(a);
    EXPECT_EQ(a.error().code, errc::cancelled);
}

// The numbered statements of the specification that concern the choice.

TEST(orchestrators_conformance, s15_two_addresses_of_one_transcoder_are_one_session) {
    manager_rig rig;
    rig.network->put("https://dial-1:1", offer("https://real:1", "noop"));
    rig.network->put("https://dial-2:1", offer("https://real:1", "noop"));
    auto s = rig.start().begin(job_need(live, "noop"), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->url(), "https://real:1");
    rig.settle();
    EXPECT_EQ(rig.sessions->pools_info().at("35_noop").at("warm").at("size").to_number<int>(), 1);
}

TEST(orchestrators_conformance, s22_live_refresh_drops_who_is_not_found_again_batch_keeps_it) {
    for (const auto id : {live, t2i}) {
        manager_rig rig;
        rig.network->put(offer("https://a:1", "m", id));
        rig.network->put(offer("https://b:1", "m", id));
        rig.start();
        auto s = rig.sessions->begin(job_need(id, "m"), 5s);
        ASSERT_TRUE(rig.next(s));
        rig.settle();
        rig.network->remove("https://b:1");
        rig.now += 11min;
        auto again = rig.sessions->begin(job_need(id, "m"), 5s);
        ASSERT_TRUE(rig.next(again));
        rig.settle();
        const auto key = fmt::format("{}_m", id);
        EXPECT_EQ(
            rig.sessions->pools_info().at(key).at("warm").at("size").to_number<int>(),
            id == live ? 1 : 2
        );
    }
}

TEST(orchestrators_conformance, s19_pools_are_refreshed_by_age_and_when_nobody_is_left) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    const auto take = [&] {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        EXPECT_TRUE(rig.next(s));
        rig.settle();
    };
    take();
    rig.now += 5min;
    take();
    EXPECT_EQ(rig.network->asked("https://a:1"), 1);
    rig.now += 61s;
    take(); // does not wait for the answer
    EXPECT_EQ(rig.network->asked("https://a:1"), 2);
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
    rig.now += 2s;
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    s.failed(std::move(*a), to_fault(500, "no"));
    EXPECT_FALSE(rig.next(s));
    EXPECT_EQ(rig.network->asked("https://a:1"), 3);
}

TEST(manager, who_is_no_longer_listed_is_not_chosen_any_more) {
    for (const auto id : {live, t2i}) {
        manager_rig rig;
        rig.options.keeping = 5ms;
        rig.options.late_answers = 1ms;
        rig.network->put(offer("https://a:1", "noop", id));
        rig.network->put(offer("https://b:1", "noop", id));
        rig.start();
        auto s = rig.sessions->begin(job_need(id, "noop"), 5s);
        auto running = rig.next(s);
        ASSERT_TRUE(running) << running.error().detail;
        rig.settle();
        rig.network->remove("https://a:1");
        rig.settle();
        for (int i = 0; i < 8; ++i) {
            auto again = rig.sessions->begin(job_need(id, "noop"), 5s);
            auto a = rig.next(again);
            ASSERT_TRUE(a) << a.error().detail;
            EXPECT_EQ(a->url(), "https://b:1");
        }
        // An empty list is an answer, too. Who works there is not disturbed.
        rig.network->remove("https://b:1");
        rig.settle();
        auto nobody = rig.sessions->begin(job_need(id, "noop"), 1s);
        EXPECT_FALSE(rig.next(nobody));
        EXPECT_FALSE(running->url().empty());
        running->succeeded(std::nullopt);
    }
}

TEST(manager, who_is_new_on_the_list_is_found_at_once) {
    manager_rig rig;
    rig.options.keeping = 5ms;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
    ASSERT_TRUE(rig.next(s));
    rig.settle();
    rig.now += 2s; // of the six minutes
    rig.network->put(offer("https://b:1", "noop"));
    rig.settle();
    EXPECT_EQ(rig.network->asked("https://b:1"), 1) << "no request had to want it";
    auto again = rig.sessions->begin(job_need(live, "noop", "b:1"), 5s);
    auto b = rig.next(again);
    ASSERT_TRUE(b) << b.error().detail;
    EXPECT_EQ(b->url(), "https://b:1");
}

TEST(manager, a_list_that_changes_while_nobody_may_be_asked_is_asked_afterwards) {
    for (const bool gathering : {false, true}) {
        manager_rig rig;
        rig.options.keeping = 5ms;
        rig.network->put(offer("https://a:1", "noop"));
        if (gathering)
            rig.network->delay("https://a:1", 35ms);
        rig.start();
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        if (gathering) {
            rig.io.restart();
            rig.io.run_for(15ms);
        } else {
            ASSERT_TRUE(rig.next(s));
            rig.settle();
        }
        rig.network->put(offer("https://b:1", "noop"));
        rig.settle(); // it is seen, and it is too early for another gathering
        EXPECT_EQ(rig.network->asked("https://b:1"), 0);
        rig.now += 2s;
        rig.settle();
        EXPECT_EQ(rig.network->asked("https://b:1"), 1);
        rig.now += 2s;
        rig.settle();
        EXPECT_EQ(rig.network->asked("https://b:1"), 1) << "once is enough";
    }
}

TEST(manager, a_pool_that_the_list_emptied_looks_for_others_while_somebody_still_works) {
    manager_rig rig;
    rig.options.keeping = 5ms;
    rig.network->put(offer("https://a:1", "noop"));
    rig.start();
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
    auto running = rig.next(s);
    ASSERT_TRUE(running) << running.error().detail;
    rig.settle();
    rig.network->remove("https://a:1");
    rig.network->refuse("https://b:1", failure(errc::connect_failed, "connection refused"));
    for (int i = 0; i < 3; ++i) {
        rig.now += 31s;
        rig.settle();
    }
    const auto asked = rig.network->asked("https://b:1");
    EXPECT_GE(asked, 2);
    running->succeeded(std::nullopt);
    running = failure(errc::closed, "");
    rig.now += 31s;
    rig.settle();
    EXPECT_EQ(rig.network->asked("https://b:1"), asked) << "nobody uses it";
}

TEST(orchestrators_conformance, s23_a_token_with_179_s_left_is_renewed_before_use_with_181_not) {
    orchestrator_info info;
    EXPECT_FALSE(manager::needs_refresh(info, 0));
    info.token.emplace();
    info.token->expiration = 10'000;
    EXPECT_TRUE(manager::needs_refresh(info, 10'000 - 179));
    EXPECT_FALSE(manager::needs_refresh(info, 10'000 - 181));

    for (const int left : {179, 181}) {
        manager_rig rig;
        auto old = offer("https://a:1", "noop");
        old.token->expiration = rig.unix_now + left;
        rig.network->put(old);
        rig.start();
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        {
            auto a = rig.next(s);
            // The same answer again counts as renewed: what it says is its own business.
            ASSERT_TRUE(a);
        }
        EXPECT_EQ(rig.network->asked("https://a:1"), left == 179 ? 2 : 1);
    }
}

TEST(orchestrators_conformance, s23_a_failed_renewal_does_not_serve_the_request_there) {
    manager_rig rig;
    auto old = offer("https://a:1", "noop");
    old.token->expiration = rig.unix_now + 1000;
    rig.network->put(old);
    rig.network->put("https://b:1", offer("https://b:1", "noop"), 10ms);
    rig.start();
    {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        ASSERT_TRUE(rig.next(s));
    }
    rig.settle();
    rig.unix_now += 900;
    rig.network->refuse("https://a:1", failure(errc::connect_failed, "connection refused"));
    for (const double random : {0.0, 0.999}) {
        rig.random = random;
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        auto a = rig.next(s);
        ASSERT_TRUE(a);
        EXPECT_EQ(a->url(), "https://b:1");
    }
}

TEST(manager, what_an_orchestrator_says_at_renewal_never_ends_the_request) {
    manager_rig rig;
    auto old = offer("https://a:1", "noop");
    old.token->expiration = rig.unix_now + 1000;
    rig.network->put(old);
    rig.network->put("https://b:1", offer("https://b:1", "noop"), 10ms);
    rig.start();
    {
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        ASSERT_TRUE(rig.next(s));
    }
    rig.settle();
    rig.unix_now += 900;
    rig.network->refuse(
        "https://a:1", failure(errc::http_status, "https://a:1 refuses: answered 400: your fault")
    );
    for (const double random : {0.0, 0.999}) {
        rig.random = random;
        auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
        auto a = rig.next(s);
        ASSERT_TRUE(a) << a.error().detail;
        EXPECT_EQ(a->url(), "https://b:1");
    }
}

TEST(manager, requests_that_want_the_same_renewal_ask_once) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop", live, 10));
    rig.start();
    auto s = rig.sessions->begin(job_need(live, "noop"), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    rig.settle();
    rig.network->delay("https://a:1", 10ms);
    int done = 0;
    const auto ask = [&]() -> awaitable<void> {
        auto r = co_await rig.sessions->refresh(*a, true);
        done += r ? 1 : 0;
    };
    for (int i = 0; i < 10; ++i)
        asio::co_spawn(rig.io, ask(), [](std::exception_ptr) {});
    rig.settle();
    EXPECT_EQ(done, 10);
    EXPECT_EQ(rig.network->asked("https://a:1"), 2);
    EXPECT_EQ(rig.network->asked_ignoring_capacity("https://a:1"), 1);
}

TEST(orchestrators_conformance, s24_insufficient_capacity_never_suspends) {
    for (const auto id : {live, t2i}) {
        manager_rig rig;
        rig.network->put(offer("https://a:1", "m", id));
        rig.start();
        for (int i = 0; i < 10; ++i) {
            auto s = rig.sessions->begin(job_need(id, "m"), 5s);
            auto a = rig.next(s);
            ASSERT_TRUE(a);
            s.failed(std::move(*a), to_fault(503, "Insufficient CAPACITY\n"));
            EXPECT_FALSE(rig.next(s));
        }
        const auto pools = rig.sessions->pools_info();
        const auto& one = pools.at(fmt::format("{}_m", id)).as_object();
        EXPECT_TRUE(one.at("suspended").at("list").as_object().empty());
        EXPECT_EQ(one.at("warm").at("size").to_number<int>(), 1);
    }
}

TEST(orchestrators_conformance, s25_expired_tickets_ask_the_same_one_twice_more_with_fresh_ones) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop", t2i));
    rig.start();
    auto s = rig.sessions->begin(job_need(t2i, "noop"), 60s);
    for (int i = 0; i < 3; ++i) {
        auto a = rig.next(s);
        ASSERT_TRUE(a) << i;
        EXPECT_EQ(rig.network->asked("https://a:1"), 1 + i);
        s.failed(std::move(*a), to_fault(400, "TicketParams expired\n"));
    }
    EXPECT_FALSE(rig.next(s));
    const auto pools = rig.sessions->pools_info();
    EXPECT_TRUE(pools.at("27_noop").at("suspended").at("list").as_object().empty());
}

TEST(orchestrators_conformance, s26_a_bad_request_ends_it_others_are_tried_to_the_end) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "m", t2i));
    rig.network->put(offer("https://b:1", "m", t2i));
    rig.start();
    auto s = rig.sessions->begin(job_need(t2i, "m"), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    s.failed(std::move(*a), to_fault(500, "text-to-image container returned 400: bad prompt"));
    auto none = rig.next(s);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::invalid_argument);
    EXPECT_EQ(s.to_json().at("error").at("code"), "bad_request");
    EXPECT_EQ(s.reasons().size(), 1u);
}

TEST(orchestrators_conformance, s27_no_try_begins_after_the_budget) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "m", t2i));
    rig.network->put(offer("https://b:1", "m", t2i));
    rig.start();
    auto s = rig.sessions->begin(job_need(t2i, "m"), 2s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_EQ(s.try_limit(rig.now), 1s); // half, since there is another one
    EXPECT_TRUE(s.has_others(rig.now));
    rig.now += 1s;
    s.failed(std::move(*a), to_fault(500, "no"));
    a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_FALSE(s.has_others(rig.now));
    EXPECT_EQ(s.try_limit(rig.now), 1s); // all that is left: nobody else is there
    rig.now += 1s;
    s.failed(std::move(*a), to_fault(500, "no"));
    auto none = rig.next(s);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::timed_out);
    EXPECT_EQ(s.to_json().at("error").at("code"), "timed_out");
}

TEST(manager, who_just_failed_is_no_other_to_turn_to) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "m", t2i));
    rig.network->put(offer("https://b:1", "m", t2i));
    rig.start();
    auto s = rig.sessions->begin(job_need(t2i, "m"), 2s, {"https://a:1"});
    auto b = rig.next(s);
    ASSERT_TRUE(b);
    EXPECT_EQ(b->url(), "https://b:1");
    EXPECT_FALSE(s.has_others(rig.now));
}

TEST(orchestrators_conformance, s28_who_is_above_the_cap_is_not_used_and_the_reason_is_told) {
    manager_rig rig;
    auto dear = offer("https://dear:1", "m", t2i);
    dear.price.emplace();
    dear.price->per_unit = 11;
    rig.network->put(dear);
    rig.caps->set_global(price{10, 1});
    rig.start();
    auto s = rig.sessions->begin(job_need(t2i, "m"), 5s);
    auto none = rig.next(s);
    ASSERT_FALSE(none);
    EXPECT_THAT(s.summary(), testing::HasSubstr("cap of 10 wei per unit"));
    // A change holds at the next choice.
    rig.caps->set(t2i, "m", price{11, 1});
    auto again = rig.sessions->begin(job_need(t2i, "m"), 5s);
    EXPECT_TRUE(rig.next(again));
}

TEST(live_conformance, s30_insufficient_capacity_leads_to_another_orchestrator) {
    manager_rig rig;
    rig.network->put(offer("http://a:1", "noop"));
    rig.network->put(offer("http://b:1", "noop"));
    rig.start();
    auto s = rig.sessions->begin(job_need(live, "noop"), 2s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    const auto full = a->url();
    s.failed(
        std::move(*a), to_fault(failure(errc::http_status, "answered 503: Insufficient Capacity"))
    );
    auto b = rig.next(s);
    ASSERT_TRUE(b);
    EXPECT_NE(b->url(), full);
}

TEST(live_conformance, s31_only_matching_orchestrators_are_asked) {
    manager_rig rig;
    for (const auto* url : {"http://a:1", "http://gpu-b:1", "http://c:1"})
        rig.network->put(offer(url, "noop"));
    rig.start();
    auto s = rig.sessions->begin(job_need(live, "noop", "gpu"), 2s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->url(), "http://gpu-b:1");
    s.failed(std::move(*a), to_fault(500, "no"));
    EXPECT_FALSE(rig.next(s));
    auto none = rig.sessions->begin(job_need(live, "noop", "tpu"), 2s);
    EXPECT_FALSE(rig.next(none));
    EXPECT_THAT(none.summary(), testing::HasSubstr("none of 3 matches 'tpu'"));
}

TEST(orchestrators_conformance, s31_no_pools_before_the_first_request) {
    manager_rig rig;
    EXPECT_EQ(boost::json::serialize(rig.start().pools_info()), "{}");
}

TEST(orchestrators_conformance, s30_pools_show_sessions_as_operators_know_them) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "noop", t2i));
    rig.network->put(offer("https://b:1", "noop", t2i, 1, false));
    rig.start();
    auto s = rig.sessions->begin(job_need(t2i, "noop"), 5s);
    auto a = rig.next(s);
    ASSERT_TRUE(a);
    rig.settle();
    a->succeeded(0.25);
    const auto pools = rig.sessions->pools_info();
    const auto& pool = pools.at("27_noop").as_object();
    const auto& warm = pool.at("warm").as_object();
    EXPECT_EQ(warm.at("size").to_number<int>(), 1);
    EXPECT_EQ(warm.at("in_use").to_number<int>(), 1);
    const auto& row = warm.at("orchestrators").as_array().at(0).as_object();
    EXPECT_EQ(row.at("url"), "https://a:1");
    EXPECT_EQ(row.at("latency_score").as_double(), 0.25);
    EXPECT_EQ(row.at("in_flight").to_number<int>(), 1);
    EXPECT_EQ(pool.at("cold").at("size").to_number<int>(), 1);
    EXPECT_EQ(pool.at("last_refresh"), "2027-01-15T08:00:00Z");
    EXPECT_TRUE(pool.at("suspended").at("list").is_object());
    EXPECT_EQ(pool.at("suspended").at("current_count").to_number<int>(), 1);
    EXPECT_EQ(rig.sessions->orchestrators().size(), 2u);
}

TEST(orchestrators_conformance, s34_the_clients_own_mistakes_suspend_nobody) {
    manager_rig rig;
    rig.network->put(offer("https://a:1", "m", t2i));
    rig.start();
    for (const auto& why :
         {to_fault(400, "undecodable image"),
          to_fault(413, "too large"),
          fault(fault_kind::client_gone, "it left"),
          to_fault(500, "audio-to-text container returned 400: bad")}) {
        for (int i = 0; i < 5; ++i) {
            auto s = rig.sessions->begin(job_need(t2i, "m"), 5s);
            auto a = rig.next(s);
            ASSERT_TRUE(a);
            s.failed(std::move(*a), why);
            EXPECT_FALSE(rig.next(s));
        }
    }
    const auto pools = rig.sessions->pools_info();
    EXPECT_TRUE(pools.at("27_m").at("suspended").at("list").as_object().empty());
}

} // namespace
} // namespace rivulet::session
