#include "worker/wave_file.hpp"

#include "batch/media_input.hpp"
#include "media/av_ptr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace rivulet::worker {

namespace {

constexpr int io_block = 32 * 1024;
constexpr int slowest = 4'000, fastest = 384'000; // samples a second

struct reading_place {
    std::string_view file;
    std::size_t at = 0;
};

int read_memory(void* opaque, std::uint8_t* into, int size) {
    auto& place = *static_cast<reading_place*>(opaque);
    const auto count =
        std::min(static_cast<std::size_t>(std::max(size, 0)), place.file.size() - place.at);
    if (count == 0)
        return AVERROR_EOF;
    std::memcpy(into, place.file.data() + place.at, count);
    place.at += count;
    return static_cast<int>(count);
}

std::int64_t seek_memory(void* opaque, std::int64_t offset, int whence) {
    auto& place = *static_cast<reading_place*>(opaque);
    const auto size = static_cast<std::int64_t>(place.file.size());
    std::int64_t to = offset;
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
        return size;
    case SEEK_SET:
        break;
    case SEEK_CUR:
        to += static_cast<std::int64_t>(place.at);
        break;
    case SEEK_END:
        to += size;
        break;
    default:
        return AVERROR(EINVAL);
    }
    if (to < 0 || to > size)
        return AVERROR(EINVAL);
    place.at = static_cast<std::size_t>(to);
    return to;
}

struct close_input {
    void operator()(AVFormatContext* input) const noexcept { avformat_close_input(&input); }
};

struct free_io {
    void operator()(AVIOContext* io) const noexcept {
        if (io)
            av_freep(&io->buffer);
        avio_context_free(&io);
    }
};

struct free_resampler {
    void operator()(SwrContext* resampler) const noexcept { swr_free(&resampler); }
};

failure no_memory() {
    return failure(errc::no_capacity, "no memory for the sound");
}

void put_16(std::string& into, unsigned value) {
    into += static_cast<char>(value & 0xff);
    into += static_cast<char>(value >> 8 & 0xff);
}

void put_32(std::string& into, std::uint32_t value) {
    put_16(into, value & 0xffff);
    put_16(into, value >> 16);
}

// Decoded pictures of sound, resampled into one array.
class sound_reader {
  public:
    sound_reader(int rate, std::size_t most) : rate_(rate), most_(most) {}

    // False: it is full, or libav refuses.
    bool add(const AVFrame& frame) {
        if (!resampler_ && !open(frame))
            return false;
        const int room = swr_get_out_samples(resampler_.get(), frame.nb_samples);
        return convert(
            const_cast<const std::uint8_t**>(frame.extended_data), frame.nb_samples, room
        );
    }

    void flush() {
        if (resampler_)
            convert(nullptr, 0, swr_get_out_samples(resampler_.get(), 0));
    }

    bool full() const { return too_long_ || samples_.size() >= most_; }

    std::vector<std::int16_t> take() { return std::move(samples_); }

  private:
    bool open(const AVFrame& frame) {
        // What a header may claim: the sound would grow beyond all bounds, or the filters would.
        if (frame.sample_rate < slowest || frame.sample_rate > fastest)
            return false;
        AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
        AVChannelLayout from{};
        if (frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
            av_channel_layout_default(&from, std::max(1, frame.ch_layout.nb_channels));
        else if (av_channel_layout_copy(&from, &frame.ch_layout) < 0)
            return false;
        SwrContext* made = nullptr;
        const int set = swr_alloc_set_opts2(
            &made,
            &mono,
            AV_SAMPLE_FMT_S16,
            rate_,
            &from,
            static_cast<AVSampleFormat>(frame.format),
            frame.sample_rate,
            0,
            nullptr
        );
        av_channel_layout_uninit(&from);
        resampler_.reset(made);
        format_ = frame.format;
        channels_ = frame.ch_layout.nb_channels;
        if (set >= 0 && swr_init(made) >= 0)
            return true;
        resampler_.reset();
        return false;
    }

    bool convert(const std::uint8_t** from, int count, int room) {
        if (room < 0 || full())
            return false;
        const auto had = samples_.size();
        // One block of a file that claims one sample a second lasts for hours.
        too_long_ = had + static_cast<std::size_t>(room) > most_ + static_cast<std::size_t>(rate_);
        if (too_long_)
            return false;
        samples_.resize(had + static_cast<std::size_t>(room));
        auto* into = reinterpret_cast<std::uint8_t*>(samples_.data() + had);
        const int got = swr_convert(resampler_.get(), &into, room, from, count);
        samples_.resize(had + static_cast<std::size_t>(std::max(0, got)));
        return got >= 0;
    }

    int rate_;
    std::size_t most_;
    std::unique_ptr<SwrContext, free_resampler> resampler_;
    int format_ = 0, channels_ = 0;
    bool too_long_ = false;
    std::vector<std::int16_t> samples_;

  public:
    // Not what the resampler was made for: some files change on the way.
    bool changed(const AVFrame& frame) const {
        return resampler_ && (frame.format != format_ || frame.ch_layout.nb_channels != channels_);
    }
};

} // namespace

