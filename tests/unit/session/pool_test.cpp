#include "session/pool.hpp"
#include "session/retry_fsm.hpp"
#include "support/scripted_network.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using test::offer;

constexpr auto live = capability::live_video_to_video;
constexpr auto t2i = capability::text_to_image;
constexpr time_point start{1000s};

found from(const std::string& dialled, orchestrator_info info, duration latency = 10ms) {
    found out;
    out.info = std::make_shared<const orchestrator_info>(std::move(info));
    out.dialled = dialled;
    out.latency = latency;
    return out;
}

found itself(orchestrator_info info, duration latency = 10ms) {
    auto dialled = info.transcoder;
    return from(dialled, std::move(info), latency);
}

manager_options no_exploration() {
    manager_options out;
    out.exploration = 0;
    return out;
}

orchestrator_info with_address(orchestrator_info info, char c) {
    info.address = std::string(20, c);
    return info;
}

TEST(orchestrators_conformance, s8_who_lists_no_such_model_never_enters_a_pool) {
    pool p(live, "noop", no_exploration());
    EXPECT_FALSE(p.add(itself(offer("https://a:1", "other")), start).member);
    auto bare = offer("https://a:1", "noop");
    bare.capabilities->models.clear();
    EXPECT_FALSE(p.add(itself(bare), start).member);
    bare.capabilities.reset();
    EXPECT_FALSE(p.add(itself(bare), start).member);
    EXPECT_TRUE(p.members().empty());
}

// Improved: a warm one that is full doesn't hold up requests while a cold one has room.
TEST(orchestrators_conformance, s20_warm_ones_are_preferred_while_they_have_room) {
    pool p(t2i, "m", no_exploration());
    const auto warm =
        p.add(itself(offer("https://warm:1", "m", t2i, 2, true), 500ms), start).member;
    const auto cold = p.add(itself(offer("https://cold:1", "m", t2i, 9, false), 1ms), start).member;
    for (const double random : {0.0, 0.5, 0.999})
        EXPECT_EQ(p.choose({}, start, random), warm);
    p.taken(*warm, start);
    EXPECT_EQ(p.choose({}, start, 0.5), warm); // busy, with room
    p.taken(*warm, start);
    EXPECT_EQ(p.choose({}, start, 0.5), cold); // full
    p.released(*warm, start, true);
    EXPECT_EQ(p.choose({}, start, 0.5), warm);
}

TEST(pool, what_an_orchestrator_takes_now_is_what_it_said_and_what_we_gave_it_before) {
    pool p(live, "noop", no_exploration());
    const auto one = p.add(itself(offer("https://a:1", "noop", live, 3)), start).member;
    EXPECT_EQ(one->slots(), 3);
    p.taken(*one, start);
    p.taken(*one, start);
    EXPECT_EQ(one->slots(), 3);
    // It says one is left: the two it has are ours.
    p.add(itself(offer("https://a:1", "noop", live, 1)), start);
    EXPECT_EQ(one->slots(), 3);
    // It says nothing about room.
    p.released(*one, start, true);
    p.released(*one, start, true);
    p.add(itself(offer("https://a:1", "noop", live, 0)), start);
    EXPECT_EQ(one->slots(), 1);
    auto busy = offer("https://a:1", "noop", live, 0);
    busy.capabilities->models[35]["noop"].capacity_in_use = 4;
    p.add(itself(busy), start);
    EXPECT_EQ(one->slots(), 0);
    auto huge = offer("https://a:1", "noop", live, 0xffffffffU);
    p.add(itself(huge), start);
    EXPECT_GT(one->slots(), 0);
}

TEST(pool, one_that_was_full_rests_and_is_still_the_last_resort) {
    pool p(t2i, "m", no_exploration());
    const auto a = p.add(itself(offer("https://a:1", "m", t2i)), start).member;
    const auto b = p.add(itself(offer("https://b:1", "m", t2i, 1, false)), start).member;
    EXPECT_FALSE(p.failed(*a, to_fault(503, ""), remedy::set_aside, start, start));
    EXPECT_EQ(p.choose({}, start, 0), b);
    choice_terms without_b;
    without_b.excluded.insert(b->url);
    EXPECT_EQ(p.choose(without_b, start, 0), a);
    EXPECT_EQ(p.choose({}, start + pool::rest, 0), a);
}

TEST(pool, one_that_was_full_has_room_again_when_one_of_ours_ends_there) {
    pool p(t2i, "m", no_exploration());
    const auto a = p.add(itself(offer("https://a:1", "m", t2i, 5)), start).member;
    p.add(itself(offer("https://b:1", "m", t2i, 1, false)), start);
    p.taken(*a, start);
    p.worked(*a, start, 1.0, start);
    p.taken(*a, start);
    p.failed(*a, to_fault(503, ""), remedy::set_aside, start, start);
    p.released(*a, start, false);
    EXPECT_NE(p.choose({}, start, 0), a);
    p.released(*a, start, true);
    EXPECT_EQ(p.choose({}, start, 0), a);
}

