#include "session/selection_rule.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;

standing measured(double latency, int in_flight = 0, int slots = 1) {
    standing out;
    out.latency = latency;
    out.in_flight = in_flight;
    out.slots = slots;
    out.probed = time_point(1s);
    return out;
}

standing ranked(enum rank r) {
    auto out = measured(1);
    out.rank = r;
    return out;
}

TEST(selection_rule, shares_fall_with_the_square_of_what_is_expected) {
    const std::vector all{measured(1), measured(2), measured(3)};
    const auto s = shares(all, 0);
    EXPECT_NEAR(s[0] / s[1], 4, 1e-9);
    EXPECT_NEAR(s[0] / s[2], 9, 1e-9);
    EXPECT_NEAR(s[0] + s[1] + s[2], 1, 1e-9);
}

TEST(selection_rule, requests_in_flight_count_against_the_room) {
    const auto s = shares(std::vector{measured(1, 2, 4), measured(1, 2, 2), measured(1, 0, 1)}, 0);
    EXPECT_NEAR(s[2] / s[0], 2.25, 1e-9); // 1.5²
    EXPECT_NEAR(s[2] / s[1], 4, 1e-9);
}

TEST(selection_rule, faults_count_as_time_lost) {
    auto shaky = measured(1);
    shaky.faults = 0.5;
    const auto s = shares(std::vector{measured(1), shaky}, 0);
    EXPECT_NEAR(s[0] / s[1], 4, 1e-9);
    shaky.faults = 1; // never infinitely bad
    EXPECT_GT(shares(std::vector{measured(1), shaky}, 0)[1], 0);
}

TEST(selection_rule, only_the_best_rank_shares) {
    using enum rank;
    const std::vector all{
        ranked(suspended), ranked(avoided), ranked(full), ranked(cold), ranked(warm)};
    for (std::size_t left = all.size(); left > 0; --left) {
        const auto s = shares(std::span(all).first(left), 0.05);
        for (std::size_t i = 0; i < left; ++i)
            EXPECT_DOUBLE_EQ(s[i], i == left - 1 ? 1.0 : 0.0);
    }
    EXPECT_TRUE(shares({}, 0.05).empty());
}

TEST(selection_rule, exploration_goes_to_the_one_measured_longest_ago) {
    std::vector all{measured(1), measured(1), measured(1)};
    all[0].probed = time_point(3s);
    all[1].probed = time_point(2s);
    all[2].probed = time_point(4s);
    EXPECT_NEAR(shares(all, 0.3)[1], 0.7 / 3 + 0.3, 1e-9);
    all[2].probed.reset();
    EXPECT_NEAR(shares(all, 0.3)[2], 0.7 / 3 + 0.3, 1e-9);
}

TEST(orchestrators_conformance, s21_the_unscored_rank_with_the_best_nearest_first) {
    standing near, far;
    near.discovery = 0.010;
    far.discovery = 0.020;
    // Live: nobody was measured, the quickest answer to discovery is best.
    auto s = shares(std::vector{far, near}, 0);
    EXPECT_NEAR(s[1] / s[0], 4, 1e-9);
    // Batch: the unscored come before all but the best.
    auto known = measured(2), worse = measured(8);
    known.discovery = worse.discovery = 0.010;
    s = shares(std::vector{known, worse, near}, 0);
    EXPECT_NEAR(s[0], s[2], 1e-9);
    EXPECT_GT(s[2], s[1]);
    // However far away, it gets its chance.
    far.discovery = 100;
    s = shares(std::vector{known, far}, 0);
    EXPECT_NEAR(s[0] / s[1], 100, 1e-6);
}

TEST(selection_rule, extreme_numbers_stay_shares) {
    constexpr auto huge = std::numeric_limits<double>::max();
    std::vector all{measured(0), measured(1e-300), measured(huge), measured(1, 1'000'000, 0)};
    const auto s = shares(all, 0.05);
    double sum = 0;
    for (const auto one : s) {
        EXPECT_GE(one, 0);
        sum += one;
    }
    EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(selection_rule, picks_by_share) {
    const std::vector<double> s{0.0, 0.25, 0.0, 0.75, 0.0};
    EXPECT_EQ(pick(s, 0), 1u);
    EXPECT_EQ(pick(s, 0.2499), 1u);
    EXPECT_EQ(pick(s, 0.25), 3u);
    EXPECT_EQ(pick(s, 0.9999), 3u);
    EXPECT_EQ(pick(s, 1.0), 3u); // rounding never leaves the list
}

} // namespace
} // namespace rivulet::session
