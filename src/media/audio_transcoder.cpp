#include "media/audio_transcoder.hpp"

#include "media/av_ptr.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

extern "C" {
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace rivulet::media {
namespace {

constexpr int output_rate = 48'000;
constexpr int aac_bit_rate = 128'000, opus_bit_rate = 96'000;
// Input times that stray further than this from the running count of samples restart it.
constexpr std::int64_t drift_limit = clock_rate / 20;

struct fifo_free {
    void operator()(AVAudioFifo* p) const noexcept { av_audio_fifo_free(p); }
};

struct swr_free_ptr {
    void operator()(SwrContext* p) const noexcept { swr_free(&p); }
};

AVCodecID id_of(codec type) {
    switch (type) {
    case codec::aac:
        return AV_CODEC_ID_AAC;
    case codec::opus:
        return AV_CODEC_ID_OPUS;
    case codec::mp3:
        return AV_CODEC_ID_MP3;
    default:
        return AV_CODEC_ID_NONE;
    }
}

const AVCodec* encoder_for(codec type) {
    if (type == codec::opus)
        return avcodec_find_encoder_by_name("libopus"); // libavcodec's own is experimental
    return type == codec::aac ? avcodec_find_encoder(AV_CODEC_ID_AAC) : nullptr;
}

} // namespace

struct audio_transcoder::impl {
    audio_format from, to;
    av_ptr<AVCodecContext> decoder, encoder;
    std::unique_ptr<SwrContext, swr_free_ptr> resampler;
    int resampled_rate = 0, resampled_channels = 0, resampled_format = -1;
    std::unique_ptr<AVAudioFifo, fifo_free> fifo;
    av_ptr<AVFrame> decoded{av_frame_alloc()}, framed{av_frame_alloc()};
    av_ptr<AVPacket> in{av_packet_alloc()}, out{av_packet_alloc()};
    std::optional<std::int64_t> base;             // pts of sample 0, in 90 kHz
    std::int64_t samples_in = 0, samples_out = 0; // since `base`

    error_code open();
    bool prepare_resampler();
    void take_frame(std::int64_t pts, std::vector<access_unit>& units);
    void encode(std::vector<access_unit>& units);

    std::int64_t time_of(std::int64_t sample) const {
        return *base + sample * clock_rate / output_rate;
    }
};

error_code audio_transcoder::impl::open() {
    const auto* decode_with = avcodec_find_decoder(id_of(from.type));
    const auto* encode_with = encoder_for(to.type);
    if (!decode_with || !encode_with)
        return make_error_code(errc::unsupported);
    decoder.reset(avcodec_alloc_context3(decode_with));
    decoder->sample_rate = from.sample_rate > 0 ? from.sample_rate : output_rate;
    av_channel_layout_default(&decoder->ch_layout, std::clamp(from.channels, 1, 8));
    decoder->thread_count = 1;
    if (!from.config.empty()) {
        decoder->extradata =
            static_cast<std::uint8_t*>(av_mallocz(from.config.size() + AV_INPUT_BUFFER_PADDING_SIZE)
            );
        std::memcpy(decoder->extradata, from.config.data(), from.config.size());
        decoder->extradata_size = static_cast<int>(from.config.size());
    }
    if (avcodec_open2(decoder.get(), decode_with, nullptr) < 0)
        return make_error_code(errc::media_error);

    encoder.reset(avcodec_alloc_context3(encode_with));
    encoder->sample_rate = output_rate;
    const int channels = from.channels == 1 ? 1 : 2;
    av_channel_layout_default(&encoder->ch_layout, channels);
    encoder->sample_fmt = encode_with->sample_fmts[0];
    encoder->time_base = {1, output_rate};
    encoder->bit_rate = to.type == codec::aac ? aac_bit_rate : opus_bit_rate;
    encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    encoder->thread_count = 1;
    if (avcodec_open2(encoder.get(), encode_with, nullptr) < 0)
        return make_error_code(errc::media_error);
    fifo.reset(av_audio_fifo_alloc(encoder->sample_fmt, channels, output_rate / 2));
    to.sample_rate = output_rate;
    to.channels = channels;
    if (to.type == codec::aac)
        to.config.assign(encoder->extradata, encoder->extradata + encoder->extradata_size);
    return {};
}

bool audio_transcoder::impl::prepare_resampler() {
    auto& f = *decoded;
    if (resampler && resampled_rate == f.sample_rate &&
        resampled_channels == f.ch_layout.nb_channels && resampled_format == f.format)
        return true;
    SwrContext* made = nullptr;
    if (swr_alloc_set_opts2(
            &made,
            &encoder->ch_layout,
            encoder->sample_fmt,
            output_rate,
            &f.ch_layout,
            static_cast<AVSampleFormat>(f.format),
            f.sample_rate,
            0,
            nullptr
        ) < 0)
        return false;
    resampler.reset(made);
    resampled_rate = f.sample_rate;
    resampled_channels = f.ch_layout.nb_channels;
    resampled_format = f.format;
    return swr_init(made) >= 0;
}

void audio_transcoder::impl::take_frame(std::int64_t pts, std::vector<access_unit>& units) {
    if (!prepare_resampler())
        return;
    if (base && std::llabs(pts - time_of(samples_in)) > drift_limit) {
        // The input's clock jumped. What waits in the fifo keeps its old time.
        av_audio_fifo_reset(fifo.get());
        base.reset();
    }
    if (!base) {
        base = pts;
        samples_in = samples_out = 0;
    }
    const int room = swr_get_out_samples(resampler.get(), decoded->nb_samples);
    std::uint8_t** buffers = nullptr;
    if (room <= 0 || av_samples_alloc_array_and_samples(
                         &buffers, nullptr, to.channels, room, encoder->sample_fmt, 0
                     ) < 0)
        return;
    const int n = swr_convert(
        resampler.get(),
        buffers,
        room,
        const_cast<const std::uint8_t**>(decoded->extended_data),
        decoded->nb_samples
    );
    if (n > 0 && av_audio_fifo_write(fifo.get(), reinterpret_cast<void**>(buffers), n) == n)
        samples_in += n;
    av_freep(&buffers[0]);
    av_freep(&buffers);
    while (av_audio_fifo_size(fifo.get()) >= encoder->frame_size)
        encode(units);
}

void audio_transcoder::impl::encode(std::vector<access_unit>& units) {
    av_frame_unref(framed.get());
    framed->nb_samples = encoder->frame_size;
    framed->format = encoder->sample_fmt;
    framed->sample_rate = output_rate;
    av_channel_layout_copy(&framed->ch_layout, &encoder->ch_layout);
    if (av_frame_get_buffer(framed.get(), 0) < 0)
        return;
    const int n = av_audio_fifo_read(
        fifo.get(), reinterpret_cast<void**>(framed->extended_data), encoder->frame_size
    );
    // Absolute, so that packets which the encoder holds back keep their time over a jump.
    framed->pts = time_of(samples_out) * (output_rate / 1000) / (clock_rate / 1000);
    samples_out += n;
    if (avcodec_send_frame(encoder.get(), framed.get()) < 0)
        return;
    while (avcodec_receive_packet(encoder.get(), out.get()) >= 0) {
        access_unit made;
        made.kind = track_kind::audio;
        made.keyframe = true;
        made.pts = made.dts = out->pts * (clock_rate / 1000) / (output_rate / 1000);
        made.data = bytes::copy_of({out->data, static_cast<std::size_t>(out->size)});
        units.push_back(std::move(made));
        av_packet_unref(out.get());
    }
}

audio_transcoder::audio_transcoder(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}

audio_transcoder::~audio_transcoder() = default;

result<std::unique_ptr<audio_transcoder>>
audio_transcoder::create(const audio_format& from, codec to) {
    auto made = std::make_unique<impl>();
    made->from = from;
    made->to.type = to;
    if (auto failed = made->open())
        return failed;
    return std::unique_ptr<audio_transcoder>(new audio_transcoder(std::move(made)));
}

const audio_format& audio_transcoder::from() const {
    return impl_->from;
}

const audio_format& audio_transcoder::to() const {
    return impl_->to;
}

std::vector<access_unit> audio_transcoder::convert(const access_unit& unit) {
    std::vector<access_unit> units;
    auto& in = *impl_->in;
    // libav reads past the end: the packet needs padding, which av_new_packet gives.
    if (unit.data.empty() || av_new_packet(&in, static_cast<int>(unit.data.size())) < 0)
        return units;
    std::memcpy(in.data, unit.data.data(), unit.data.size());
    in.pts = unit.pts;
    const int sent = avcodec_send_packet(impl_->decoder.get(), &in);
    av_packet_unref(&in);
    if (sent < 0)
        return units;
    while (avcodec_receive_frame(impl_->decoder.get(), impl_->decoded.get()) >= 0) {
        impl_->take_frame(unit.pts, units);
        av_frame_unref(impl_->decoded.get());
    }
    return units;
}

} // namespace rivulet::media
