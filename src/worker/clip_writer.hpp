// Pictures of one size into an MP4 file in memory: H.264, its index in front, so that a player
// begins before it has all of it.
// Thread: any one at a time; not a shard.
// Fails with: unsupported (no libx264 here), media_error, no_capacity (memory).
#pragma once

#include "base/error.hpp"
#include "worker/picture.hpp"

#include <memory>
#include <string>

namespace rivulet::worker {

class clip_writer {
  public:
    // Even sizes.
    static outcome<clip_writer> open(int width, int height, int fps, int frames);
    ~clip_writer();
    clip_writer(clip_writer&&) noexcept;
    clip_writer& operator=(clip_writer&&) noexcept;

    // The next picture; RGB24 of the clip's size.
    outcome<void> add(const AVFrame& picture);
    outcome<std::string> finish();

  private:
    struct impl;
    explicit clip_writer(std::unique_ptr<impl> parts);

    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::worker
