#include "worker/video_encoder.hpp"

#include <algorithm>
#include <string>

extern "C" {
#include <libavutil/opt.h>
}

namespace rivulet::worker {

outcome<video_encoder> video_encoder::open(const AVFrame& example, const encoder_options& options) {
    const picture_size size{example.width, example.height};
    const auto* codec = avcodec_find_encoder_by_name("libx264");
    if (!codec)
        return failure(errc::unsupported, "this FFmpeg has no libx264");
    video_encoder made;
    made.context_.reset(avcodec_alloc_context3(codec));
    made.packet_.reset(av_packet_alloc());
    if (!made.context_ || !made.packet_)
        return failure(errc::media_error, "no memory for an encoder");

    auto& context = *made.context_;
    context.width = size.width;
    context.height = size.height;
    context.pix_fmt = AV_PIX_FMT_YUV420P;
    context.time_base = {1, static_cast<int>(media::clock_rate)};
    context.framerate = {options.frame_rate_hint, 1};
    context.sample_aspect_ratio = example.sample_aspect_ratio;
    context.color_primaries = example.color_primaries;
    context.color_trc = example.color_trc;
    context.colorspace = example.colorspace;
    context.thread_count = 1;
    context.max_b_frames = 0;
    context.gop_size = 1 << 20; // keyframes come from the caller
    // Four bits a second per pixel: 3.7 Mbit/s for 720p.
    const auto cap =
        std::clamp<std::int64_t>(std::int64_t{size.width} * size.height * 4, 500'000, 20'000'000);
    context.rc_max_rate = cap;
    context.rc_buffer_size = static_cast<int>(cap);

    const bool large = size.width * size.height > 1280 * 720;
    const char* preset = options.preset ? options.preset : large ? "ultrafast" : "superfast";
    av_opt_set(context.priv_data, "preset", preset, 0);
    av_opt_set(context.priv_data, "tune", "zerolatency", 0);
    av_opt_set_double(context.priv_data, "crf", options.quality, 0);
    av_opt_set_int(context.priv_data, "forced-idr", 1, 0);
    av_opt_set(context.priv_data, "x264-params", "scenecut=0:open-gop=0", 0);
    if (avcodec_open2(&context, codec, nullptr) < 0)
        return failure(errc::media_error, "libx264 did not open");
    return made;
}

error_code video_encoder::encode(frame_ptr frame, bool force_idr, const unit_sink& sink) {
    frame->pict_type = force_idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    frame->key_frame = force_idr;
    if (avcodec_send_frame(context_.get(), frame.get()) < 0)
        return make_error_code(errc::media_error);
    for (;;) {
        const int got = avcodec_receive_packet(context_.get(), packet_.get());
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
            return {};
        if (got < 0)
            return make_error_code(errc::media_error);
        media::access_unit unit;
        unit.kind = media::track_kind::video;
        unit.pts = packet_->pts;
        unit.dts = packet_->dts;
        unit.keyframe = (packet_->flags & AV_PKT_FLAG_KEY) != 0;
        // Shares the encoder's buffer instead of copying it.
        std::shared_ptr<AVPacket> held(av_packet_alloc(), media::av_free<AVPacket>{});
        if (!held)
            return make_error_code(errc::media_error);
        av_packet_move_ref(held.get(), packet_.get());
        std::span<const std::uint8_t> view(held->data, static_cast<std::size_t>(held->size));
        unit.data = bytes(std::move(held), view);
        sink(std::move(unit));
    }
}

} // namespace rivulet::worker
