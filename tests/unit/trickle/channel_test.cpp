// The channel's rules without sockets and with a clock that only the test moves.
#include "trickle/channel.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rivulet::trickle {
namespace {

using namespace std::chrono_literals;

// A channel and its clock, with short words for what writers and readers do.
struct channel_bench {
    channel made{"cam", "video/mp2t", channel_limits{}, time_point{}};
    time_point now{1000s};

    channel::write_slot open(std::int64_t seq) {
        auto slot = made.open_write(seq);
        EXPECT_TRUE(slot) << seq;
        return slot ? *slot : channel::write_slot{};
    }

    error_code append(const channel::write_slot& to, std::string_view text) {
        return made.append(to, bytes::copy_of(text), now);
    }

    // One whole segment.
    void write(std::int64_t seq, std::string_view text = "data") {
        const auto slot = open(seq);
        if (slot.target && !text.empty()) {
            EXPECT_FALSE(append(slot, text)) << seq;
        }
        made.finish_write(slot, now);
    }

    void write_up_to(std::int64_t last) {
        for (std::int64_t seq = 0; seq <= last; ++seq)
            write(seq, "seg" + std::to_string(seq));
    }

    segment_ptr read(std::int64_t seq) {
        auto opened = made.open_read(seq);
        return opened ? *opened : nullptr;
    }

    std::string text_of(std::int64_t seq) {
        const auto held = read(seq);
        if (!held)
            return "none";
        std::string text;
        for (const auto& block : held->blocks())
            text += block.text();
        return text;
    }

