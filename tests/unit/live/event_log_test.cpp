#include "live/event_hub.hpp"
#include "live/event_log.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <thread>

namespace rivulet::live {
namespace {

namespace json = boost::json;

json::value parsed(const event_log::text& text) {
    return text ? json::parse(*text) : json::value();
}

std::vector<std::uint64_t>
read_all(const event_log& log, std::uint64_t& cursor, std::string_view stream = {}) {
    std::vector<std::uint64_t> numbers;
    while (const auto text = log.next(cursor, stream, 0))
        numbers.push_back(parsed(text).at("seq").to_number<std::uint64_t>());
    return numbers;
}

using numbers = std::vector<std::uint64_t>;

TEST(event_log, writes_an_event_as_one_json_object) {
    event_log log(41);
    EXPECT_EQ(log.add("cam \"1\"", "state", {{"state", "live"}}, 1'700'000'000'123), 42u);
    std::uint64_t cursor = 41;
    EXPECT_EQ(
        *log.next(cursor, {}, 0),
        R"({"seq":42,"time":1700000000123,"stream":"cam \"1\"","type":"state","data":{"state":"live"}})"
    );
    EXPECT_EQ(cursor, 42u);
    EXPECT_EQ(log.next(cursor, {}, 0), nullptr);
}

TEST(event_log, gives_each_reader_what_came_after_its_cursor) {
    event_log log(0);
    for (int i = 0; i < 5; ++i)
        log.add("cam", "state", {}, 0);
    std::uint64_t behind = 3, current = 5;
    EXPECT_EQ(read_all(log, behind), (numbers{4, 5}));
    EXPECT_EQ(read_all(log, current), numbers{});
    log.add("cam", "state", {}, 0);
    EXPECT_EQ(read_all(log, behind), numbers{6});
    EXPECT_EQ(read_all(log, current), numbers{6});
}

TEST(event_log, picks_the_events_of_one_stream) {
    event_log log(0);
    for (int i = 0; i < 3; ++i) {
        log.add("cam", "state", {}, 0);
        log.add("cam2", "state", {}, 0);
    }
    std::uint64_t cursor = 0;
    EXPECT_EQ(read_all(log, cursor, "cam"), (numbers{1, 3, 5}));
    EXPECT_EQ(cursor, 6u); // what was skipped is not looked at again
}

TEST(event_log, says_that_events_are_gone_before_it_goes_on) {
    event_log log(0, {.events = 3});
    for (int i = 0; i < 10; ++i)
        log.add("cam", "state", {}, 0);
    std::uint64_t cursor = 2;
    const auto gap = parsed(log.next(cursor, "cam", 55));
    EXPECT_EQ(gap.at("type"), "gap");
    EXPECT_EQ(gap.at("seq"), 7); // resuming behind it misses nothing that is kept
    EXPECT_EQ(gap.at("time"), 55);
    EXPECT_EQ(gap.at("data").at("after"), 2);
    EXPECT_EQ(gap.at("data").at("oldest"), 8);
    EXPECT_EQ(read_all(log, cursor, "cam"), (numbers{8, 9, 10}));
    std::uint64_t just_in_time = 7;
    EXPECT_EQ(read_all(log, just_in_time), (numbers{8, 9, 10}));
}

TEST(event_log, takes_a_number_of_the_future_for_one_from_before_a_restart) {
    event_log log(100);
    log.add("cam", "state", {}, 0);
    std::uint64_t cursor = 5'000;
    EXPECT_EQ(parsed(log.next(cursor, {}, 0)).at("type"), "gap");
    EXPECT_EQ(read_all(log, cursor), numbers{101});
    event_log empty(100);
    std::uint64_t greatest = ~std::uint64_t{0};
    EXPECT_EQ(parsed(empty.next(greatest, {}, 0)).at("seq"), 100);
    EXPECT_EQ(empty.next(greatest, {}, 0), nullptr);
}

