#include "batch/result_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const time_point start = time_point() + 1000h;

void put(result_index& into, const std::string& name, std::uint64_t size, time_point at) {
    into.add(name, size, at);
    into.ready(name);
}

TEST(result_index, finds_a_file_from_when_it_is_ready_until_it_expires) {
    result_index index(100, 1h);
    index.add("a", 10, start);
    EXPECT_FALSE(index.find("a", start));
    index.ready("a");
    const auto found = index.find("a", start + 10min);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size, 10u);
    EXPECT_EQ(found->expires, start + 1h);
    EXPECT_TRUE(index.find("a", start + 1h - 1s));
    EXPECT_FALSE(index.find("a", start + 1h)) << "before anybody has swept";
    EXPECT_THAT(index.expire(start + 1h - 1s), IsEmpty());
    EXPECT_THAT(index.expire(start + 1h), ElementsAre("a"));
    EXPECT_EQ(index.bytes(), 0u);
    EXPECT_EQ(index.files(), 0u);
}

TEST(result_index, the_oldest_make_room_and_no_more_of_them_than_needed) {
    result_index index(100, 1h);
    put(index, "b", 40, start + 1s);
    put(index, "a", 40, start);
    put(index, "c", 20, start + 2s);
    const auto now = start + 5min;
    EXPECT_THAT(*index.make_room(40, now), ElementsAre("a"));
    EXPECT_THAT(*index.make_room(40, now), IsEmpty()) << "there is room already";
    EXPECT_THAT(*index.make_room(100, now), ElementsAre("b", "c"));
    EXPECT_EQ(index.bytes(), 0u);
}

TEST(result_index, nothing_goes_that_is_younger_than_a_minute) {
    result_index index(100, 1h);
    put(index, "old", 40, start);
    put(index, "young", 60, start + 30s);
    const auto refused = index.make_room(50, start + 60s);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::too_many);
    EXPECT_TRUE(index.find("old", start + 60s)) << "it stays when that doesn't help";
    EXPECT_THAT(*index.make_room(50, start + 90s), ElementsAre("old", "young"));
}

TEST(result_index, what_is_larger_than_the_store_evicts_nobody) {
    result_index index(100, 1h);
    put(index, "a", 100, start);
    EXPECT_EQ(index.make_room(101, start + 30min).error().code, errc::too_large);
    EXPECT_THAT(*index.make_room(100, start + 30min), ElementsAre("a"));
}

TEST(result_index, files_of_one_moment_are_told_apart) {
    result_index index(100, 1h);
    put(index, "a", 10, start);
    put(index, "b", 20, start);
    index.remove("b");
    index.remove("b");
    EXPECT_EQ(index.bytes(), 10u);
    EXPECT_TRUE(index.find("a", start));
    EXPECT_THAT(index.expire(start + 2h), ElementsAre("a"));
}

} // namespace
} // namespace rivulet::batch
