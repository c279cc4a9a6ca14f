#include "worker/clip_writer.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

extern "C" {
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

namespace rivulet::worker {

namespace {

constexpr int io_block = 32 * 1024;

// A file that is only a string.
struct memory_file {
    std::string bytes;
    std::size_t at = 0;
};

int write_memory(void* opaque, std::uint8_t* data, int size) {
    auto& file = *static_cast<memory_file*>(opaque);
    const auto count = static_cast<std::size_t>(size);
    if (file.bytes.size() < file.at + count)
        file.bytes.resize(file.at + count);
    std::memcpy(file.bytes.data() + file.at, data, count);
    file.at += count;
    return size;
}

std::int64_t seek_memory(void* opaque, std::int64_t offset, int whence) {
    auto& file = *static_cast<memory_file*>(opaque);
    const auto size = static_cast<std::int64_t>(file.bytes.size());
    std::int64_t to = 0;
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
        return size;
    case SEEK_SET:
        to = offset;
        break;
    case SEEK_CUR:
        to = static_cast<std::int64_t>(file.at) + offset;
        break;
    case SEEK_END:
        to = size + offset;
        break;
    default:
        return AVERROR(EINVAL);
    }
    // Beyond the end: room is left for what comes last.
    if (to < 0 || to > size + io_block)
        return AVERROR(EINVAL);
    file.at = static_cast<std::size_t>(to);
    return to;
}

struct free_format {
    void operator()(AVFormatContext* format) const noexcept { avformat_free_context(format); }
};

struct free_io {
    void operator()(AVIOContext* io) const noexcept {
        if (io)
            av_freep(&io->buffer);
        avio_context_free(&io);
    }
};

failure no_memory() {
    return failure(errc::no_capacity, "no memory for a video");
}

} // namespace

struct clip_writer::impl {
    memory_file file;
    std::unique_ptr<AVIOContext, free_io> io;
    std::unique_ptr<AVFormatContext, free_format> format;
    media::av_ptr<AVCodecContext> encoder;
    media::av_ptr<AVPacket> packet;
    AVStream* track = nullptr; // the format's
    std::int64_t next = 0;

    // Everything that the encoder gives out now.
    bool drain() {
        for (;;) {
            const int got = avcodec_receive_packet(encoder.get(), packet.get());
            if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
                return true;
            if (got < 0)
                return false;
            packet->stream_index = track->index;
            if (!packet->duration)
                packet->duration = 1;
            av_packet_rescale_ts(packet.get(), encoder->time_base, track->time_base);
            if (av_interleaved_write_frame(format.get(), packet.get()) < 0)
                return false;
        }
    }
};

clip_writer::clip_writer(std::unique_ptr<impl> parts) : impl_(std::move(parts)) {}

clip_writer::~clip_writer() = default;
clip_writer::clip_writer(clip_writer&&) noexcept = default;
clip_writer& clip_writer::operator=(clip_writer&&) noexcept = default;

outcome<clip_writer> clip_writer::open(int width, int height, int fps, int frames) {
    const auto* codec = avcodec_find_encoder_by_name("libx264");
    if (!codec)
        return failure(errc::no_capacity, "this FFmpeg has no libx264");
    auto parts = std::make_unique<impl>();
    AVFormatContext* format = nullptr;
    if (avformat_alloc_output_context2(&format, nullptr, "mp4", nullptr) < 0)
        return no_memory();
    parts->format.reset(format);
    auto* block = static_cast<unsigned char*>(av_malloc(io_block));
    parts->io.reset(
        block ? avio_alloc_context(
                    block, io_block, 1, &parts->file, nullptr, write_memory, seek_memory
                )
              : nullptr
    );
    parts->encoder.reset(avcodec_alloc_context3(codec));
    parts->packet.reset(av_packet_alloc());
    parts->track = avformat_new_stream(format, nullptr);
    if (!parts->io || !parts->encoder || !parts->packet || !parts->track)
        return no_memory();
    format->pb = parts->io.get();
    format->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;

    auto& encoder = *parts->encoder;
    encoder.width = width;
    encoder.height = height;
    encoder.pix_fmt = AV_PIX_FMT_YUV420P;
    encoder.time_base = {1, fps};
    encoder.framerate = {fps, 1};
    encoder.gop_size = std::max(fps * 2, 1);
    encoder.thread_count = 1;
    encoder.color_range = AVCOL_RANGE_MPEG;
    if (format->oformat->flags & AVFMT_GLOBALHEADER)
        encoder.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_opt_set(encoder.priv_data, "preset", "veryfast", 0);
    av_opt_set_double(encoder.priv_data, "crf", 20, 0);
    if (avcodec_open2(&encoder, codec, nullptr) < 0)
        return failure(errc::media_error, "libx264 did not open");
    parts->track->time_base = encoder.time_base;
    parts->track->avg_frame_rate = encoder.framerate;
    if (avcodec_parameters_from_context(parts->track->codecpar, &encoder) < 0)
        return no_memory();
    AVDictionary* raw = nullptr;
    // Room for the index before the pictures: 16 bytes and more for each, and the rest.
    av_dict_set_int(&raw, "moov_size", 4096 + std::int64_t{frames} * 64, 0);
    const int begun = avformat_write_header(format, &raw);
    const media::av_ptr<AVDictionary> unused(raw);
    if (begun < 0)
        return failure(errc::media_error, "the video can't be begun");
    return clip_writer(std::move(parts));
}

outcome<void> clip_writer::add(const AVFrame& picture) {
    auto& encoder = *impl_->encoder;
    auto frame =
        convert_picture(picture, encoder.width, encoder.height, AV_PIX_FMT_YUV420P, SWS_BICUBIC);
    if (!frame)
        return frame.error();
    (*frame)->pts = impl_->next++;
    if (avcodec_send_frame(&encoder, frame->get()) < 0 || !impl_->drain())
        return failure(errc::media_error, "a picture can't be encoded");
    return {};
}

outcome<std::string> clip_writer::finish() {
    if (avcodec_send_frame(impl_->encoder.get(), nullptr) < 0 || !impl_->drain() ||
        av_write_trailer(impl_->format.get()) < 0)
        return failure(errc::media_error, "the video can't be ended");
    avio_flush(impl_->io.get());
    return std::move(impl_->file.bytes);
}

} // namespace rivulet::worker
