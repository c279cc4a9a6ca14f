#include "worker/picture.hpp"

#include "batch/media_input.hpp"
#include "batch/picture_bombs.hpp"

#include <fmt/format.h>

#include <cstring>
#include <limits>

extern "C" {
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

namespace rivulet::worker {

namespace {

// By the content; what a file calls itself says nothing.
AVCodecID picture_codec(std::string_view file) {
    using namespace std::string_view_literals;
    if (file.starts_with("\x89PNG\r\n\x1a\n"sv))
        return AV_CODEC_ID_PNG;
    if (file.starts_with("\xff\xd8\xff"sv))
        return AV_CODEC_ID_MJPEG;
    if (file.starts_with("GIF8"sv))
        return AV_CODEC_ID_GIF;
    if (file.starts_with("RIFF"sv) && file.substr(0, 12).ends_with("WEBP"sv))
        return AV_CODEC_ID_WEBP;
    if (file.starts_with("BM"sv))
        return AV_CODEC_ID_BMP;
    if (file.starts_with("II*\0"sv) || file.starts_with("MM\0*"sv))
        return AV_CODEC_ID_TIFF;
    return AV_CODEC_ID_NONE;
}

// libavcodec's own limit looks at the cropped size; what it allocates is here.
int get_bounded_buffer(AVCodecContext* context, AVFrame* frame, int flags) {
    if (std::int64_t{frame->width} * frame->height > picture_pixel_limit)
        return AVERROR(EINVAL);
    return avcodec_default_get_buffer2(context, frame, flags);
}

failure no_memory() {
    return failure(errc::no_capacity, "no memory for a picture");
}

} // namespace

outcome<frame_ptr> decode_picture(std::string_view file) {
    const auto id = picture_codec(file);
    const auto* codec = id == AV_CODEC_ID_NONE ? nullptr : avcodec_find_decoder(id);
    if (!codec)
        return failure(
            errc::unsupported, "the image is none of PNG, JPEG, GIF, WebP, BMP and TIFF"
        );
    if (file.size() > std::numeric_limits<int>::max() / 2)
        return failure(errc::too_large, "the image file is too large");
    media::av_ptr<AVCodecContext> context(avcodec_alloc_context3(codec));
    media::av_ptr<AVPacket> packet(av_packet_alloc());
    frame_ptr frame(av_frame_alloc());
    if (!context || !packet || !frame ||
        av_new_packet(packet.get(), static_cast<int>(file.size())) < 0)
        return no_memory();
    std::memcpy(packet->data, file.data(), file.size());
    const auto size = batch::without_bombs({packet->data, static_cast<std::size_t>(packet->size)});
    if (size == 0)
        return failure(errc::media_error, "the image can't be decoded");
    av_shrink_packet(packet.get(), static_cast<int>(size));
    batch::bound_libav_memory();
    context->thread_count = 1;
    context->thread_type = 0;
    context->max_pixels = picture_pixel_limit;
    context->get_buffer2 = get_bounded_buffer;
    if (avcodec_open2(context.get(), codec, nullptr) < 0)
        return no_memory();
    int got = avcodec_send_packet(context.get(), packet.get());
    if (got >= 0) {
        avcodec_send_packet(context.get(), nullptr);
        got = avcodec_receive_frame(context.get(), frame.get());
    }
    if (got < 0 && std::int64_t{context->width} * context->height > picture_pixel_limit)
        return failure(
            errc::too_large,
            fmt::format(
                "the image is {}x{}, more than {} pixels",
                context->width,
                context->height,
                picture_pixel_limit
            )
        );
    if (got < 0 || frame->width < 1 || frame->height < 1)
        return failure(errc::media_error, "the image can't be decoded");
    return frame;
}

frame_ptr blank_picture(int width, int height, AVPixelFormat format) {
    frame_ptr made(av_frame_alloc());
    if (!made)
        return made;
    made->width = width;
    made->height = height;
    made->format = format;
    if (av_frame_get_buffer(made.get(), 0) < 0)
        made.reset();
    return made;
}

AVPixelFormat plain_format(const AVFrame& picture) {
    const auto* about = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
    const bool clear = about && (about->flags & AV_PIX_FMT_FLAG_ALPHA);
    // A palette may have transparent entries.
    return clear || picture.format == AV_PIX_FMT_PAL8 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
}

outcome<frame_ptr>
convert_picture(const AVFrame& from, int width, int height, AVPixelFormat format, int flags) {
    auto to = blank_picture(width, height, format);
    if (!to)
        return no_memory();

    struct free_scaler {
        void operator()(SwsContext* scaler) const noexcept { sws_freeContext(scaler); }
    };

    const std::unique_ptr<SwsContext, free_scaler> scaler(sws_getContext(
        from.width,
        from.height,
        static_cast<AVPixelFormat>(from.format),
        width,
        height,
        format,
        flags | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP,
        nullptr,
        nullptr,
        nullptr
    ));
    if (!scaler)
        return failure(errc::media_error, "the image can't be converted");
    sws_scale(scaler.get(), from.data, from.linesize, 0, from.height, to->data, to->linesize);
    return to;
}

outcome<std::string> encode_png(const AVFrame& picture) {
    const auto* codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
    if (!codec)
        return failure(errc::no_capacity, "this FFmpeg writes no PNG");
    media::av_ptr<AVCodecContext> context(avcodec_alloc_context3(codec));
    media::av_ptr<AVPacket> packet(av_packet_alloc());
    if (!context || !packet)
        return no_memory();
    context->width = picture.width;
    context->height = picture.height;
    context->pix_fmt = static_cast<AVPixelFormat>(picture.format);
    context->time_base = {1, 1};
    context->thread_count = 1;
    context->compression_level = 6;
    av_opt_set(context->priv_data, "pred", "mixed", 0);
    if (avcodec_open2(context.get(), codec, nullptr) < 0 ||
        avcodec_send_frame(context.get(), &picture) < 0 ||
        avcodec_receive_packet(context.get(), packet.get()) < 0)
        return failure(errc::media_error, "the picture can't be written as PNG");
    return std::string(
        reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size)
    );
}

} // namespace rivulet::worker