TEST(pool, the_suspended_are_taken_when_nobody_else_is_there) {
    pool p(t2i, "m", no_exploration());
    const auto a = p.add(itself(offer("https://a:1", "m", t2i)), start).member;
    const auto b = p.add(itself(offer("https://b:1", "m", t2i, 1, false)), start).member;
    EXPECT_TRUE(p.failed(*a, fault(fault_kind::unreachable, ""), remedy::suspend, start, start));
    EXPECT_EQ(p.choose({}, start, 0), b);
    choice_terms terms;
    terms.excluded.insert(b->url);
    EXPECT_EQ(p.choose(terms, start, 0), a);
    EXPECT_EQ(p.next_return(start), start + 10s);
    // Then one request is on trial, and no second one.
    EXPECT_EQ(p.choose({}, start + 10s, 0), a);
    p.taken(*a, start + 10s);
    EXPECT_EQ(p.choose({}, start + 10s, 0), b);
}

TEST(pool, who_comes_back_to_the_list_is_known_as_before) {
    const auto options = no_exploration();
    pool p(live, "noop", options);
    const auto listed = [](const std::string& url) {
        auto out = itself(offer(url, "noop", live, 2));
        out.listed_as = url;
        return out;
    };
    const auto a = p.add(listed("https://a:1"), start).member;
    const auto b = p.add(listed("https://b:1"), start).member;
    p.taken(*a, start);
    p.taken(*a, start);
    p.worked(*a, start, 0.25, start);
    p.failed(*a, fault(fault_kind::unreachable, ""), remedy::suspend, start, start);
    p.released(*a, start, true);
    p.keep_only({"https://b:1"}, start);
    EXPECT_EQ(p.find("https://a:1"), nullptr);
    EXPECT_EQ(p.in_flight(), 1) << "what runs there counts";

    const auto again = p.add(listed("https://a:1"), start);
    ASSERT_TRUE(again.member);
    EXPECT_TRUE(again.fresh);
    EXPECT_EQ(again.member->latency, 0.25);
    EXPECT_EQ(again.member->in_flight, 1);
    for (const double random : {0.0, 0.5, 0.999})
        EXPECT_EQ(p.choose({}, start, random), b);
    p.released(*a, start, true);
    EXPECT_EQ(p.in_flight(), 0);

    // Somebody else under that name has a name of his own to make.
    p.keep_only({"https://b:1"}, start);
    auto other = from("https://c:1", with_address(offer("https://a:1", "noop"), 'x'));
    other.listed_as = "https://c:1";
    const auto unknown = p.add(other, start).member;
    ASSERT_TRUE(unknown);
    EXPECT_TRUE(unknown->latency) << "nobody said who it was";
    p.keep_only({"https://b:1"}, start);
    auto stranger = from("https://d:1", with_address(offer("https://a:1", "noop"), 'y'));
    EXPECT_FALSE(p.add(stranger, start).member->latency);
}

TEST(pool, who_left_the_list_is_forgotten_in_the_end) {
    const auto options = no_exploration();
    pool p(live, "noop", options);
    auto one = itself(offer("https://a:1", "noop"));
    one.listed_as = "https://a:1";
    const auto a = p.add(one, start).member;
    p.worked(*a, start, 0.25, start);
    p.keep_only({}, start);
    EXPECT_FALSE(p.add(one, start + options.suspension_last).member->latency);
}

TEST(pool, the_avoided_come_after_the_full_and_before_the_suspended) {
    pool p(t2i, "m", no_exploration());
    const auto a = p.add(itself(offer("https://a:1", "m", t2i)), start).member;
    choice_terms terms;
    terms.avoid = {"https://a:1"};
    EXPECT_EQ(p.choose(terms, start, 0), a);
    EXPECT_FALSE(p.has_room(terms, start, false));
    const auto b = p.add(itself(offer("https://b:1", "m", t2i)), start).member;
    p.failed(*b, to_fault(503, ""), remedy::set_aside, start, start);
    EXPECT_EQ(p.choose(terms, start, 0), b);
}

TEST(pool, of_the_suspended_those_to_be_avoided_come_last) {
    pool p(t2i, "m", no_exploration());
    const auto a = p.add(itself(offer("https://a:1", "m", t2i)), start).member;
    const auto b = p.add(itself(offer("https://b:1", "m", t2i, 1, false)), start).member;
    p.failed(*a, fault(fault_kind::unreachable, ""), remedy::suspend, start, start);
    p.failed(*b, fault(fault_kind::unreachable, ""), remedy::suspend, start, start);
    choice_terms terms;
    terms.avoid = {"https://a:1"};
    for (const double random : {0.0, 0.3, 0.7, 0.999})
        EXPECT_EQ(p.choose(terms, start, random), b);
}

