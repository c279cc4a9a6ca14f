#include "batch/byte_budget.hpp"
#include "batch/json_footprint.hpp"
#include "batch/request.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/parser.hpp>
#include <gtest/gtest.h>

#include <algorithm>
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

// Knows what is taken of it.
class measuring_resource final : public boost::json::memory_resource {
  public:
    std::size_t live = 0, most = 0;

  private:
    void* do_allocate(std::size_t bytes, std::size_t) override {
        live += bytes;
        most = std::max(most, live);
        return ::operator new(bytes);
    }

    void do_deallocate(void* at, std::size_t bytes, std::size_t) override {
        live -= bytes;
        ::operator delete(at);
    }

    bool do_is_equal(const boost::json::memory_resource& other) const noexcept override {
        return this == &other;
    }
};

std::string list_of(const std::string& one, int count) {
    std::string text = "[" + one;
    for (int i = 1; i < count; ++i)
        text += "," + one;
    return text + "]";
}

std::string object_of(const std::string& one, int count) {
    std::string text = "{";
    for (int i = 0; i < count; ++i)
        text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":" + one;
    return text + "}";
}

TEST(json_footprint, is_never_less_than_what_is_taken) {
    const std::string fourteen(14, 'x'), fifteen(15, 'x');
    for (const auto& text :
         {std::string("7"),
          list_of("0", 10'000),
          list_of("[]", 10'000),
          list_of("{}", 10'000),
          list_of("[0]", 10'000),
          list_of(R"({"":0})", 10'000),
          list_of('"' + fourteen + '"', 10'000),
          list_of('"' + fifteen + '"', 10'000),
          list_of(list_of("0", 100), 100),
          object_of("0", 17),
          object_of("0", 10'000),
          object_of(object_of("0", 100), 100),
          '"' + std::string(100'000, 'x') + '"',
          list_of(R"("\n")", 10'000),
          R"("\n)" + std::string(100'000, 'x') + R"(\n")"}) {
        SCOPED_TRACE(text.substr(0, 40));
        measuring_resource measured;
        const auto value = [&] {
            boost::json::parser parser(&measured);
            parser.reset(&measured);
            parser.write(text);
            return parser.release();
        }();
        const auto live = json_footprint(value);
        EXPECT_GE(live, measured.live);
        const auto most = parsing_footprint(text);
        EXPECT_GE(most, measured.most);
        EXPECT_GE(most + sizeof(value), live);
        EXPECT_LE(most, 5 * measured.most + 5'000);
    }
}

TEST(json_footprint, of_broken_text_is_what_was_read_of_it) {
    EXPECT_LE(parsing_footprint(""), 1'000u);
    EXPECT_LE(parsing_footprint("no JSON"), 1'000u);
    const auto whole = list_of("0", 10'000);
    const auto cut = parsing_footprint(std::string_view(whole).substr(0, whole.size() - 1));
    EXPECT_GE(cut, 10'000 * sizeof(boost::json::value));
    EXPECT_LE(cut, parsing_footprint(whole));
}

TEST(json_footprint, a_text_is_parsed_when_there_is_room_for_its_values) {
    const auto text = list_of("[0]", 1'000);
    const auto needed = parsing_footprint(text);
    ASSERT_GT(needed, 10 * text.size());
    const auto asked = [&](std::uint64_t most, std::uint64_t others, std::uint64_t spare) {
        const auto memory = std::make_shared<byte_budget>(most);
        byte_share elsewhere(memory), mine(memory, spare);
        EXPECT_TRUE(elsewhere.take(others));
        EXPECT_TRUE(mine.take(text.size()));
        const auto room = make_room_to_parse(text, mine);
        EXPECT_EQ(mine.held(), room ? needed : text.size());
        return room ? 200u : static_cast<unsigned>(room.error().status);
    };
    EXPECT_EQ(asked(needed, 0, 0), 200u);
    EXPECT_EQ(asked(needed - 1, 0, 0), 413u);
    EXPECT_EQ(asked(needed + 10, 10, 0), 200u);
    EXPECT_EQ(asked(needed + 10, 11, 0), 503u);
    EXPECT_EQ(asked(2 * needed, 0, needed), 200u);
    EXPECT_EQ(asked(2 * needed, 0, needed + 1), 413u);
}

TEST(json_footprint, what_can_never_fit_is_told_with_the_limit_and_the_option) {
    const byte_share memory(std::make_shared<byte_budget>(2'000), 1'000);
    const auto full = no_memory_for(1'000, memory), never = no_memory_for(1'001, memory);
    EXPECT_EQ(full.status, http::status::service_unavailable);
    EXPECT_TRUE(full.retry_after);
    EXPECT_EQ(never.status, http::status::payload_too_large);
    EXPECT_FALSE(never.retry_after);
    EXPECT_NE(never.message.find("1000 "), std::string::npos) << never.message;
    EXPECT_NE(never.message.find("-batchMemory"), std::string::npos) << never.message;
}

} // namespace
} // namespace rivulet::batch
