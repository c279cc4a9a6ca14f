#include "trickle/segment.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace rivulet::trickle {
namespace {

struct counting_watcher final : segment_watcher {
    void segment_changed() override {
        ++calls;
        if (on_change)
            on_change();
    }

    int calls = 0;
    std::function<void()> on_change;
};

std::string text_from(const segment& from, std::size_t& cursor) {
    std::string text;
    for (; cursor < from.blocks().size(); ++cursor)
        text += from.blocks()[cursor].text();
    return text;
}

TEST(trickle_conformance, s40_returns_bytes_intact_and_resumes_at_a_cursor_after_later_writes) {
    segment written(0);
    std::string all;
    std::size_t cursor = 0;
    std::string seen;
    for (std::size_t size = 1; size < 300'000; size = size * 3 + 1) {
        std::string piece(size, '\0');
        for (std::size_t i = 0; i < size; ++i)
            piece[i] = static_cast<char>(i * 31 + size);
        all += piece;
        ASSERT_TRUE(written.append(bytes::copy_of(piece)));
        if (size % 2 == 0)
            seen += text_from(written, cursor);
    }
    seen += text_from(written, cursor);
    EXPECT_EQ(seen, all);
    EXPECT_EQ(written.size(), all.size());
    std::size_t from_start = 0;
    EXPECT_EQ(text_from(written, from_start), all);
}

TEST(trickle_segment, wakes_its_watchers_on_every_burst_and_once_at_the_end) {
    segment watched(7);
    counting_watcher one, two;
    watched.watch(one);
    watched.watch(two);
    watched.append(bytes::copy_of("a"));
    watched.append(bytes::copy_of("b"));
    watched.close();
    watched.close();
    EXPECT_EQ(one.calls, 3);
    EXPECT_EQ(two.calls, 3);
}

TEST(trickle_segment, refuses_bytes_once_it_is_closed) {
    segment ended(0);
    ended.append(bytes::copy_of("kept"));
    ended.close();
    EXPECT_FALSE(ended.append(bytes::copy_of("late")));
    EXPECT_EQ(ended.size(), 4u);
    EXPECT_EQ(ended.blocks().size(), 1u);
}

TEST(trickle_segment, an_empty_block_changes_nothing) {
    segment quiet(0);
    counting_watcher watcher;
    quiet.watch(watcher);
    EXPECT_TRUE(quiet.append({}));
    EXPECT_EQ(watcher.calls, 0);
    EXPECT_TRUE(quiet.blocks().empty());
}

TEST(trickle_segment, a_watcher_may_leave_from_inside_the_call) {
    segment watched(0);
    counting_watcher leaving, staying;
    leaving.on_change = [&] { watched.unwatch(leaving); };
    watched.watch(leaving);
    watched.watch(staying);
    watched.append(bytes::copy_of("a"));
    watched.append(bytes::copy_of("b"));
    EXPECT_EQ(leaving.calls, 1);
    EXPECT_EQ(staying.calls, 2);
    EXPECT_EQ(watched.watchers(), 1u);
}

TEST(trickle_segment, another_watcher_may_be_taken_away_from_inside_the_call) {
    segment watched(0);
    counting_watcher first, second;
    first.on_change = [&] { watched.unwatch(second); };
    watched.watch(first);
    watched.watch(second);
    watched.append(bytes::copy_of("a"));
    EXPECT_EQ(second.calls, 0);
    EXPECT_EQ(watched.watchers(), 1u);
}

TEST(trickle_segment, a_watcher_may_come_from_inside_the_call) {
    segment watched(0);
    counting_watcher first, late;
    bool done = false;
    first.on_change = [&] {
        if (!std::exchange(done, true))
            for (int i = 0; i < 100; ++i)
                watched.watch(late);
    };
    watched.watch(first);
    watched.append(bytes::copy_of("a"));
    EXPECT_EQ(watched.watchers(), 101u);
}

// A watcher that closes the segment while it is told of bytes: the ones before it must hear too.
TEST(trickle_segment, a_change_made_from_inside_the_call_reaches_every_watcher) {
    segment watched(0);
    counting_watcher before, closing;
    bool before_saw_the_end = false;
    before.on_change = [&] { before_saw_the_end = watched.closed(); };
    closing.on_change = [&] { watched.close(); };
    watched.watch(before);
    watched.watch(closing);
    watched.append(bytes::copy_of("a"));
    EXPECT_TRUE(before_saw_the_end);
}

} // namespace
} // namespace rivulet::trickle
