// Small made-up MPEG-TS clips, cut in segments as a gateway publishes them: a picture whose left
// half is dark and whose right half is bright, a moving bar in it, and a tone. And what a stranger
// sees who decodes such bytes.
#pragma once

#include "media/av_ptr.hpp"
#include "media/ts_muxer.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
}

namespace rivulet::test {

struct clip_options {
    int width = 160, height = 96;
    int frames = 90;
    int frame_rate = 30;
    int gop = 30; // a segment each
    int b_frames = 0;
    bool intra_refresh = false; // one IDR, then recovery points
    bool audio = true;
    std::int64_t start = 900'000; // PTS of the first frame
};

struct clip {
    struct segment {
        std::vector<bytes> blocks; // one per unit
        std::vector<std::int64_t> video_pts, audio_pts;

        bytes whole() const {
            std::vector<std::uint8_t> all;
            for (const auto& block : blocks)
                all.insert(all.end(), block.view().begin(), block.view().end());
            return bytes::copy_of(all);
        }
    };

    std::vector<segment> segments;
    std::set<std::int64_t> video_pts, audio_pts;
};

namespace detail {

inline media::av_ptr<AVCodecContext> open_video(const clip_options& options) {
    const auto* codec = avcodec_find_encoder_by_name("libx264");
    media::av_ptr<AVCodecContext> context(avcodec_alloc_context3(codec));
    context->width = options.width;
    context->height = options.height;
    context->pix_fmt = AV_PIX_FMT_YUV420P;
    context->time_base = {1, 90'000};
    context->framerate = {options.frame_rate, 1};
    context->gop_size = options.gop;
    context->keyint_min = options.gop;
    context->max_b_frames = options.b_frames;
    context->thread_count = 1;
    av_opt_set(context->priv_data, "preset", "ultrafast", 0);
    const std::string refresh = options.intra_refresh ? ":intra-refresh=1" : "";
    av_opt_set(
        context->priv_data, "x264-params", ("scenecut=0:rc-lookahead=0" + refresh).c_str(), 0
    );
    if (avcodec_open2(context.get(), codec, nullptr) < 0)
        throw std::runtime_error("libx264");
    return context;
}

inline media::av_ptr<AVCodecContext> open_audio() {
    const auto* codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    media::av_ptr<AVCodecContext> context(avcodec_alloc_context3(codec));
    context->sample_rate = 48'000;
    context->sample_fmt = AV_SAMPLE_FMT_FLTP;
    av_channel_layout_default(&context->ch_layout, 1);
    context->bit_rate = 64'000;
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (avcodec_open2(context.get(), codec, nullptr) < 0)
        throw std::runtime_error("aac");
    return context;
}

inline media::av_ptr<AVFrame> picture(const clip_options& options, int index) {
    media::av_ptr<AVFrame> frame(av_frame_alloc());
    frame->width = options.width;
    frame->height = options.height;
    frame->format = AV_PIX_FMT_YUV420P;
    av_frame_get_buffer(frame.get(), 0);
    for (int y = 0; y < options.height; ++y)
        for (int x = 0; x < options.width; ++x)
            frame->data[0][y * frame->linesize[0] + x] = y == index % options.height ? 235
                                                         : x < options.width / 2     ? 40
                                                                                     : 100;
    for (int plane : {1, 2})
        for (int y = 0; y < options.height / 2; ++y)
            std::memset(
                frame->data[plane] + y * frame->linesize[plane],
                128,
                static_cast<std::size_t>(options.width / 2)
            );
    frame->pts = options.start + std::int64_t{index} * 90'000 / options.frame_rate;
    return frame;
}

template <class Take>
void receive(AVCodecContext& context, const Take& take) {
    media::av_ptr<AVPacket> packet(av_packet_alloc());
    while (avcodec_receive_packet(&context, packet.get()) >= 0) {
        take(*packet);
        av_packet_unref(packet.get());
    }
}

} // namespace detail

inline clip make_clip(const clip_options& options = {}) {
    av_log_set_level(AV_LOG_FATAL);
    auto video = detail::open_video(options);
    media::av_ptr<AVCodecContext> audio;
    media::stream_format format;
    format.video = media::video_format{media::codec::h264, options.width, options.height, {}, {}};
    if (options.audio) {
        audio = detail::open_audio();
        format.audio = media::audio_format{
            media::codec::aac,
            48'000,
            1,
            {audio->extradata, audio->extradata + audio->extradata_size}};
    }

    std::multimap<std::int64_t, media::access_unit> units; // by DTS
    auto unit_of = [](const AVPacket& packet, media::track_kind kind) {
        media::access_unit unit;
        unit.kind = kind;
        unit.pts = packet.pts;
        unit.dts = packet.dts;
        unit.keyframe = packet.flags & AV_PKT_FLAG_KEY;
        unit.data = bytes::copy_of({packet.data, static_cast<std::size_t>(packet.size)});
        return unit;
    };
    auto take_video = [&](const AVPacket& packet) {
        units.emplace(packet.dts, unit_of(packet, media::track_kind::video));
    };
    for (int i = 0; i < options.frames; ++i) {
        avcodec_send_frame(video.get(), detail::picture(options, i).get());
        detail::receive(*video, take_video);
    }
    avcodec_send_frame(video.get(), nullptr);
    detail::receive(*video, take_video);

    if (audio) {
        const auto total = options.frames * 48'000 / options.frame_rate / 1024;
        auto take_audio = [&](const AVPacket& packet) {
            auto unit = unit_of(packet, media::track_kind::audio);
            unit.pts = unit.dts = options.start + packet.pts * 90'000 / 48'000;
            if (packet.pts >= 0)
                units.emplace(unit.dts + 1, std::move(unit));
        };
        for (int i = 0; i < total; ++i) {
            media::av_ptr<AVFrame> frame(av_frame_alloc());
            frame->nb_samples = 1024;
            frame->format = AV_SAMPLE_FMT_FLTP;
            frame->sample_rate = 48'000;
            av_channel_layout_default(&frame->ch_layout, 1);
            av_frame_get_buffer(frame.get(), 0);
            for (int s = 0; s < 1024; ++s)
                reinterpret_cast<float*>(frame->data[0])[s] =
                    0.2f * std::sin(static_cast<float>(i * 1024 + s) * 0.0576f);
            frame->pts = std::int64_t{i} * 1024;
            avcodec_send_frame(audio.get(), frame.get());
            detail::receive(*audio, take_audio);
        }
    }

    clip made;
    media::ts_muxer muxer;
    if (muxer.set_format(format))
        throw std::runtime_error("ts_muxer");
    for (const auto& [dts, unit] : units) {
        const bool is_video = unit.kind == media::track_kind::video;
        if (is_video && unit.keyframe) {
            made.segments.emplace_back();
            muxer.begin_segment();
        }
        if (made.segments.empty())
            continue;
        auto& segment = made.segments.back();
        segment.blocks.push_back(muxer.write(unit).value());
        (is_video ? segment.video_pts : segment.audio_pts).push_back(unit.pts);
        (is_video ? made.video_pts : made.audio_pts).insert(unit.pts);
    }
    return made;
}

struct seen_picture {
    std::int64_t pts = 0;
    int width = 0, height = 0;
    double left = 0, right = 0; // mean luma of the halves
};

struct seen_clip {
    std::vector<seen_picture> pictures; // in order of decoding
    std::vector<std::int64_t> audio_pts;
    std::string audio_codec;
    int errors = 0;