TEST(pool, prices_above_the_cap_are_out_unless_needed_and_allowed) {
    pool p(t2i, "m", no_exploration());
    auto info = offer("https://a:1", "m", t2i);
    info.price.emplace();
    info.price->per_unit = 20;
    info.price->pixels_per_unit = 2;
    const auto a = p.add(itself(info), start).member;
    choice_terms terms;
    terms.cap = price{10, 1};
    EXPECT_EQ(p.choose(terms, start, 0), a); // equal
    terms.cap = price{9, 1};
    EXPECT_EQ(p.choose(terms, start, 0), nullptr);
    EXPECT_THAT(p.nobody(terms), testing::HasSubstr("1 of 1"));
    terms.ignore_cap_if_needed = true;
    EXPECT_EQ(p.choose(terms, start, 0), a);
    const auto b = p.add(itself(offer("https://free:1", "m", t2i, 1, false)), start).member;
    EXPECT_EQ(p.choose(terms, start, 0), b);
}

TEST(pool, a_filter_leaves_who_carries_it_in_the_url) {
    pool p(live, "noop", no_exploration());
    p.add(itself(offer("https://one.example:1", "noop")), start);
    const auto two = p.add(itself(offer("https://two.example:1", "noop")), start).member;
    choice_terms terms;
    terms.filter = "two.";
    for (const double random : {0.0, 0.99})
        EXPECT_EQ(p.choose(terms, start, random), two);
    terms.filter = "three";
    EXPECT_EQ(p.choose(terms, start, 0), nullptr);
    EXPECT_EQ(p.nobody(terms), "none of 2 matches 'three'");
}

TEST(pool, measurements_decay_and_no_measurement_counts_for_nothing) {
    pool p(t2i, "m", no_exploration());
    const auto a = p.add(itself(offer("https://a:1", "m", t2i)), start).member;
    p.worked(*a, start, 0.0, start);
    p.worked(*a, start, std::nullopt, start);
    p.worked(*a, start, -1, start);
    p.worked(*a, start, std::numeric_limits<double>::infinity(), start);
    EXPECT_FALSE(a->latency);
    p.worked(*a, start, 1.0, start);
    EXPECT_DOUBLE_EQ(*a->latency, 1.0);
    p.worked(*a, start, 2.0, start);
    EXPECT_DOUBLE_EQ(*a->latency, 1.3);
}

TEST(pool, nobody_speaks_for_an_orchestrator_that_speaks_for_itself) {
    pool p(live, "noop", no_exploration());
    const auto honest =
        p.add(itself(with_address(offer("https://real:1", "noop"), 'a')), start).member;
    const auto claim =
        p.add(from("https://thief:1", with_address(offer("https://real:1", "noop"), 'b')), start);
    EXPECT_FALSE(claim.member);
    EXPECT_TRUE(claim.suspicious);
    EXPECT_EQ(honest->info->address, std::string(20, 'a'));
    ASSERT_EQ(p.members().size(), 1u);

    // Who came first with a claim gives way to the one it claims to be.
    pool q(live, "noop", no_exploration());
    q.add(from("https://thief:1", with_address(offer("https://real:1", "noop"), 'b')), start);
    const auto real = q.add(itself(with_address(offer("https://real:1", "noop"), 'a')), start);
    ASSERT_TRUE(real.member);
    EXPECT_TRUE(real.suspicious);
    EXPECT_EQ(q.members().size(), 1u);
    EXPECT_EQ(q.members()[0]->info->address, std::string(20, 'a'));
}

TEST(pool, two_ways_to_one_orchestrator_raise_no_suspicion) {
    pool p(live, "noop", no_exploration());
    p.add(from("https://one:1", offer("https://real:1", "noop")), start);
    const auto second = p.add(from("https://two:1", offer("https://real:1", "noop")), start);
    EXPECT_FALSE(second.suspicious);
    EXPECT_EQ(p.members().size(), 1u);
}

TEST(pool, a_hostile_list_is_bounded) {
    pool p(live, "noop", no_exploration());
    for (std::size_t i = 0; i < pool::most_members + 10; ++i)
        p.add(from("https://a:1", offer(fmt::format("https://a:{}", i), "noop")), start);
    EXPECT_EQ(p.members().size(), pool::most_members);
}

