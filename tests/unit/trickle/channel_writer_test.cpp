#include "trickle/channel_writer.hpp"

#include <gtest/gtest.h>

namespace rivulet::trickle {
namespace {

channel_ptr new_channel() {
    return std::make_shared<channel>("cam", "", channel_limits{}, time_point{});
}

TEST(trickle_writer, numbers_its_segments_from_next_on) {
    const auto made = new_channel();
    channel_writer writer(made);
    EXPECT_EQ(writer.seq(), -1);
    EXPECT_FALSE(writer.begin_segment());
    EXPECT_EQ(writer.seq(), 0);
    writer.append(bytes::copy_of("a"));
    EXPECT_FALSE(writer.begin_segment());
    EXPECT_EQ(writer.seq(), 1);
    EXPECT_TRUE((*made->open_read(0))->closed());
    writer.append(bytes::copy_of("b"));
    writer.end_segment();
    EXPECT_EQ(made->next(), 2);
}

TEST(trickle_writer, a_segment_that_is_dropped_half_written_still_ends) {
    const auto made = new_channel();
    const auto awaited = *made->open_read(0);
    {
        channel_writer writer(made);
        writer.append(bytes::copy_of("half"));
        EXPECT_FALSE(awaited->closed());
    }
    EXPECT_TRUE(awaited->closed());
}

TEST(trickle_writer, a_moved_writer_does_not_end_what_the_new_one_writes) {
    const auto made = new_channel();
    channel_writer old(made);
    old.append(bytes::copy_of("a"));
    channel_writer taken(std::move(old));
    EXPECT_EQ(taken.seq(), 0);
    taken.append(bytes::copy_of("b"));
    EXPECT_EQ((*made->open_read(0))->size(), 2u);
    EXPECT_FALSE((*made->open_read(0))->closed());
}

TEST(trickle_writer, steps_over_an_awaited_segment_that_was_closed) {
    const auto made = new_channel();
    made->open_write(0);
    made->reset_below(1);
    channel_writer writer(made);
    EXPECT_FALSE(writer.write_segment(bytes::copy_of("x")));
    EXPECT_EQ((*made->open_read(1))->size(), 1u);
}

TEST(trickle_writer, fails_once_the_channel_is_closed) {
    const auto made = new_channel();
    channel_writer writer(made);
    writer.append(bytes::copy_of("a"));
    made->close();
    EXPECT_EQ(writer.append(bytes::copy_of("b")), errc::closed);
    EXPECT_EQ(writer.write_segment(bytes::copy_of("c")), errc::closed);
}

} // namespace
} // namespace rivulet::trickle