    std::set<std::int64_t> video_pts() const {
        std::set<std::int64_t> all;
        for (const auto& picture : pictures)
            all.insert(picture.pts);
        return all;
    }
};

// Decodes with libavformat and libavcodec.
inline seen_clip look_at(std::span<const std::uint8_t> ts) {
    struct memory {
        std::span<const std::uint8_t> rest;

        static int read(void* self, std::uint8_t* out, int size) {
            auto& rest = static_cast<memory*>(self)->rest;
            if (rest.empty())
                return AVERROR_EOF;
            const auto n = std::min(rest.size(), static_cast<std::size_t>(size));
            std::memcpy(out, rest.data(), n);
            rest = rest.subspan(n);
            return static_cast<int>(n);
        }
    } input{ts};

    seen_clip seen;
    auto* context = avformat_alloc_context();
    context->pb = avio_alloc_context(
        static_cast<std::uint8_t*>(av_malloc(32768)),
        32768,
        0,
        &input,
        &memory::read,
        nullptr,
        nullptr
    );
    auto* pb = context->pb;
    auto release = [&] {
        av_freep(&pb->buffer);
        avio_context_free(&pb);
    };
    if (avformat_open_input(&context, nullptr, av_find_input_format("mpegts"), nullptr) < 0) {
        release();
        ++seen.errors;
        return seen;
    }
    avformat_find_stream_info(context, nullptr);
    std::map<int, media::av_ptr<AVCodecContext>> decoders;
    for (unsigned i = 0; i < context->nb_streams; ++i) {
        const auto* parameters = context->streams[i]->codecpar;
        if (parameters->codec_type == AVMEDIA_TYPE_AUDIO)
            seen.audio_codec = avcodec_get_name(parameters->codec_id);
        if (parameters->codec_type != AVMEDIA_TYPE_VIDEO)
            continue;
        const auto* codec = avcodec_find_decoder(parameters->codec_id);
        media::av_ptr<AVCodecContext> decoder(avcodec_alloc_context3(codec));
        avcodec_parameters_to_context(decoder.get(), parameters);
        decoder->thread_count = 1;
        if (avcodec_open2(decoder.get(), codec, nullptr) >= 0)
            decoders[static_cast<int>(i)] = std::move(decoder);
    }
    media::av_ptr<AVFrame> frame(av_frame_alloc());
    auto decode = [&](AVCodecContext* decoder, const AVPacket* packet) {
        if (avcodec_send_packet(decoder, packet) < 0 && packet)
            ++seen.errors;
        while (avcodec_receive_frame(decoder, frame.get()) >= 0) {
            if (frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT)
                ++seen.errors;
            seen_picture picture{frame->pts, frame->width, frame->height};
            double left = 0, right = 0;
            for (int y = 0; y < frame->height; ++y)
                for (int x = 0; x < frame->width; ++x)
                    (x < frame->width / 2 ? left : right) +=
                        frame->data[0][y * frame->linesize[0] + x];
            picture.left = left / (frame->width / 2.0 * frame->height);
            picture.right = right / (frame->width / 2.0 * frame->height);
            seen.pictures.push_back(picture);
        }
    };
    media::av_ptr<AVPacket> packet(av_packet_alloc());
    while (av_read_frame(context, packet.get()) >= 0) {
        if (auto found = decoders.find(packet->stream_index); found != decoders.end())
            decode(found->second.get(), packet.get());
        else
            seen.audio_pts.push_back(packet->pts);
        av_packet_unref(packet.get());
    }
    for (auto& [index, decoder] : decoders)
        decode(decoder.get(), nullptr);
    avformat_close_input(&context);
    release();
    return seen;
}

} // namespace rivulet::test