TEST(event_log, is_bounded_in_bytes_and_drops_the_data_of_an_event_that_is_too_large) {
    event_log log(0, {.events = 1'000, .bytes = 10'000, .data_bytes = 2'000});
    for (int i = 0; i < 100; ++i)
        log.add("cam", "status", {{"text", std::string(1'900, 'x')}}, 0);
    EXPECT_LE(log.bytes(), 10'000u);
    EXPECT_EQ(log.last() + 1 - log.oldest(), 5u);
    log.add("cam", "status", {{"text", std::string(5'000, 'x')}}, 0);
    std::uint64_t cursor = log.last() - 1;
    const auto event = parsed(log.next(cursor, {}, 0));
    EXPECT_EQ(event.at("data").at("too_large"), true);
    EXPECT_EQ(event.at("data").at("bytes"), 5'011);
}

TEST(event_log, sends_valid_utf8_whatever_the_peers_have_said) {
    event_log log(0);
    log.add("cam\xff", "error", {{"message", "bad \xc3 byte"}}, 0);
    std::uint64_t cursor = 0;
    const auto event = parsed(log.next(cursor, {}, 0));
    EXPECT_EQ(event.at("stream"), "cam?");
    EXPECT_EQ(event.at("data").at("message"), "bad ? byte");
}

TEST(event_hub, wakes_the_watchers_of_a_stream_and_of_all) {
    auto hub = std::make_shared<event_hub>(0, event_log_limits());
    int cam = 0, other = 0, all = 0;
    const auto of_cam = hub->begin("cam", std::nullopt, [&] { ++cam; });
    const auto of_other = hub->begin("other", std::nullopt, [&] { ++other; });
    const auto of_all = hub->begin("", std::nullopt, [&] { ++all; });
    hub->publish("cam", "state", {});
    EXPECT_EQ(cam, 1);
    EXPECT_EQ(other, 0);
    EXPECT_EQ(all, 1);
    EXPECT_NE(of_cam->next(), nullptr);
    EXPECT_EQ(of_cam->next(), nullptr);
    EXPECT_EQ(of_other->next(), nullptr);
    EXPECT_NE(of_all->next(), nullptr);
}

TEST(event_hub, begins_with_the_new_the_missed_or_all_that_is_kept) {
    auto hub = std::make_shared<event_hub>(1'000, event_log_limits{.events = 3});
    for (int i = 0; i < 5; ++i)
        hub->publish("cam", "state", {});
    const auto seq = [](const event_log::text& text) {
        return text ? parsed(text).at("seq").to_number<std::uint64_t>() : 0;
    };
    EXPECT_EQ(hub->begin("", std::nullopt, [] {})->next(), nullptr);
    EXPECT_EQ(seq(hub->begin("", 1'004, [] {})->next()), 1'005u);
    const auto all = hub->begin("", 0, [] {});
    EXPECT_EQ(seq(all->next()), 1'003u); // without a word on what is long gone
    EXPECT_EQ(parsed(hub->begin("", 1'000, [] {})->next()).at("type"), "gap");
}

TEST(event_hub, forgets_a_watch_that_is_gone) {
    auto hub = std::make_shared<event_hub>(0, event_log_limits());
    int woken = 0;
    {
        const auto watch = hub->begin("", std::nullopt, [&] { ++woken; });
        EXPECT_EQ(hub->watchers(), 1u);
    }
    EXPECT_EQ(hub->watchers(), 0u);
    hub->publish("cam", "state", {});
    EXPECT_EQ(woken, 0);
}

TEST(event_hub, numbers_events_of_many_threads_without_gaps) {
    auto hub = std::make_shared<event_hub>(0, event_log_limits{.events = 10'000});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i)
                hub->publish("cam", "state", {});
        });
    const auto watch = hub->begin("", 0, [] {});
    std::uint64_t expected = 0;
    while (expected < 2'000)
        if (const auto text = watch->next()) {
            ASSERT_EQ(parsed(text).at("seq"), ++expected);
        }
    for (auto& thread : threads)
        thread.join();
}

TEST(event_hub, goes_on_counting_after_a_restart) {
    const auto first = std::make_shared<event_hub>();
    first->publish("cam", "state", {});
    EXPECT_GT(first->last(), 1'700'000'000'000u);     // of the clock
    EXPECT_LT(first->last(), std::uint64_t{1} << 53); // a JavaScript number
}

} // namespace
} // namespace rivulet::live
