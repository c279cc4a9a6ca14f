#include "output_segment.hpp"

#include <gtest/gtest.h>

namespace rivulet::element {
namespace {

GstSegment input(guint64 start, guint64 time, guint64 base, double rate = 1, double applied = 1) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.rate = rate;
    segment.applied_rate = applied;
    segment.start = segment.position = start * GST_SECOND;
    segment.stop = (start + 20) * GST_SECOND;
    segment.time = time * GST_SECOND;
    segment.base = base * GST_SECOND;
    return segment;
}

// A buffer of the input leaves with its running time as timestamp.
void expect_same_times(const GstSegment& in) {
    const auto out = output_segment(in);
    for (guint64 at = in.start; at <= in.stop; at += GST_SECOND / 2) {
        const auto running = gst_segment_to_running_time(&in, GST_FORMAT_TIME, at);
        EXPECT_EQ(gst_segment_to_running_time(&out, GST_FORMAT_TIME, running), running);
        const auto wanted = gst_segment_to_stream_time(&in, GST_FORMAT_TIME, at);
        const auto is = gst_segment_to_stream_time(&out, GST_FORMAT_TIME, running);
        EXPECT_LE(GST_CLOCK_DIFF(wanted, is), 2) << at;
        EXPECT_GE(GST_CLOCK_DIFF(wanted, is), -2) << at;
    }
}

TEST(output_segment, keeps_the_running_and_the_stream_time_of_each_buffer) {
    expect_same_times(input(0, 0, 0));
    expect_same_times(input(10, 4, 0));
    expect_same_times(input(10, 4, 3));
    expect_same_times(input(0, 0, 7)); // a loop's second round
    expect_same_times(input(5, 1, 100));
    expect_same_times(input(0, 30, 2, 2));
    expect_same_times(input(6, 2, 8, 0.5, 2));
}

TEST(output_segment, without_stream_time_there_is_none_behind_it_either) {
    auto segment = input(3, 0, 1);
    segment.time = GST_CLOCK_TIME_NONE;
    EXPECT_EQ(output_segment(segment).time, GST_CLOCK_TIME_NONE);
    gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
    EXPECT_EQ(output_segment(segment).format, GST_FORMAT_TIME);
}

} // namespace
} // namespace rivulet::element
