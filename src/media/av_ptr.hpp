// Ownership of libav values.
#pragma once

#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace rivulet::media {

template <class T>
struct av_free;

template <>
struct av_free<AVPacket> {
    void operator()(AVPacket* p) const noexcept { av_packet_free(&p); }
};

template <>
struct av_free<AVFrame> {
    void operator()(AVFrame* p) const noexcept { av_frame_free(&p); }
};

template <>
struct av_free<AVCodecContext> {
    void operator()(AVCodecContext* p) const noexcept { avcodec_free_context(&p); }
};

template <>
struct av_free<AVCodecParserContext> {
    void operator()(AVCodecParserContext* p) const noexcept { av_parser_close(p); }
};

template <>
struct av_free<AVDictionary> {
    void operator()(AVDictionary* p) const noexcept { av_dict_free(&p); }
};

template <class T>
using av_ptr = std::unique_ptr<T, av_free<T>>;

} // namespace rivulet::media
