// What a viewer's path names: "cam" (the source), "cam-out" (the processed video) or
// "cam-1a2b3c4d-out" (the same, of one session only). Read from the right, so that hyphens in a
// stream's name do no harm. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivulet::live {

struct playback_path {
    std::string stream;
    bool processed = false;
    std::string request; // empty: any session
};

// Every reading of `path`, the likeliest first: "a-1a2b3c4d-out" is the session 1a2b3c4d of "a", or
// the stream "a-1a2b3c4d". Never empty.
std::vector<playback_path> playback_readings(std::string_view path);

} // namespace rivulet::live
