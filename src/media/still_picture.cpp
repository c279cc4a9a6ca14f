#include "media/still_picture.hpp"

#include "media/av_ptr.hpp"
#include "media/h264.hpp"
#include "media/ts_demuxer.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

extern "C" {
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

namespace rivulet::media {
namespace {

constexpr std::int64_t max_pixels = 4096 * 4096;

using frame_ptr = av_ptr<AVFrame>;

// libavcodec's own limit looks at the cropped size; what it allocates is here.
int get_bounded_buffer(AVCodecContext* context, AVFrame* frame, int flags) {
    if (std::int64_t{frame->width} * frame->height > max_pixels)
        return AVERROR(EINVAL);
    return avcodec_default_get_buffer2(context, frame, flags);
}

struct group {
    std::vector<access_unit> units; // from the newest keyframe on
    stream_format format;
};

group newest_group(const std::vector<bytes>& ts, const still_limits& limits) {
    group found;
    std::size_t size = 0;
    ts_demuxer_events events;
    events.format = [&](const stream_format& format) { found.format = format; };
    events.unit = [&](access_unit unit) {
        if (unit.kind != track_kind::video)
            return;
        if (unit.keyframe) {
            found.units.clear();
            size = 0;
        } else if (found.units.empty() || size + unit.data.size() > limits.group_bytes) {
            return;
        }
        size += unit.data.size();
        found.units.push_back(std::move(unit));
    };
    ts_demuxer demuxer(std::move(events));
    for (const auto& block : ts)
        demuxer.push(block.view());
    demuxer.flush();
    return found;
}

class decoder {
  public:
    static std::optional<decoder> open(codec type) {
        const auto* found =
            avcodec_find_decoder(type == codec::h265 ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264);
        decoder made;
        made.context_.reset(found ? avcodec_alloc_context3(found) : nullptr);
        made.packet_.reset(av_packet_alloc());
        if (!made.context_ || !made.packet_)
            return std::nullopt;
        made.context_->thread_count = 1;
        made.context_->pkt_timebase = {1, int(clock_rate)};
        made.context_->max_pixels = max_pixels;
        made.context_->get_buffer2 = get_bounded_buffer;
        if (avcodec_open2(made.context_.get(), found, nullptr) < 0)
            return std::nullopt;
        return made;
    }

    void push(const access_unit& unit) {
        if (unit.data.empty() || unit.data.size() > std::numeric_limits<int>::max() / 2 ||
            av_new_packet(packet_.get(), int(unit.data.size())) < 0)
            return;
        std::copy_n(unit.data.data(), unit.data.size(), packet_->data);
        packet_->pts = unit.pts;
        packet_->dts = unit.dts;
        avcodec_send_packet(context_.get(), packet_.get());
        av_packet_unref(packet_.get());
        receive();
    }

    frame_ptr finish() {
        avcodec_send_packet(context_.get(), nullptr);
        receive();
        return std::move(newest_);
    }

  private:
    void receive() {
        for (;;) {
            frame_ptr frame(av_frame_alloc());
            if (!frame || avcodec_receive_frame(context_.get(), frame.get()) < 0)
                return;
            // A picture with holes is worse than the one before it.
            const bool damaged =
                frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
            if (!damaged || !newest_)
                newest_ = std::move(frame);
        }
    }

    av_ptr<AVCodecContext> context_;
    av_ptr<AVPacket> packet_;
    frame_ptr newest_;
};

// 8 bits, 4:2:0 and even sizes: what every viewer's decoder takes.
frame_ptr make_plain(frame_ptr from) {
    const bool plain =
        from->format == AV_PIX_FMT_YUV420P && from->width % 2 == 0 && from->height % 2 == 0;
    if (plain)
        return from;
    if (from->format == AV_PIX_FMT_YUVJ420P && from->width % 2 == 0 && from->height % 2 == 0) {
        from->format = AV_PIX_FMT_YUV420P;
        from->color_range = AVCOL_RANGE_JPEG;
        return from;
    }
    frame_ptr to(av_frame_alloc());
    if (!to)
        return nullptr;
    to->format = AV_PIX_FMT_YUV420P;
    to->width = std::max(from->width & ~1, 2);
    to->height = std::max(from->height & ~1, 2);
    if (av_frame_get_buffer(to.get(), 0) < 0)
        return nullptr;
    SwsContext* scaler = sws_getContext(
        from->width,
        from->height,
        AVPixelFormat(from->format),
        to->width,
        to->height,
        AV_PIX_FMT_YUV420P,
        SWS_BILINEAR,
        nullptr,
        nullptr,
        nullptr
    );
    if (!scaler)
        return nullptr;
    sws_scale(scaler, from->data, from->linesize, 0, from->height, to->data, to->linesize);
    sws_freeContext(scaler);
    av_frame_copy_props(to.get(), from.get());
    return to;
}

bool encode(const AVFrame& picture, still_picture& into) {
    const auto* found = avcodec_find_encoder_by_name("libx264");
    av_ptr<AVCodecContext> context(found ? avcodec_alloc_context3(found) : nullptr);
    av_ptr<AVPacket> packet(av_packet_alloc());
    if (!context || !packet)
        return false;
    context->width = picture.width;
    context->height = picture.height;
    context->pix_fmt = AV_PIX_FMT_YUV420P;
    context->time_base = {1, int(clock_rate)};
    context->framerate = {2, 1};
    context->sample_aspect_ratio = picture.sample_aspect_ratio;
    context->color_range = picture.color_range;
    context->color_primaries = picture.color_primaries;
    context->color_trc = picture.color_trc;
    context->colorspace = picture.colorspace;
    context->thread_count = 1;
    context->max_b_frames = 0;
    context->gop_size = 1; // every picture is an IDR
    av_opt_set(context->priv_data, "preset", "superfast", 0);
    av_opt_set(context->priv_data, "tune", "zerolatency", 0);
    av_opt_set(context->priv_data, "profile", "main", 0);
    av_opt_set_double(context->priv_data, "crf", 23, 0);
    if (avcodec_open2(context.get(), found, nullptr) < 0)
        return false;
    for (std::size_t i = 0; i < into.keyframes.size(); ++i) {
        frame_ptr frame(av_frame_clone(&picture));
        if (!frame)
            return false;
        frame->pts = std::int64_t(i) * clock_rate / 2;
        frame->pict_type = AV_PICTURE_TYPE_I;
        if (avcodec_send_frame(context.get(), frame.get()) < 0 ||
            avcodec_receive_packet(context.get(), packet.get()) < 0)
            return false;
        auto& unit = into.keyframes[i];
        unit = {};
        unit.keyframe = true;
        unit.data = bytes::copy_of({packet->data, std::size_t(packet->size)});
        av_packet_unref(packet.get());
        if (!h264::has_idr(unit.data.view()))
            return false;
    }
    const auto sets = h264::find_parameter_sets(into.keyframes[0].data.view());
    const auto info = h264::parse_sps(sets.sps);
    if (!info || sets.pps.empty())
        return false;
    video_format video;
    video.type = codec::h264;
    video.width = info->width;
    video.height = info->height;
    video.sps.assign(sets.sps.begin(), sets.sps.end());
    video.pps.assign(sets.pps.begin(), sets.pps.end());
    into.format.video = std::move(video);
    return true;
}

} // namespace

outcome<still_picture> make_still(
    const std::vector<bytes>& ts, const still_limits& limits, const std::atomic<bool>& abandoned
) {
    const auto found = newest_group(ts, limits);
    if (found.units.empty() || !found.format.video)
        return failure(errc::not_found, "there is no keyframe");
    still_picture made;
    made.format = found.format;
    made.keyframes.fill(found.units.front());

    auto decoding = decoder::open(found.format.video->type);
    if (!decoding)
        return made;
    const auto until = steady_clock::now() + limits.decoding;
    for (const auto& unit : found.units) {
        if (abandoned)
            return failure(errc::cancelled, "nobody wants it any more");
        if (steady_clock::now() >= until)
            break;
        decoding->push(unit);
    }
    auto picture = decoding->finish();
    if (picture)
        picture = make_plain(std::move(picture));
    auto encoded = made;
    if (picture && encode(*picture, encoded)) {
        encoded.newest = true;
        return encoded;
    }
    return made;
}

} // namespace rivulet::media
