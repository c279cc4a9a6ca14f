// A container opened by libav from bytes that we hand it. Nothing else is opened: no other file, no
// address, no playlist.
// Thread: one at a time; not a shard's.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "batch/media_bytes.hpp"
#include "media/av_ptr.hpp"

#include <cstdint>
#include <memory>

namespace rivulet::batch {

// No single allocation of libav's is larger from here on, in the whole process: some bytes of a
// container can ask for gigabytes, of an index as of a text. Room for a picture of 8192x4096 with
// eight bytes a pixel.
void bound_libav_memory();

// For decoders: one thread, no picture beyond `pixels`.
void bound_decoder(AVCodecContext& context, std::int64_t pixels);

class media_input {
  public:
    // `from` outlives it. Reading ends with an error after `limit`.
    static outcome<std::unique_ptr<media_input>>
    open(const media_bytes& from, const char* demuxer, duration limit);
    ~media_input();
    media_input(const media_input&) = delete;
    media_input& operator=(const media_input&) = delete;

    // The default stream of that kind, else the first; the others are left out from now on. Null:
    // there is none.
    AVStream* select(AVMediaType kind);
    // Of the selected stream; false at the end.
    bool read(AVPacket& into);

    AVFormatContext& context() { return *format_; }

    explicit media_input(const media_bytes& from) : from_(from) {}

  private:
    static int read_some(void* self, std::uint8_t* into, int size);
    static std::int64_t seek(void* self, std::int64_t offset, int whence);

    const media_bytes& from_;
    std::int64_t position_ = 0;
    std::uint64_t left_ = 0; // bytes that may still be read, going back included
    time_point until_;
    AVFormatContext* format_ = nullptr;
    AVIOContext* io_ = nullptr;
    int selected_ = -1;
};

} // namespace rivulet::batch
