// Clips to publish, made with the ffmpeg program: a moving test picture with sound, or any file.
// Thread: the owner's; calls block while ffmpeg runs.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace rivulet::test {

struct clip_shape {
    int width = 1280, height = 720, fps = 30;
    int seconds = 10;      // published in a loop
    int keyframe_each = 1; // seconds
    int video_kbps = 2500;
};

// Runs a program without a shell; its output is dropped, its error text kept for the failure.
outcome<void> run_program(const std::vector<std::string>& words);

// H.264 (High, no B-frames) and AAC at `flv_path`.
outcome<void> make_test_clip(const clip_shape& shape, const std::string& flv_path);
// The first `seconds` of any file: H.264 and AAC are copied, everything else is transcoded.
outcome<void> make_clip_from(const std::string& input, int seconds, const std::string& flv_path);

} // namespace rivulet::test
