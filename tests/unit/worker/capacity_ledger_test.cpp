#include "worker/capacity_ledger.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

namespace rivulet::worker {

TEST(capacity_ledger, refuses_when_every_place_is_taken) {
    capacity_ledger ledger({.transcoding = 2, .passthrough = 1});
    auto first = ledger.take(job_weight::transcoding);
    auto second = ledger.take(job_weight::transcoding);
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    auto third = ledger.take(job_weight::transcoding);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error(), errc::no_capacity);
}

TEST(capacity_ledger, counts_passthrough_jobs_apart) {
    capacity_ledger ledger({.transcoding = 1, .passthrough = 1});
    auto transcoding = ledger.take(job_weight::transcoding);
    EXPECT_TRUE(ledger.take(job_weight::passthrough));
    auto light = ledger.take(job_weight::passthrough);
    EXPECT_TRUE(light);
    EXPECT_FALSE(ledger.take(job_weight::passthrough));
}

TEST(capacity_ledger, gives_a_place_back_once) {
    capacity_ledger ledger({.transcoding = 1, .passthrough = 1});
    auto place = ledger.take(job_weight::transcoding);
    ASSERT_TRUE(place);
    auto moved = std::move(*place);
    moved.release();
    moved.release();
    EXPECT_EQ(ledger.in_use(job_weight::transcoding), 0u);
    EXPECT_TRUE(ledger.take(job_weight::transcoding));
}

TEST(capacity_ledger, a_lease_may_outlive_the_ledger) {
    capacity_ledger::lease place;
    {
        capacity_ledger ledger({.transcoding = 1, .passthrough = 1});
        place = std::move(*ledger.take(job_weight::transcoding));
    }
    place.release();
    EXPECT_FALSE(place);
}

TEST(capacity_ledger, refuses_after_close) {
    capacity_ledger ledger({.transcoding = 1, .passthrough = 1});
    ledger.close();
    EXPECT_FALSE(ledger.take(job_weight::transcoding));
}

TEST(capacity_ledger, never_gives_more_than_the_limit_to_many_threads) {
    capacity_ledger ledger({.transcoding = 3, .passthrough = 1});
    std::atomic<int> most{0}, inside{0};
    std::vector<std::thread> takers;
    for (int i = 0; i < 4; ++i)
        takers.emplace_back([&] {
            for (int round = 0; round < 2000; ++round) {
                auto place = ledger.take(job_weight::transcoding);
                if (!place)
                    continue;
                const int now = ++inside;
                int seen = most;
                while (seen < now && !most.compare_exchange_weak(seen, now)) {
                }
                --inside;
            }
        });
    for (auto& each : takers)
        each.join();
    EXPECT_LE(most, 3);
    EXPECT_EQ(ledger.in_use(job_weight::transcoding), 0u);
}

} // namespace rivulet::worker
