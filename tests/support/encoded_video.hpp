// A test picture encoded by GStreamer, as access units: any codec and size, without recordings.
#pragma once

#include "media/access_unit.hpp"
#include "media/gst_ptr.hpp"
#include "media/h264.hpp"
#include "media/runtime.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace rivulet::test {

// `encoder` is the part of a launch line behind raw video: "vp8enc deadline=1
// keyframe-max-dist=30".
inline std::vector<media::access_unit>
encode_video(const std::string& encoder, int frames, int width, int height, int rate = 30) {
    using namespace media;
    init();
    std::string line = "videotestsrc num-buffers=" + std::to_string(frames) +
                       " pattern=ball ! video/x-raw,format=I420,width=" + std::to_string(width) +
                       ",height=" + std::to_string(height) + ",framerate=" + std::to_string(rate) +
                       "/1 ! " + encoder + " ! appsink name=out sync=false";
    GError* problem = nullptr;
    auto pipeline = sink(gst_parse_launch(line.c_str(), &problem));
    if (problem)
        throw std::runtime_error(adopt(problem)->message);
    auto out = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    std::vector<access_unit> units;
    for (;;) {
        auto sample = adopt(gst_app_sink_try_pull_sample(GST_APP_SINK(out.get()), 10 * GST_SECOND));
        if (!sample)
            break;
        GstBuffer* buffer = gst_sample_get_buffer(sample.get());
        auto running = gst_segment_to_running_time(
            gst_sample_get_segment(sample.get()), GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)
        );
        access_unit unit;
        unit.pts = unit.dts = std::int64_t((running * 9 + 50'000) / 100'000);
        unit.keyframe = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
        unit.data = bytes::copy_of(map_buffer(buffer).view());
        units.push_back(std::move(unit));
    }
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    return units;
}

} // namespace rivulet::test
