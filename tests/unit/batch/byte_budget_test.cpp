#include "batch/byte_budget.hpp"
#include "batch/json_footprint.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace rivulet::batch {
namespace {

constexpr auto everything = std::numeric_limits<std::uint64_t>::max();

TEST(byte_budget, gives_up_to_its_limit_and_not_one_more) {
    const auto memory = std::make_shared<byte_budget>(100);
    byte_share one(memory), other(memory);
    EXPECT_TRUE(one.take(60));
    EXPECT_TRUE(other.take(40));
    EXPECT_FALSE(other.take(1));
    EXPECT_EQ(other.held(), 40u);
    EXPECT_EQ(memory->used(), 100u);
}

TEST(byte_budget, gets_back_what_a_share_held) {
    const auto memory = std::make_shared<byte_budget>(100);
    {
        byte_share all(memory);
        EXPECT_TRUE(all.take(100));
    }
    EXPECT_EQ(memory->used(), 0u);
    byte_share again(memory);
    EXPECT_TRUE(again.take(100));
    again.give_back(30);
    EXPECT_EQ(memory->used(), 70u);
    again.give_back(1'000);
    EXPECT_EQ(memory->used(), 0u);
}

TEST(byte_budget, leaves_what_is_spared_to_others) {
    const auto memory = std::make_shared<byte_budget>(100);
    byte_share body(memory, 50), reply(memory);
    EXPECT_TRUE(body.take(50));
    EXPECT_FALSE(body.take(1));
    EXPECT_TRUE(reply.take(50));
    EXPECT_FALSE(reply.take(1));
    // More than there is: nothing is left.
    byte_share none(memory, everything);
    EXPECT_FALSE(none.take(1));
}

TEST(byte_budget, does_not_wrap_around) {
    const auto memory = std::make_shared<byte_budget>(100);
    byte_share one(memory);
    EXPECT_TRUE(one.take(1));
    EXPECT_FALSE(one.take(everything));
    EXPECT_FALSE(one.hold(everything));
    EXPECT_EQ(memory->used(), 1u);
}

TEST(byte_budget, holds_as_much_as_is_said) {
    const auto memory = std::make_shared<byte_budget>(100);
    byte_share one(memory);
    EXPECT_TRUE(one.hold(100));
    EXPECT_TRUE(one.hold(30));
    EXPECT_EQ(memory->used(), 30u);
    EXPECT_FALSE(one.hold(101));
    EXPECT_EQ(one.held(), 30u);
}

TEST(byte_budget, a_share_that_moves_is_counted_once) {
    const auto memory = std::make_shared<byte_budget>(100);
    byte_share one(memory), other(memory);
    EXPECT_TRUE(one.take(10));
    EXPECT_TRUE(other.take(20));
    other = std::move(one);
    EXPECT_EQ(other.held(), 10u);
    {
        const byte_share taken(std::move(other));
        one = byte_share();
        EXPECT_EQ(memory->used(), 10u);
    }
    EXPECT_EQ(memory->used(), 0u);
}

TEST(byte_budget, without_one_there_is_always_room) {
    byte_share free;
    EXPECT_TRUE(free.take(1ull << 40));
    EXPECT_EQ(free.held(), 1ull << 40);
}

TEST(byte_budget, is_never_exceeded_by_many_at_once) {
    const auto memory = std::make_shared<byte_budget>(1'000);
    std::atomic<std::uint64_t> most{0};
    std::vector<std::thread> users;
    for (int i = 0; i < 4; ++i)
        users.emplace_back([&] {
            for (int n = 0; n < 10'000; ++n) {
                byte_share mine(memory);
                if (!mine.take(300))
                    continue;
                const auto used = memory->used();
                auto seen = most.load();
                while (used > seen && !most.compare_exchange_weak(seen, used)) {
                }
            }
        });
    for (auto& each : users)
        each.join();
    EXPECT_LE(most, 1'000u);
    EXPECT_EQ(memory->used(), 0u);
}

TEST(json_footprint, small_values_take_more_than_their_text) {
    std::string text = "[0";
    for (int i = 0; i < 9'999; ++i)
        text += ",0";
    EXPECT_GE(json_footprint(boost::json::parse(text + "]")), 10'000 * sizeof(boost::json::value));
}

TEST(json_footprint, long_texts_take_about_what_they_are) {
    const auto value = boost::json::parse("{\"a\":[\"" + std::string(100'000, 'x') + "\"]}");
    EXPECT_GE(json_footprint(value), 100'000u);
    EXPECT_LE(json_footprint(value), 210'000u);
    EXPECT_LE(json_footprint(boost::json::parse(R"({"a":1,"b":"c"})")), 1'000u);
}

} // namespace
} // namespace rivulet::batch
