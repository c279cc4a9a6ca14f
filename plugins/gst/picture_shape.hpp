// What pictures leave the element as: agrees with downstream on caps, then converts and scales what
// doesn't fit them.
// Thread: the source pad's task.
#pragma once

#include "media/gst_ptr.hpp"

#include <gst/video/video.h>

#include <memory>

namespace rivulet::element {

class picture_shape {
  public:
    ~picture_shape();

    // Chooses the caps nearest to `wanted` among those that `allowed` (fixed or not) permits and
    // that have its rate, or a variable one; null: there are none.
    static media::gst_ptr<GstCaps> choose(GstCaps* wanted, GstCaps* allowed);

    // What leaves from now on; fixed raw caps. False: they can't be used.
    bool set_output(GstCaps* caps);

    // The picture in the output's caps: shared when it fits already and lies in memory as the caps
    // alone say (others' strides and offsets are for those who asked for them). Null when it can't
    // be converted. Times are the caller's to set.
    media::gst_ptr<GstBuffer> shape(GstSample* sample);

    // Bytes of one output picture.
    std::size_t size() const { return GST_VIDEO_INFO_SIZE(&output_); }

  private:
    bool same(const GstVideoInfo& input) const;
    bool usual_layout(GstBuffer* buffer) const;

    GstVideoInfo output_{};
    bool ready_ = false;
    media::gst_ptr<GstCaps> input_caps_;
    GstVideoInfo input_{};
    bool fits_ = false;
    GstVideoConverter* converter_ = nullptr;
};

} // namespace rivulet::element
