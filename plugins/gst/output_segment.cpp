#include "output_segment.hpp"

#include <cmath>

namespace rivulet::element {

GstSegment output_segment(const GstSegment& input) {
    GstSegment out;
    gst_segment_init(&out, GST_FORMAT_TIME);
    if (input.format != GST_FORMAT_TIME || input.rate <= 0 || input.applied_rate <= 0)
        return out; // backwards: what is live never plays so
    // Where the segment's running time begins.
    const auto time =
        gst_segment_to_stream_time(&input, GST_FORMAT_TIME, input.start + input.offset);
    out.time = time;
    if (!GST_CLOCK_TIME_IS_VALID(time))
        return out;
    // Running time has the rate in it already.
    out.applied_rate = input.rate * input.applied_rate;
    const double before = double(input.base) * out.applied_rate; // from running time zero to there
    if (before <= double(time)) {
        // As early as possible: what comes a little before its segment is not cut off.
        out.time = out.applied_rate == 1.0 ? time - input.base : guint64(double(time) - before);
        return out;
    }
    const auto ahead = guint64(std::llround(double(time) / out.applied_rate));
    out.start = out.base = input.base - ahead;
    out.position = out.start;
    out.time = 0;
    return out;
}

} // namespace rivulet::element