    error_code refusal(std::int64_t seq) {
        auto opened = made.open_read(seq);
        return opened ? error_code{} : opened.error();
    }
};

class trickle_channel : public ::testing::Test, protected channel_bench {};

TEST(trickle_conformance, s4_a_write_to_minus_one_goes_to_next) {
    channel_bench cam;
    cam.write_up_to(2);
    EXPECT_EQ(cam.open(seq_next).seq, 3);
    cam.write(seq_next, "three");
    EXPECT_EQ(cam.text_of(3), "three");
    EXPECT_EQ(cam.made.next(), 4);
}

TEST(trickle_conformance, s17_waits_on_next_and_on_one_while_next_is_zero) {
    channel_bench cam;
    EXPECT_TRUE(cam.read(0));
    EXPECT_TRUE(cam.read(1));
    EXPECT_EQ(cam.refusal(2), errc::sequence_not_found);
    cam.write(0);
    EXPECT_TRUE(cam.read(1));
    EXPECT_EQ(cam.refusal(2), errc::sequence_not_found);
}

TEST(trickle_conformance, s18_minus_one_is_the_next_write_and_minus_two_the_newest_begun) {
    channel_bench cam;
    EXPECT_EQ(cam.read(seq_newest)->seq(), 0);
    EXPECT_EQ(cam.read(seq_next)->seq(), 0);
    cam.write_up_to(1);
    EXPECT_EQ(cam.read(seq_newest)->seq(), 1);
    EXPECT_EQ(cam.read(seq_next)->seq(), 2);
    const auto begun = cam.open(2);
    cam.append(begun, "x");
    EXPECT_EQ(cam.read(seq_newest)->seq(), 2);
    EXPECT_EQ(cam.read(seq_next)->seq(), 3);
}

TEST(trickle_conformance, s19_numbers_outside_the_window_are_not_found) {
    channel_bench cam;
    cam.write_up_to(9);
    for (const std::int64_t seq : {0, 3, 4, 11, 12, 1000})
        EXPECT_EQ(cam.refusal(seq), errc::sequence_not_found) << seq;
}

TEST(trickle_conformance, s20_keeps_the_four_newest_and_the_preconnected_one_readable) {
    channel_bench cam;
    for (std::int64_t seq = 0; seq < 20; ++seq) {
        cam.write(seq, "seg" + std::to_string(seq));
        const auto preconnected = cam.open(seq + 1);
        for (int round = 0; round < 2; ++round)
            for (auto back = std::min<std::int64_t>(seq, 3); back >= 0; --back)
                ASSERT_EQ(cam.text_of(seq - back), "seg" + std::to_string(seq - back));
        ASSERT_TRUE(cam.read(seq + 1));
        cam.made.abort_write(preconnected, cam.now);
    }
}

TEST(trickle_conformance, s21_drops_a_segment_once_five_newer_numbers_exist) {
    channel_bench cam;
    cam.write_up_to(4);
    EXPECT_EQ(cam.text_of(0), "seg0");
    cam.write(5);
    EXPECT_EQ(cam.refusal(0), errc::sequence_not_found);
    EXPECT_EQ(cam.text_of(1), "seg1");
}

TEST(trickle_conformance, s22_an_empty_write_moves_next_on_and_leaves_an_empty_segment) {
    channel_bench cam;
    cam.write(0, "");
    EXPECT_EQ(cam.made.next(), 1);
    const auto empty = cam.read(0);
    ASSERT_TRUE(empty);
    EXPECT_TRUE(empty->closed());
    EXPECT_EQ(empty->size(), 0u);
    EXPECT_FALSE(cam.made.closed());
}

TEST(trickle_conformance, s25_bytes_written_before_the_end_stay) {
    channel_bench cam;
    const auto slot = cam.open(0);
    const auto held = cam.read(0);
    cam.append(slot, "tail");
    cam.made.close();
    EXPECT_TRUE(held->closed());
    EXPECT_EQ(held->size(), 4u);
}

TEST(trickle_conformance, s28_reset_ends_lower_open_segments_only) {
    channel_bench cam;
    cam.write_up_to(1);
    const auto two = cam.open(2);
    cam.append(two, "x");
    const auto three = cam.open(3);
    const auto four = cam.open(4);
    cam.made.reset_below(3);
    EXPECT_TRUE(two.target->closed());
    EXPECT_FALSE(three.target->closed());
    EXPECT_FALSE(four.target->closed());
    EXPECT_EQ(cam.made.next(), 3);
}

TEST(trickle_conformance, s28_a_reset_beyond_next_leaves_no_closed_segment_to_wait_on) {
    channel_bench cam;
    cam.write_up_to(2);
    const auto awaited = cam.read(seq_next);
    cam.made.reset_below(7);
    EXPECT_TRUE(awaited->closed());
    EXPECT_EQ(cam.made.next(), 4);
    EXPECT_FALSE(cam.read(seq_next)->closed());
    cam.made.reset_below(4);
    EXPECT_EQ(cam.made.next(), 4) << "nothing below it is awaited";
}

TEST(trickle_conformance, s29_bytes_before_a_reset_stay_and_the_reset_write_goes_to_next) {
    channel_bench cam;
    const auto begun = cam.open(0);
    cam.append(begun, "before");
    cam.made.reset_below(cam.made.next());
    cam.write(seq_next, "after");
    EXPECT_EQ(cam.text_of(0), "before");
    EXPECT_EQ(cam.text_of(1), "after");
    // The old writer is told to go on reading its body; its bytes are gone.
    EXPECT_EQ(cam.append(begun, "late"), errc::cancelled);
    EXPECT_EQ(cam.text_of(0), "before");
}

TEST(trickle_conformance, s30_a_second_writer_appends_and_the_newest_one_ends_the_segment) {
    channel_bench cam;
    const auto first = cam.open(0);
    cam.append(first, "Hello");
    const auto second = cam.open(0);
    EXPECT_EQ(second.target, first.target);
    cam.append(second, "Goodbye");
    cam.made.finish_write(first, cam.now);
    EXPECT_FALSE(first.target->closed()) << "a dying old connection must not cut the retry short";
    cam.append(second, "World");
    cam.made.finish_write(second, cam.now);
    EXPECT_TRUE(first.target->closed());
    EXPECT_EQ(cam.text_of(0), "HelloGoodbyeWorld");
}

TEST(trickle_conformance, s33_a_reader_ahead_gets_the_very_segment_that_is_written_later) {
    channel_bench cam;
    const auto awaited = cam.read(0);
    EXPECT_EQ(cam.open(0).target, awaited);
    const auto ahead = cam.read(1);
    EXPECT_EQ(cam.open(1).target, ahead);
}

TEST(trickle_conformance, s73_negative_numbers_are_refused_and_do_no_harm) {
    channel_bench cam;
    for (const std::int64_t seq :
         {std::int64_t{-2},
          std::int64_t{-4},
          std::int64_t{-5},
          std::int64_t{-10},
          std::numeric_limits<std::int64_t>::min(),
          std::numeric_limits<std::int64_t>::max()}) {
        auto slot = cam.made.open_write(seq);
        ASSERT_FALSE(slot) << seq;
        EXPECT_EQ(slot.error(), errc::invalid_argument);
    }
    EXPECT_FALSE(cam.made.close_segment(-1));
    EXPECT_FALSE(cam.made.close_segment(std::numeric_limits<std::int64_t>::min()));
    EXPECT_TRUE(cam.read(std::numeric_limits<std::int64_t>::min())); // the oldest there is
    EXPECT_EQ(cam.refusal(std::numeric_limits<std::int64_t>::max()), errc::sequence_not_found);
    EXPECT_EQ(cam.made.next(), 0);
    cam.write(0);
    EXPECT_EQ(cam.made.next(), 1);
}

TEST(trickle_conformance, s74_no_stale_duplicate_evicted_or_empty_write_lowers_next) {
    channel_bench cam;
    cam.write_up_to(9);
    const auto unchanged = [&](const char* what) { EXPECT_EQ(cam.made.next(), 10) << what; };
    cam.write(9, "again");
    unchanged("duplicate of the newest");
    cam.write(6, "again");
    unchanged("duplicate inside the window");
    cam.write(5, "");
    unchanged("empty inside the window");
    cam.write(2, "");
    unchanged("empty far behind");
    cam.made.abort_write(cam.open(1), cam.now);
    unchanged("aborted far behind");
    const auto late = cam.open(11);
    cam.append(late, "x");
    cam.write(10, "late number");
    EXPECT_EQ(cam.made.next(), 12);
    EXPECT_EQ(cam.text_of(9), "seg9");
}

TEST(trickle_conformance, s74_an_idle_preconnect_that_is_evicted_does_not_lower_next) {
    channel_bench cam;
    const auto idle = cam.open(0);
    for (std::int64_t seq = 1; seq <= 5; ++seq)
        cam.write(seq);
    EXPECT_TRUE(idle.target->evicted());
    cam.made.finish_write(idle, cam.now);
    EXPECT_EQ(cam.made.next(), 6);
}

TEST(trickle_conformance, s75_an_aborted_segment_ends_after_the_retry_window_once_overtaken) {
    channel_bench cam;
    const auto lost = cam.open(0);
    cam.append(lost, "half");
    auto due = cam.made.abort_write(lost, cam.now);
    ASSERT_TRUE(due);
    EXPECT_EQ(*due - cam.now, channel::retry_window);
    EXPECT_FALSE(lost.target->closed());
    cam.now += 500ms;
    cam.write(1);
    EXPECT_FALSE(lost.target->closed()) << "a retry may still come";
    cam.now += 500ms;
    EXPECT_FALSE(cam.made.close_orphans(cam.now));
    EXPECT_TRUE(lost.target->closed());
    EXPECT_EQ(cam.text_of(0), "half");
}

TEST(trickle_conformance, s75_an_aborted_segment_ends_with_the_first_byte_of_a_higher_one) {
    channel_bench cam;
    const auto lost = cam.open(0);
    cam.append(lost, "half");
    cam.made.abort_write(lost, cam.now);
    cam.now += 3s;
    const auto higher = cam.open(1);
    EXPECT_FALSE(lost.target->closed());
    cam.append(higher, "x");
    EXPECT_TRUE(lost.target->closed());
}

TEST(trickle_conformance, s75_an_aborted_segment_that_nobody_overtakes_ends_after_the_limit) {
    channel_bench cam;
    const auto lost = cam.open(0);
    cam.append(lost, "half");
    auto due = cam.made.abort_write(lost, cam.now);
    const auto begin = cam.now;
    while (due) {
        cam.now = *due;
        due = cam.made.close_orphans(cam.now);
    }
    EXPECT_TRUE(lost.target->closed());
    EXPECT_EQ(cam.now - begin, channel::retry_limit);
}

TEST(trickle_conformance, s75_a_retry_keeps_the_segment_open) {
    channel_bench cam;
    const auto lost = cam.open(0);
    cam.append(lost, "half");
    cam.made.abort_write(lost, cam.now);
    const auto retry = cam.open(0);
    cam.now += 20s;
    EXPECT_FALSE(cam.made.close_orphans(cam.now));
    EXPECT_FALSE(lost.target->closed());
    cam.append(retry, "+rest");
    cam.made.finish_write(retry, cam.now);
    EXPECT_EQ(cam.text_of(0), "half+rest");
}

TEST(trickle_conformance, s75_a_writer_that_left_before_its_first_byte_is_no_news) {
    channel_bench cam;
    const auto awaited = cam.read(0);
    auto due = cam.made.abort_write(cam.open(0), cam.now);
    cam.now += 60s;
    if (due) {
        EXPECT_FALSE(cam.made.close_orphans(cam.now));
    }
    EXPECT_FALSE(awaited->closed());
    EXPECT_EQ(cam.made.next(), 0);
    cam.write(1); // it was skipped for good
    EXPECT_TRUE(awaited->closed());
}

TEST(trickle_conformance, s76_every_evicted_segment_is_closed) {
    channel_bench cam;
    const auto written = cam.open(0);
    cam.append(written, "x");
    const auto awaited = cam.read(1);
    for (std::int64_t seq = 2; seq <= 6; ++seq)
        cam.write(seq);
    EXPECT_TRUE(written.target->evicted());
    EXPECT_TRUE(awaited->evicted());
    EXPECT_EQ(cam.append(written, "late"), errc::lagged);
}

TEST(trickle_conformance, s76_a_reader_that_comes_ahead_evicts_by_closing) {
    channel_bench cam;
    const auto open_zero = cam.open(0);
    cam.append(open_zero, "x");
    for (std::int64_t seq = 1; seq <= 4; ++seq)
        cam.write(seq);
    cam.read(5); // takes the slot of 0
    EXPECT_TRUE(open_zero.target->closed());
    EXPECT_TRUE(open_zero.target->evicted());
}

TEST(trickle_conformance, s78_every_byte_counts_as_activity) {
    channel_bench cam;
    const auto slot = cam.open(0);
    cam.append(slot, "x");
    cam.now += 4min;
    cam.append(slot, "y");
    EXPECT_EQ(cam.made.last_activity(), cam.now);
    EXPECT_TRUE(cam.made.being_written());
    cam.made.finish_write(slot, cam.now);
    EXPECT_FALSE(cam.made.being_written());
}

// --- a publisher that restarts (8.1, defects 1, 2 and 17) ----------------------------------------

TEST_F(trickle_channel, a_restart_at_zero_takes_over_with_its_first_byte) {
    write_up_to(19);
    const auto held = read(17);
    const auto waiting = read(20);
    const auto zero = open(0);
    ASSERT_TRUE(zero.target);
    EXPECT_EQ(made.next(), 20) << "the head alone proves nothing";
    EXPECT_FALSE(waiting->closed());
    EXPECT_FALSE(append(zero, "new"));
    EXPECT_EQ(made.next(), 1);
    EXPECT_TRUE(waiting->closed()) << "its readers must ask again";
    EXPECT_EQ(refusal(20), errc::sequence_not_found);
    EXPECT_EQ(refusal(17), errc::sequence_not_found);
    EXPECT_EQ(held->size(), 5u) << "who reads an old segment keeps its bytes";
    EXPECT_EQ(text_of(0), "new");
}

TEST_F(trickle_channel, a_restarted_publisher_may_have_its_next_segment_preconnected) {
    write_up_to(19);
    const auto zero = open(0);
    const auto one = open(1);
    EXPECT_FALSE(append(zero, "zero"));
    const auto reader = read(1);
    EXPECT_EQ(reader, one.target) << "the reader waits for the preconnected segment";
    EXPECT_FALSE(append(one, "one"));
    EXPECT_EQ(made.next(), 2);
    EXPECT_FALSE(append(zero, "+tail"));
    made.finish_write(zero, now);
    made.finish_write(one, now);
    EXPECT_EQ(text_of(0), "zero+tail");
    EXPECT_EQ(text_of(1), "one");
}

TEST_F(trickle_channel, two_writers_of_one_restarted_number_share_its_segment) {
    write_up_to(19);
    const auto first = open(0);
    const auto second = open(0);
    EXPECT_EQ(first.target, second.target);
    EXPECT_FALSE(append(first, "a"));
    EXPECT_FALSE(append(second, "b"));
    EXPECT_EQ(text_of(0), "ab");
    EXPECT_EQ(made.next(), 1);
}

TEST_F(trickle_channel, a_number_inside_the_window_is_no_restart) {
    write_up_to(9);
    for (const std::int64_t seq : {5, 6, 7, 8, 9})
        EXPECT_FALSE(open(seq).target) << seq;
    EXPECT_TRUE(open(4).target) << "one before the window";
    EXPECT_EQ(made.next(), 10);
}

TEST_F(trickle_channel, a_lower_number_never_evicts_a_newer_segment) {
    write(0);
    write(8, "newer"); // the slot of 3
    EXPECT_EQ(made.next(), 9);
    const auto lower = made.open_write(4);
    ASSERT_TRUE(lower);
    const auto stale = made.open_write(3);
    ASSERT_TRUE(stale);
    made.finish_write(*stale, now);
    EXPECT_EQ(text_of(8), "newer");
    EXPECT_EQ(made.next(), 9);
}

TEST_F(trickle_channel, a_reader_of_next_waits_on_the_segment_that_a_publisher_ahead_has_claimed) {
    write_up_to(2);
    const auto ahead = open(8); // the slot of 3: the publisher went on counting in an outage
    EXPECT_EQ(read(seq_next), ahead.target);
    EXPECT_EQ(read(3), ahead.target);
    EXPECT_FALSE(ahead.target->evicted());
    EXPECT_FALSE(append(ahead, "back"));
    EXPECT_EQ(made.next(), 9);
}

TEST_F(trickle_channel, a_claim_ahead_that_was_closed_is_not_waited_on) {
    write_up_to(2);
    const auto ahead = open(8);
    made.close_segment(8);
    const auto awaited = read(seq_next);
    EXPECT_EQ(awaited->seq(), 3);
    EXPECT_FALSE(awaited->closed());
}

TEST_F(trickle_channel, its_end_reaches_writers_of_long_gone_numbers) {
    write_up_to(9);
    const auto stale = open(0);
    ASSERT_TRUE(stale.target);
    made.close();
    EXPECT_TRUE(stale.target->closed());
}

TEST_F(trickle_channel, stale_claims_that_ended_leave_nothing_behind) {
    write_up_to(99);
    for (int i = 0; i < 1000; ++i)
        made.abort_write(open(i % 50), now);
    EXPECT_EQ(made.next(), 100);
    write(100);
    EXPECT_EQ(made.next(), 101);
}

// --- the rest of 8.1 -----------------------------------------------------------------------------

TEST_F(trickle_channel, deleting_the_awaited_segment_moves_next_on) {
    write(0);
    read(1);
    EXPECT_TRUE(made.close_segment(1));
    EXPECT_EQ(made.next(), 2);
    EXPECT_TRUE(made.close_segment(1)) << "repeatable";
    EXPECT_EQ(made.next(), 2);
    EXPECT_FALSE(made.close_segment(7));
}

TEST_F(trickle_channel, an_older_writer_that_outlives_the_newest_ends_the_segment) {
    const auto old = open(0);
    append(old, "a");
    const auto newest = open(0);
    made.abort_write(newest, now);
    EXPECT_FALSE(old.target->closed());
    append(old, "b");
    made.finish_write(old, now);
    EXPECT_TRUE(old.target->closed());
}

TEST_F(trickle_channel, bytes_for_a_closed_segment_are_dropped_and_counted_as_such) {
    write(0, "kept");
    const auto late = open(0);
    EXPECT_FALSE(late.target);
    EXPECT_EQ(late.seq, 0);
    made.finish_write(late, now);
    EXPECT_EQ(text_of(0), "kept");
}

TEST_F(trickle_channel, a_segment_is_held_to_its_byte_limit_exactly) {
    channel small("cam", "", channel_limits{.segment_bytes = 10}, now);
    auto slot = *small.open_write(0);
    EXPECT_FALSE(small.append(slot, bytes::copy_of("0123456789"), now));
    EXPECT_EQ(small.append(slot, bytes::copy_of("x"), now), errc::too_large);
    EXPECT_TRUE(slot.target->closed());
    EXPECT_EQ(slot.target->size(), 10u);
}

TEST_F(trickle_channel, a_segment_of_tiny_blocks_is_held_to_a_number_of_them) {
    const auto slot = open(0);
    std::size_t blocks = 0;
    const auto tiny = bytes::copy_of("x");
    while (!made.append(slot, tiny, now) && blocks < 100'000'000)
        ++blocks;
    EXPECT_GT(blocks, 1'000'000u);
    EXPECT_LT(blocks, 1'100'000u);
    EXPECT_TRUE(slot.target->closed());
}

struct idle_watcher final : segment_watcher {
    void segment_changed() override {}
};

TEST_F(trickle_channel, readers_are_held_to_their_limit_exactly) {
    channel small("cam", "", channel_limits{.readers = 2}, now);
    idle_watcher one, two;
    (*small.open_read(0))->watch(one);
    auto second = small.open_read(1);
    ASSERT_TRUE(second);
    (*second)->watch(two);
    auto third = small.open_read(0);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error(), errc::too_many);
    (*second)->unwatch(two);
    EXPECT_TRUE(small.open_read(0));
}

TEST_F(trickle_channel, minus_n_counts_back_from_next_and_stops_at_the_oldest) {
    EXPECT_EQ(read(-7)->seq(), 0) << "a young channel";
    write_up_to(9);
    EXPECT_EQ(read(-2)->seq(), 9);
    EXPECT_EQ(read(-3)->seq(), 8);
    EXPECT_EQ(read(-6)->seq(), 5);
    EXPECT_EQ(read(-7)->seq(), 5);
    EXPECT_EQ(read(-1000)->seq(), 5);
}

TEST_F(trickle_channel, a_closed_channel_takes_and_gives_nothing) {
    const auto writing = open(0);
    made.close();
    made.close();
    EXPECT_EQ(append(writing, "x"), errc::closed);
    EXPECT_EQ(refusal(0), errc::closed);
    EXPECT_EQ(refusal(seq_next), errc::closed);
    auto slot = made.open_write(0);
    ASSERT_FALSE(slot);
    EXPECT_EQ(slot.error(), errc::closed);
    made.finish_write(writing, now);
    made.abort_write(writing, now);
}

} // namespace
} // namespace rivulet::trickle
