#include "batch/admission.hpp"
#include "batch/admission_queue.hpp"
#include "support/run_inline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rivulet::batch {
namespace {

using entry = admission_queue::entry;

TEST(admission_queue, begins_at_once_while_there_is_room) {
    admission_queue doors(2, 5);
    EXPECT_EQ(doors.enter(1), entry::begun);
    EXPECT_EQ(doors.enter(2), entry::begun);
    EXPECT_EQ(doors.enter(3), entry::queued);
    EXPECT_EQ(doors.running(), 2u);
    EXPECT_EQ(doors.waiting(), 1u);
}

TEST(admission_queue, calls_in_the_order_of_arrival) {
    admission_queue doors(1, 5);
    for (std::uint64_t id = 1; id <= 4; ++id)
        doors.enter(id);
    EXPECT_TRUE(doors.give_up(3));
    EXPECT_EQ(doors.leave(), 2u);
    EXPECT_EQ(doors.leave(), 4u);
    EXPECT_EQ(doors.leave(), std::nullopt);
    EXPECT_EQ(doors.running(), 0u);
}

TEST(admission_queue, is_full_at_its_limit) {
    admission_queue doors(1, 1);
    EXPECT_EQ(doors.enter(1), entry::begun);
    EXPECT_EQ(doors.enter(2), entry::queued);
    EXPECT_EQ(doors.enter(3), entry::full);
    EXPECT_TRUE(doors.give_up(2));
    EXPECT_FALSE(doors.give_up(2));
    EXPECT_EQ(doors.enter(4), entry::queued);
}

TEST(admission_queue, says_beforehand_who_would_be_sent_away) {
    admission_queue doors(1, 1);
    EXPECT_FALSE(doors.full());
    doors.enter(1);
    EXPECT_FALSE(doors.full());
    doors.enter(2);
    EXPECT_TRUE(doors.full());
    doors.leave();
    EXPECT_FALSE(doors.full());
}

TEST(admission_queue, lets_nobody_overtake_who_waits) {
    admission_queue doors(1, 2);
    doors.enter(1);
    doors.enter(2);
    EXPECT_EQ(doors.leave(), 2u);
    EXPECT_FALSE(doors.enter_now());
    EXPECT_EQ(doors.leave(), std::nullopt);
    EXPECT_TRUE(doors.enter_now());
}

admission_limits limits(std::size_t running, std::size_t waiting, duration longest) {
    admission_limits out;
    out.running = running;
    out.waiting = waiting;
    out.longest_wait = longest;
    return out;
}

awaitable<void> enter_and_leave(admission& doors, int who, std::vector<int>& order) {
    auto place = co_await doors.enter();
    if (place)
        order.push_back(who);
}

TEST(admission, gives_a_place_on_in_the_order_of_arrival) {
    admission doors(limits(1, 10, std::chrono::seconds(10)));
    asio::io_context context;
    std::vector<int> order;
    auto first = doors.enter_now();
    ASSERT_TRUE(first);
    for (int who = 1; who <= 3; ++who)
        asio::co_spawn(context, enter_and_leave(doors, who, order), [](std::exception_ptr) {});
    context.poll();
    EXPECT_EQ(doors.waiting(), 3u);
    EXPECT_TRUE(order.empty());
    first.reset();
    context.restart();
    context.run();
    EXPECT_THAT(order, testing::ElementsAre(1, 2, 3));
    EXPECT_EQ(doors.running(), 0u);
}

awaitable<std::optional<api_error>> refusal_of(admission& doors) {
    auto place = co_await doors.enter();
    if (place)
        co_return std::nullopt;
    co_return place.error();
}

TEST(admission, tells_who_waited_too_long_when_to_come_again) {
    admission doors(limits(1, 10, duration::zero()));
    const auto held = doors.enter_now();
    const auto no = test::run_inline(refusal_of(doors));
    ASSERT_TRUE(no);
    EXPECT_EQ(no->status, http::status::too_many_requests);
    EXPECT_TRUE(no->retry_after);
    EXPECT_EQ(doors.waiting(), 0u);
}

TEST(admission, refuses_who_would_stand_behind_too_many) {
    admission doors(limits(1, 0, std::chrono::seconds(10)));
    const auto held = doors.enter_now();
    const auto no = test::run_inline(refusal_of(doors));
    ASSERT_TRUE(no);
    EXPECT_EQ(no->status, http::status::too_many_requests);
}

TEST(admission, says_beforehand_that_there_will_be_no_turn) {
    admission doors(limits(1, 0, std::chrono::seconds(10)));
    EXPECT_FALSE(doors.refusal());
    {
        const auto held = doors.enter_now();
        const auto no = doors.refusal();
        ASSERT_TRUE(no);
        EXPECT_EQ(no->status, http::status::too_many_requests);
        EXPECT_TRUE(no->retry_after);
    }
    EXPECT_FALSE(doors.refusal());
}

TEST(admission, forgets_a_waiter_that_is_cancelled) {
    admission doors(limits(1, 10, std::chrono::seconds(10)));
    asio::io_context context;
    std::vector<int> order;
    auto held = doors.enter_now();
    {
        asio::io_context gone;
        asio::co_spawn(gone, enter_and_leave(doors, 1, order), [](std::exception_ptr) {});
        gone.poll();
        EXPECT_EQ(doors.waiting(), 1u);
    }
    EXPECT_EQ(doors.waiting(), 0u);
    held.reset();
    EXPECT_EQ(doors.running(), 0u);
    EXPECT_TRUE(order.empty());
}

} // namespace
} // namespace rivulet::batch