std::string wave_file(std::span<const std::int16_t> samples, int rate) {
    const auto size = static_cast<std::uint32_t>(samples.size() * 2);
    std::string made = "RIFF";
    made.reserve(44 + size);
    put_32(made, 36 + size);
    made += "WAVEfmt ";
    put_32(made, 16);
    put_16(made, 1); // PCM
    put_16(made, 1); // mono
    put_32(made, static_cast<std::uint32_t>(rate));
    put_32(made, static_cast<std::uint32_t>(rate) * 2);
    put_16(made, 2);
    put_16(made, 16);
    made += "data";
    put_32(made, size);
    for (const auto each : samples)
        put_16(made, static_cast<std::uint16_t>(each));
    return made;
}

outcome<std::vector<std::int16_t>> decode_sound(
    std::string_view file, int rate, double seconds_limit, const std::function<bool()>& cancelled
) {
    batch::bound_libav_memory();
    reading_place place{file, 0};
    auto* block = static_cast<unsigned char*>(av_malloc(io_block));
    const std::unique_ptr<AVIOContext, free_io> io(
        block ? avio_alloc_context(block, io_block, 0, &place, read_memory, nullptr, seek_memory)
              : nullptr
    );
    AVFormatContext* raw = avformat_alloc_context();
    if (!io || !raw) {
        avformat_free_context(raw);
        return no_memory();
    }
    raw->pb = io.get();
    raw->flags |= AVFMT_FLAG_CUSTOM_IO;
    // Nothing that would open further files.
    raw->format_whitelist = av_strdup("wav,mp3,flac,ogg,matroska,webm,mov,mp4,m4a,aac");
    raw->protocol_whitelist = av_strdup("none");
    raw->max_streams = 8;
    raw->probesize = 1 << 20;
    if (avformat_open_input(&raw, nullptr, nullptr, nullptr) < 0) // frees it when it fails
        return failure(
            errc::unsupported, "the audio is none of WAV, MP3, FLAC, Ogg, WebM, MP4 and AAC"
        );
    const std::unique_ptr<AVFormatContext, close_input> input(raw);
    const AVCodec* codec = nullptr;
    const int track = avformat_find_stream_info(raw, nullptr) < 0
                          ? -1
                          : av_find_best_stream(raw, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
    if (track < 0 || !codec)
        return failure(errc::media_error, "the file has no sound that can be decoded");
    const media::av_ptr<AVCodecContext> decoder(avcodec_alloc_context3(codec));
    const media::av_ptr<AVPacket> packet(av_packet_alloc());
    const media::av_ptr<AVFrame> frame(av_frame_alloc());
    if (!decoder || !packet || !frame ||
        avcodec_parameters_to_context(decoder.get(), raw->streams[track]->codecpar) < 0)
        return no_memory();
    decoder->thread_count = 1;
    if (avcodec_open2(decoder.get(), codec, nullptr) < 0)
        return failure(errc::media_error, "the sound can't be decoded");

    const auto most = static_cast<std::size_t>(seconds_limit * rate);
    sound_reader reader(rate, most);
    const auto receive = [&] {
        while (avcodec_receive_frame(decoder.get(), frame.get()) >= 0) {
            if (reader.changed(*frame) || !reader.add(*frame))
                return false;
        }
        return true;
    };
    bool going = true;
    while (going && av_read_frame(raw, packet.get()) >= 0) {
        if (cancelled())
            return failure(errc::cancelled, "nobody waits for it any more");
        if (packet->stream_index == track && avcodec_send_packet(decoder.get(), packet.get()) >= 0)
            going = receive();
        av_packet_unref(packet.get());
    }
    if (going) {
        avcodec_send_packet(decoder.get(), nullptr);
        receive();
        reader.flush();
    }
    if (reader.full())
        return failure(
            errc::too_large,
            fmt::format(
                "the sound is longer than the {:.0f} seconds that this model takes", seconds_limit
            )
        );
    auto samples = reader.take();
    if (samples.empty())
        return failure(errc::media_error, "the sound can't be decoded");
    return samples;
}

} // namespace rivulet::worker
