// The pictures of an H.264 stream that a segment, and so a viewer, may begin with: every IDR. Some
// encoders send one only at the very beginning: with open GOPs or intra refresh they mark recovery
// points instead. Those stand in where no IDR comes, as rarely as is bearable: a decoder that
// begins with one may have to leave pictures out, or to wait until all of the picture is refreshed.
// Deterministic, so that whoever reads a stream that was cut so finds the same pictures. Pure.
#pragma once

#include "media/h264.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::media {

class entry_points {
  public:
    // An IDR that comes within this time makes stand-ins needless.
    static constexpr std::int64_t patience = 5 * clock_rate;

    // The units in order of decoding.
    bool operator()(byte_span annexb, std::int64_t dts) {
        if (!h264::has_idr(annexb)) {
            // A step back is a new clock, about which nothing is known.
            bool early = last_ && dts >= *last_ && dts - *last_ < patience;
            if (early || !h264::has_recovery_point(annexb))
                return false;
        }
        last_ = dts;
        return true;
    }

  private:
    std::optional<std::int64_t> last_;
};

} // namespace rivulet::media
