// The segment of a source pad. Buffers leave with their input's running time as timestamp, so the
// input's segment can't be repeated: this one turns running time into the same running time and
// into the stream time that the input had. Pure.
#pragma once

#include <gst/gst.h>

namespace rivulet::element {

// `input` in GST_FORMAT_TIME; played forwards; otherwise stream time is running time.
GstSegment output_segment(const GstSegment& input);

} // namespace rivulet::element
