#include "worker/runner_health.hpp"

#include <gtest/gtest.h>

namespace rivulet::worker {

using namespace std::chrono_literals;

constexpr time_point now{std::chrono::hours(1)};

TEST(runner_health, nobody_is_ready_before_a_first_answer) {
    const runner_health health;
    EXPECT_FALSE(health.ready(true));
    EXPECT_FALSE(health.lost(now));
}

TEST(runner_health, ok_means_busy_for_some_and_well_for_others) {
    runner_health health;
    health.heard(runner_word::ok, now);
    EXPECT_FALSE(health.ready(false));
    EXPECT_TRUE(health.ready(true));
    health.heard(runner_word::idle, now);
    EXPECT_TRUE(health.ready(false));
}

TEST(runner_health, one_silence_keeps_new_jobs_away_and_two_end_the_running_one) {
    runner_health health;
    health.heard(runner_word::idle, now);
    health.silent();
    EXPECT_FALSE(health.ready(true));
    EXPECT_FALSE(health.lost(now));
    health.silent();
    EXPECT_TRUE(health.lost(now));
    health.heard(runner_word::idle, now);
    EXPECT_FALSE(health.lost(now));
    EXPECT_TRUE(health.ready(false));
}

TEST(runner_health, an_error_is_the_end_at_once) {
    runner_health health;
    health.heard(runner_word::error, now);
    EXPECT_TRUE(health.lost(now));
    EXPECT_FALSE(health.ready(true));
}

TEST(runner_health, loading_for_more_than_three_minutes_is_as_good_as_lost) {
    runner_health health;
    health.heard(runner_word::loading, now);
    health.heard(runner_word::loading, now + 3min);
    EXPECT_FALSE(health.lost(now + 3min));
    EXPECT_TRUE(health.lost(now + 3min + 1s));
    health.heard(runner_word::idle, now + 4min);
    health.heard(runner_word::loading, now + 5min);
    EXPECT_FALSE(health.lost(now + 6min));
}

TEST(runner_health, after_a_job_the_runner_has_to_speak_first) {
    runner_health health;
    health.heard(runner_word::idle, now);
    health.job_ended();
    EXPECT_FALSE(health.ready(true));
    health.heard(runner_word::idle, now);
    EXPECT_TRUE(health.ready(false));
}

} // namespace rivulet::worker
