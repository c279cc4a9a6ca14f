#include "batch/media_input.hpp"

extern "C" {
#include <libavutil/mem.h>
}

namespace rivulet::batch {
namespace {

constexpr int buffer_bytes = 64 * 1024;
constexpr unsigned most_streams = 8; // each may have an index of that size
constexpr std::size_t allocation_bytes = 288u << 20;

int refuse_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EPERM);
}

// libavcodec's own limit looks at the cropped size; what it allocates is here.
int bounded_buffer(AVCodecContext* context, AVFrame* frame, int flags) {
    if (context->codec_type == AVMEDIA_TYPE_VIDEO &&
        std::int64_t{frame->width} * frame->height > context->max_pixels)
        return AVERROR(EINVAL);
    return avcodec_default_get_buffer2(context, frame, flags);
}

} // namespace

void bound_libav_memory() {
    av_max_alloc(allocation_bytes);
}

void bound_decoder(AVCodecContext& context, std::int64_t pixels) {
    bound_libav_memory();
    context.thread_count = 1;
    context.thread_type = FF_THREAD_SLICE; // frame threads want a get_buffer2() of another kind
    context.max_pixels = pixels;
    context.get_buffer2 = bounded_buffer;
}

outcome<std::unique_ptr<media_input>>
media_input::open(const media_bytes& from, const char* demuxer, duration limit) {
    const failure out_of_memory(errc::media_error, "there is no memory to look at the file");
    const auto* format = demuxer ? av_find_input_format(demuxer) : nullptr;
    if (!format)
        return failure(errc::media_error, "libav can't read this format here");
    bound_libav_memory();
    auto made = std::make_unique<media_input>(from);
    made->left_ = from.size * 4 + (1u << 20);
    made->until_ = steady_clock::now() + limit;
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(buffer_bytes));
    if (!buffer)
        return out_of_memory;
    made->io_ = avio_alloc_context(buffer, buffer_bytes, 0, made.get(), &read_some, nullptr, &seek);
    if (!made->io_) {
        av_free(buffer);
        return out_of_memory;
    }
    made->format_ = avformat_alloc_context();
    if (!made->format_)
        return out_of_memory;
    made->format_->pb = made->io_;
    made->format_->flags |= AVFMT_FLAG_CUSTOM_IO;
    made->format_->io_open = refuse_open;
    made->format_->max_streams = most_streams;
    // Frees the context when it fails.
    if (avformat_open_input(&made->format_, nullptr, format, nullptr) < 0)
        return failure(errc::media_error, "the file is damaged: its beginning can't be read");
    return made;
}

media_input::~media_input() {
    if (format_)
        avformat_close_input(&format_);
    if (io_) {
        av_freep(&io_->buffer);
        avio_context_free(&io_);
    }
}

int media_input::read_some(void* self, std::uint8_t* into, int size) {
    auto& input = *static_cast<media_input*>(self);
    if (size <= 0)
        return AVERROR(EINVAL);
    const auto wanted = static_cast<std::size_t>(size);
    if (wanted > input.left_ || steady_clock::now() >= input.until_)
        return AVERROR_EXIT;
    const auto n =
        input.from_.read(static_cast<std::uint64_t>(input.position_), std::span(into, wanted));
    input.left_ -= n;
    input.position_ += static_cast<std::int64_t>(n);
    return n == 0 ? AVERROR_EOF : static_cast<int>(n);
}

std::int64_t media_input::seek(void* self, std::int64_t offset, int whence) {
    auto& input = *static_cast<media_input*>(self);
    const auto size = static_cast<std::int64_t>(input.from_.size);
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return size;
    std::int64_t base = 0;
    if (whence == SEEK_CUR)
        base = input.position_;
    else if (whence == SEEK_END)
        base = size;
    else if (whence != SEEK_SET)
        return AVERROR(EINVAL);
    std::int64_t to = 0;
    if (__builtin_add_overflow(base, offset, &to) || to < 0)
        return AVERROR(EINVAL);
    input.position_ = to;
    return to;
}

AVStream* media_input::select(AVMediaType kind) {
    // av_find_best_stream() passes over those whose first packets have not been looked at.
    AVStream* best = nullptr;
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
        auto* each = format_->streams[i];
        each->discard = AVDISCARD_ALL;
        const bool fits = each->codecpar->codec_type == kind &&
                          each->codecpar->codec_id != AV_CODEC_ID_NONE &&
                          !(each->disposition & AV_DISPOSITION_ATTACHED_PIC);
        const bool is_default = each->disposition & AV_DISPOSITION_DEFAULT;
        if (fits && (!best || (is_default && !(best->disposition & AV_DISPOSITION_DEFAULT))))
            best = each;
    }
    if (!best)
        return nullptr;
    best->discard = AVDISCARD_DEFAULT;
    selected_ = best->index;
    return best;
}

bool media_input::read(AVPacket& into) {
    for (;;) {
        av_packet_unref(&into);
        if (av_read_frame(format_, &into) < 0)
            return false;
        if (into.stream_index == selected_)
            return true;
    }
}

} // namespace rivulet::batch
