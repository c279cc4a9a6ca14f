#include "worker/video_decoder.hpp"

#include "worker/coded_size.hpp"

#include <algorithm>
#include <limits>

namespace rivulet::worker {

namespace {

// Whole macroblocks: 1080 lines are coded as 1088.
constexpr int block = 64;

bool inside(std::int64_t width, std::int64_t height, std::int64_t wide, std::int64_t high) {
    const auto up = [](std::int64_t size) { return (size + block - 1) / block * block; };
    return (width <= up(wide) && height <= up(high)) || (width <= up(high) && height <= up(wide));
}

// libavcodec's own limit looks at the cropped size; what it allocates is here.
int get_bounded_buffer(AVCodecContext* context, AVFrame* frame, int flags) {
    const auto pixels = std::int64_t{frame->width} * frame->height;
    if (pixels > context->max_pixels)
        return AVERROR(EINVAL);
    return avcodec_default_get_buffer2(context, frame, flags);
}

} // namespace

outcome<video_decoder> video_decoder::open(media::codec type, int width_limit, int height_limit) {
    const auto id = type == media::codec::h264   ? AV_CODEC_ID_H264
                    : type == media::codec::h265 ? AV_CODEC_ID_HEVC
                                                 : AV_CODEC_ID_NONE;
    const auto* codec = avcodec_find_decoder(id);
    if (!codec)
        return failure(errc::unsupported, "the video is neither H.264 nor H.265");
    video_decoder made;
    made.type_ = type;
    made.width_limit_ = width_limit;
    made.height_limit_ = height_limit;
    made.context_.reset(avcodec_alloc_context3(codec));
    made.packet_.reset(av_packet_alloc());
    if (!made.context_ || !made.packet_)
        return failure(errc::media_error, "no memory for a decoder");
    made.context_->thread_count = 1;
    made.context_->pkt_timebase = {1, static_cast<int>(media::clock_rate)};
    made.context_->max_pixels = std::int64_t{width_limit + block} * (height_limit + block);
    made.context_->get_buffer2 = get_bounded_buffer;
    if (avcodec_open2(made.context_.get(), codec, nullptr) < 0)
        return failure(errc::media_error, "the decoder did not open");
    return made;
}

error_code video_decoder::decode(const media::access_unit& unit, const frame_sink& sink) {
    if (unit.data.empty() || unit.data.size() > std::numeric_limits<int>::max() / 2)
        return make_error_code(errc::invalid_argument);
    const auto coded = largest_coded_size(type_, unit.data.view());
    if (!inside(coded.width, coded.height, width_limit_, height_limit_))
        return make_error_code(errc::too_large);
    if (coded.unreadable)
        return make_error_code(errc::media_error);
    // The decoder reads a little past the end, so the unit moves into a padded buffer.
    if (av_new_packet(packet_.get(), static_cast<int>(unit.data.size())) < 0)
        return make_error_code(errc::media_error);
    std::memcpy(packet_->data, unit.data.data(), unit.data.size());
    packet_->pts = unit.pts;
    packet_->dts = unit.dts;
    if (unit.keyframe)
        packet_->flags |= AV_PKT_FLAG_KEY;
    const int sent = avcodec_send_packet(context_.get(), packet_.get());
    av_packet_unref(packet_.get());
    const auto received = receive(sink);
    return sent < 0 ? make_error_code(errc::media_error) : received;
}

error_code video_decoder::receive(const frame_sink& sink) {
    for (;;) {
        frame_ptr frame(av_frame_alloc());
        if (!frame)
            return make_error_code(errc::media_error);
        const int got = avcodec_receive_frame(context_.get(), frame.get());
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
            return {};
        if (got < 0)
            return make_error_code(errc::media_error);
        if (frame->pts == AV_NOPTS_VALUE)
            frame->pts = frame->best_effort_timestamp;
        if (!inside(frame->width, frame->height, width_limit_, height_limit_))
            return make_error_code(errc::too_large);
        if (frame->pts == AV_NOPTS_VALUE)
            return make_error_code(errc::media_error);
        sink(std::move(frame));
    }
}

void video_decoder::drain(const frame_sink& sink) {
    avcodec_send_packet(context_.get(), nullptr);
    receive(sink);
    avcodec_flush_buffers(context_.get());
}

void video_decoder::reset() {
    avcodec_flush_buffers(context_.get());
}

} // namespace rivulet::worker
