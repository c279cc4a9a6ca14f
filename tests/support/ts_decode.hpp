// Decodes a piece of MPEG-TS with libavformat and libavcodec, as a stranger would.
#pragma once

#include "media/av_ptr.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace rivulet::test {

struct decoded_ts {
    int video_frames = 0, audio_frames = 0, errors = 0;
    int width = 0, height = 0;
    std::vector<std::int64_t> video_pts, audio_pts; // of decoded frames, 90 kHz
};

inline decoded_ts decode_ts(std::span<const std::uint8_t> ts) {
    struct memory {
        std::span<const std::uint8_t> rest;

        static int read(void* self, std::uint8_t* out, int size) {
            auto& rest = static_cast<memory*>(self)->rest;
            if (rest.empty())
                return AVERROR_EOF;
            auto n = std::min<std::size_t>(rest.size(), std::size_t(size));
            std::memcpy(out, rest.data(), n);
            rest = rest.subspan(n);
            return int(n);
        }
    } input{ts};

    decoded_ts out;
    auto* context = avformat_alloc_context();
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(32768));
    context->pb = avio_alloc_context(buffer, 32768, 0, &input, &memory::read, nullptr, nullptr);
    auto* pb = context->pb;
    auto release = [&] {
        av_freep(&pb->buffer);
        avio_context_free(&pb);
    };
    if (avformat_open_input(&context, nullptr, av_find_input_format("mpegts"), nullptr) < 0) {
        release();
        out.errors = 1;
        return out;
    }
    avformat_find_stream_info(context, nullptr);
    std::vector<media::av_ptr<AVCodecContext>> decoders;
    for (unsigned i = 0; i < context->nb_streams; ++i) {
        const auto* parameters = context->streams[i]->codecpar;
        const auto* codec = avcodec_find_decoder(parameters->codec_id);
        media::av_ptr<AVCodecContext> decoder(codec ? avcodec_alloc_context3(codec) : nullptr);
        if (decoder) {
            avcodec_parameters_to_context(decoder.get(), parameters);
            decoder->thread_count = 1;
            if (avcodec_open2(decoder.get(), codec, nullptr) < 0)
                decoder.reset();
        }
        decoders.push_back(std::move(decoder));
    }
    media::av_ptr<AVFrame> frame(av_frame_alloc());
    auto decode = [&](AVCodecContext* decoder, AVPacket* packet) {
        if (avcodec_send_packet(decoder, packet) < 0 && packet)
            ++out.errors;
        while (avcodec_receive_frame(decoder, frame.get()) >= 0) {
            if (frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT)
                ++out.errors;
            if (decoder->codec_type == AVMEDIA_TYPE_VIDEO) {
                ++out.video_frames;
                out.width = frame->width;
                out.height = frame->height;
                out.video_pts.push_back(frame->pts);
            } else {
                ++out.audio_frames;
                out.audio_pts.push_back(frame->pts);
            }
        }
    };
    media::av_ptr<AVPacket> packet(av_packet_alloc());
    while (av_read_frame(context, packet.get()) >= 0) {
        auto i = std::size_t(packet->stream_index);
        if (i < decoders.size() && decoders[i])
            decode(decoders[i].get(), packet.get());
        av_packet_unref(packet.get());
    }
    for (auto& decoder : decoders)
        if (decoder)
            decode(decoder.get(), nullptr);
    avformat_close_input(&context);
    release();
    return out;
}

} // namespace rivulet::test