TEST(pool, chosen_shares_follow_the_rule) {
    manager_options options;
    pool p(t2i, "m", options);
    for (int i = 1; i <= 5; ++i) {
        const auto one =
            p.add(itself(offer(fmt::format("https://{}:1", i), "m", t2i, 100)), start).member;
        p.worked(*one, start, i * 0.1, start + i * 1s);
    }
    const auto rule = p.distribution({}, start);
    std::map<std::string, int> chosen;
    std::mt19937_64 engine(7);
    std::uniform_real_distribution<double> random(0, 1);
    constexpr int choices = 20'000;
    for (int i = 0; i < choices; ++i)
        ++chosen[p.choose({}, start, random(engine))->url];
    for (const auto& [url, share] : rule)
        EXPECT_NEAR(chosen[url] / double(choices), share, 0.02) << url;
    // Four times the time, a sixteenth of the requests (and 5 % for the one longest unmeasured).
    EXPECT_NEAR((rule.at("https://1:1") - 0.05) / rule.at("https://4:1"), 16, 1e-6);
}

// 50 orchestrators, some dead, some failing at random, some full, some dear: whatever happens, a
// request that gives up has tried everybody or the last healthy one with room was taken.
TEST(pool, no_request_fails_while_a_healthy_orchestrator_has_room) {
    enum class nature { healthy, dead, shaky, broken };

    struct fake {
        nature is = nature::healthy;
        int room = 0, busy = 0;
    };

    for (unsigned seed = 1; seed <= 8; ++seed) {
        std::mt19937_64 engine(seed);
        std::uniform_real_distribution<double> random(0, 1);
        std::map<std::string, fake> fakes;
        pool p(t2i, "m", {});
        auto now = start;
        const auto announce = [&] {
            for (auto& [url, one] : fakes) {
                auto info = offer(url, "m", t2i, 0, random(engine) < 0.7);
                auto& row = info.capabilities->models[27]["m"];
                row.capacity = static_cast<std::uint32_t>(one.room - one.busy);
                row.capacity_in_use = static_cast<std::uint32_t>(one.busy);
                if (one.is != nature::dead)
                    p.add(itself(info, std::chrono::milliseconds(1 + engine() % 50)), now);
            }
        };
        for (int i = 0; i < 50; ++i) {
            fake one;
            one.is = i < 10 ? nature::healthy : static_cast<nature>(engine() % 4);
            one.room = 1 + static_cast<int>(engine() % 4);
            fakes[fmt::format("https://o{}:1", i)] = one;
        }
        announce();
        for (auto& [url, one] : fakes)
            if (one.is == nature::healthy && random(engine) < 0.1)
                one.is = nature::dead; // it dies after it was found

        struct running {
            member_ptr on;
            time_point began;
        };

        std::deque<running> jobs;
        int failures = 0, served = 0;
        for (int request = 0; request < 1'000; ++request) {
            now += 1ms * static_cast<int>(engine() % 20);
            if (engine() % 400 == 0)
                announce();
            while (!jobs.empty() && (jobs.size() > 20 + 5 * seed || engine() % 3 == 0)) {
                p.worked(*jobs.front().on, jobs.front().began, 0.1 + random(engine), now);
                p.released(*jobs.front().on, jobs.front().began, true);
                --fakes[jobs.front().on->url].busy;
                jobs.pop_front();
            }
            retry_fsm tries(60s, now);
            bool done = false;
            while (!done && tries.next(now) == retry_fsm::step::choose) {
                choice_terms terms;
                terms.excluded = tries.excluded();
                const auto member = p.choose(terms, now, random(engine));
                if (!member)
                    break;
                auto& one = fakes[member->url];
                tries.trying(member->url, now);
                p.taken(*member, now);
                std::optional<fault> why;
                if (one.is == nature::dead)
                    why = fault(fault_kind::unreachable, "connection refused");
                else if (one.is == nature::broken)
                    why = to_fault(500, "broken");
                else if (one.is == nature::shaky && random(engine) < 0.5)
                    why = to_fault(500, "shaky");
                else if (one.busy >= one.room)
                    why = to_fault(503, "insufficient capacity");
                if (!why) {
                    ++one.busy;
                    jobs.push_back({member, now});
                    done = true;
                    break;
                }
                const auto then = tries.failed(*why, now);
                p.failed(*member, *why, then, now, now);
                p.released(*member, now, false);
            }
            ++(done ? served : failures);
            if (done)
                continue;
            for (const auto& one : p.members()) {
                const auto& is = fakes[one->url];
                EXPECT_FALSE(is.is == nature::healthy && is.busy < is.room)
                    << "seed " << seed << ": " << one->url << " had room; "
                    << tries.summary("", now);
            }
        }
        EXPECT_GT(served, 500) << seed;
        for (const auto& job : jobs)
            p.released(*job.on, job.began, true);
        for (const auto& one : p.members())
            EXPECT_EQ(one->in_flight, 0);
    }
}

} // namespace
} // namespace rivulet::session
