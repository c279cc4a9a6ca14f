#include "trickle/channel_reader.hpp"
#include "trickle/channel_writer.hpp"

#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

namespace rivulet::trickle {
namespace {

class trickle_reader : public ::testing::Test {
  protected:
    asio::io_context context;
    channel_ptr made = std::make_shared<channel>("cam", "", channel_limits{}, time_point{});
    channel_writer writer{made};

    void put(std::string_view text) { EXPECT_FALSE(writer.append(bytes::copy_of(text))); }

    void put_segment(std::string_view text) {
        EXPECT_FALSE(writer.write_segment(bytes::copy_of(text)));
    }

    channel_reader reader(std::int64_t seq) { return {context.get_executor(), made, seq}; }

    static std::string text_of(const channel_chunk& chunk) {
        std::string text;
        for (const auto& block : chunk.blocks)
            text += block.text();
        return text;
    }
};

TEST_F(trickle_reader, follows_a_segment_while_it_grows) {
    auto reads = reader(seq_next);
    EXPECT_TRUE(reads.read_now()->blocks.empty());
    put("one");
    auto chunk = reads.read_now();
    EXPECT_TRUE(chunk->segment_begins);
    EXPECT_EQ(text_of(*chunk), "one");
    put("two");
    chunk = reads.read_now();
    EXPECT_FALSE(chunk->segment_begins);
    EXPECT_EQ(text_of(*chunk), "two");
    writer.end_segment();
    chunk = reads.read_now();
    EXPECT_TRUE(chunk->segment_ends);
    EXPECT_EQ(chunk->seq, 0);
    put_segment("next");
    EXPECT_EQ(reads.read_now()->seq, 1);
}

TEST_F(trickle_reader, shares_the_blocks_instead_of_copying_them) {
    auto one = reader(0);
    auto two = reader(0);
    put("shared");
    const auto first = one.read_now();
    const auto second = two.read_now();
    ASSERT_EQ(first->blocks.size(), 1u);
    ASSERT_EQ(second->blocks.size(), 1u);
    EXPECT_EQ(first->blocks[0].data(), second->blocks[0].data());
}

TEST_F(trickle_reader, a_waiting_read_wakes_with_the_first_byte) {
    auto reads = reader(seq_next);
    std::string got;
    asio::co_spawn(
        context,
        [&]() -> awaitable<void> {
            auto chunk = co_await reads.read();
            got = text_of(*chunk);
        },
        asio::detached
    );
    context.run_for(std::chrono::milliseconds(1));
    EXPECT_EQ(got, "");
    put("now");
    context.restart();
    context.poll();
    EXPECT_EQ(got, "now");
}

TEST_F(trickle_reader, the_end_of_the_channel_comes_after_the_last_byte) {
    auto reads = reader(0);
    put("tail");
    writer.close();
    auto chunk = reads.read_now();
    ASSERT_TRUE(chunk);
    EXPECT_EQ(text_of(*chunk), "tail");
    EXPECT_TRUE(chunk->segment_ends);
    chunk = reads.read_now();
    ASSERT_FALSE(chunk);
    EXPECT_EQ(chunk.error(), errc::end_of_stream);
}

TEST_F(trickle_reader, a_segment_that_came_just_before_the_end_is_not_lost) {
    auto reads = reader(0);
    put_segment("0");
    EXPECT_EQ(text_of(*reads.read_now()), "0");
    put_segment("last");
    writer.close();
    const auto chunk = reads.read_now();
    ASSERT_TRUE(chunk);
    EXPECT_EQ(text_of(*chunk), "last");
    EXPECT_FALSE(reads.read_now());
}

TEST_F(trickle_reader, goes_on_at_the_newest_segment_after_it_lagged) {
    auto reads = reader(0);
    put_segment("0");
    EXPECT_EQ(text_of(*reads.read_now()), "0");
    for (int i = 1; i <= 12; ++i)
        put_segment(std::to_string(i));
    const auto chunk = reads.read_now();
    ASSERT_TRUE(chunk);
    EXPECT_TRUE(chunk->skipped);
    EXPECT_EQ(chunk->seq, 12);
    put_segment("13");
    EXPECT_FALSE(reads.read_now()->skipped);
}

TEST_F(trickle_reader, one_that_goes_away_is_no_longer_told) {
    {
        auto reads = reader(seq_next);
        EXPECT_TRUE(reads.read_now());
        EXPECT_EQ((*made->open_read(0))->watchers(), 1u);
    }
    EXPECT_EQ((*made->open_read(0))->watchers(), 0u);
    put("nobody listens");
}

TEST(trickle_conformance, s37_an_in_process_subscriber_outside_the_window_recovers) {
    auto made = std::make_shared<channel>("cam", "", channel_limits{}, time_point{});
    channel_writer writer(made);
    for (int i = 0; i < 10; ++i)
        writer.write_segment(bytes::copy_of(std::to_string(i)));
    auto missed = made->open_read(2);
    ASSERT_FALSE(missed);
    EXPECT_EQ(missed.error(), errc::sequence_not_found);
    EXPECT_EQ((*made->open_read(seq_newest))->seq(), 9);
    EXPECT_EQ((*made->open_read(seq_next))->seq(), 10);
}

TEST(trickle_conformance, s38_a_cancelled_preconnect_is_an_empty_segment_and_then_the_end) {
    asio::io_context context;
    auto made = std::make_shared<channel>("cam", "", channel_limits{}, time_point{});
    channel_writer writer(made);
    channel_reader reads(context.get_executor(), made, seq_next);
    EXPECT_TRUE(reads.read_now());
    writer.begin_segment();
    writer.end_segment();
    const auto empty = reads.read_now();
    ASSERT_TRUE(empty);
    EXPECT_TRUE(empty->segment_ends);
    EXPECT_TRUE(empty->blocks.empty());
    EXPECT_EQ(empty->seq, 0);
    writer.close();
    const auto after = reads.read_now();
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error(), errc::end_of_stream);
}

} // namespace
} // namespace rivulet::trickle
