#include "batch/media_decoding.hpp"

#include "batch/media_input.hpp"
#include "batch/picture_bombs.hpp"

#include <fmt/core.h>

#include <limits>
#include <mutex>
#include <optional>

namespace rivulet::batch {
namespace {

constexpr duration time_limit = std::chrono::seconds(20);
constexpr std::int64_t video_pixels = 8192 * 4608;
constexpr int tried_packets = 300;
constexpr int tolerated_errors = 20;
// Beyond these a picture waits for its turn: together they would take the machine's memory.
constexpr std::uint64_t large_bytes = 4u << 20;
constexpr std::int64_t large_pixels = 2048 * 2048;
std::mutex large_one;

using media::av_ptr;

AVCodecID picture_codec(const media_format& format) {
    if (format.name == "png")
        return AV_CODEC_ID_PNG;
    if (format.name == "jpeg")
        return AV_CODEC_ID_MJPEG;
    if (format.name == "gif")
        return AV_CODEC_ID_GIF;
    if (format.name == "webp")
        return AV_CODEC_ID_WEBP;
    if (format.name == "bmp")
        return AV_CODEC_ID_BMP;
    return format.name == "tiff" ? AV_CODEC_ID_TIFF : AV_CODEC_ID_NONE;
}

av_ptr<AVCodecContext>
open_decoder(AVCodecID id, const AVCodecParameters* from, std::int64_t pixels) {
    const auto* codec = avcodec_find_decoder(id);
    av_ptr<AVCodecContext> context(codec ? avcodec_alloc_context3(codec) : nullptr);
    if (!context || (from && avcodec_parameters_to_context(context.get(), from) < 0))
        return nullptr;
    bound_decoder(*context, pixels);
    // A file that is whole has no such errors; streams may begin anywhere, and of TIFF this decoder
    // takes every unknown tag for one.
    if (!from && id != AV_CODEC_ID_TIFF)
        context->err_recognition = AV_EF_CRCCHECK | AV_EF_BUFFER | AV_EF_EXPLODE;
    if (avcodec_open2(context.get(), codec, nullptr) < 0)
        return nullptr;
    return context;
}

bool decodes(AVCodecContext& decoder, const AVPacket* packet) {
    av_ptr<AVFrame> frame(av_frame_alloc());
    if (!frame || avcodec_send_packet(&decoder, packet) < 0 ||
        avcodec_receive_frame(&decoder, frame.get()) < 0)
        return false;
    return frame->decode_error_flags == 0 && !(frame->flags & AV_FRAME_FLAG_CORRUPT);
}

enum class first_frame { decoded, no_decoder, damaged };

first_frame decode_first(media_input& input, const AVCodecParameters& track) {
    auto decoder = open_decoder(track.codec_id, &track, video_pixels);
    av_ptr<AVPacket> packet(av_packet_alloc());
    av_ptr<AVFrame> frame(av_frame_alloc());
    if (!decoder || !packet || !frame)
        return first_frame::no_decoder;
    int errors = 0;
    for (int i = 0; i < tried_packets; ++i) {
        const bool more = input.read(*packet);
        if (avcodec_send_packet(decoder.get(), more ? packet.get() : nullptr) < 0)
            ++errors;
        if (avcodec_receive_frame(decoder.get(), frame.get()) >= 0)
            return first_frame::decoded;
        if (!more || errors > tolerated_errors)
            break;
    }
    return first_frame::damaged;
}

AVMediaType type_of(media_class track) {
    return track == media_class::audio ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_VIDEO;
}

outcome<std::unique_ptr<media_input>>
open_track(const media_format& format, media_class track, const media_bytes& content) {
    auto input = media_input::open(content, format.demuxer, time_limit);
    if (!input)
        return input.error();
    if (!(*input)->select(type_of(track)))
        return failure(
            errc::media_error,
            fmt::format(
                "the {} file has no {} in it",
                format.name,
                track == media_class::audio ? "sound" : "video"
            )
        );
    return input;
}

double in_seconds(std::int64_t ticks, AVRational base) {
    return static_cast<double>(ticks) * av_q2d(base);
}

// What the container says; 0: nothing.
double claimed_length(media_input& input, const AVStream& track) {
    const auto whole = input.context().duration;
    if (whole != AV_NOPTS_VALUE && whole > 0)
        return static_cast<double>(whole) / AV_TIME_BASE;
    if (track.duration != AV_NOPTS_VALUE && track.duration > 0)
        return in_seconds(track.duration, track.time_base);
    return 0;
}

// What its packets last; stops soon after `most`.
double counted_length(media_input& input, const AVStream& track, double most) {
    av_ptr<AVPacket> packet(av_packet_alloc());
    std::optional<double> first; // as numbers: far apart, timestamps overflow
    double by_times = 0, by_lengths = 0;
    while (packet && input.read(*packet)) {
        const auto lasts = in_seconds(std::max<std::int64_t>(packet->duration, 0), track.time_base);
        if (packet->pts != AV_NOPTS_VALUE) {
            const auto at = in_seconds(packet->pts, track.time_base);
            if (!first)
                first = at;
            by_times = std::max(by_times, at - *first + lasts);
        }
        by_lengths += lasts;
        if ((first ? by_times : by_lengths) > most)
            break;
    }
    return first ? by_times : by_lengths;
}

} // namespace

outcome<void>
check_picture(const media_format& format, const image_header& header, const media_bytes& content) {
    if (header.animated || header.pixels() > decoded_pixels)
        return outcome<void>();
    const failure damaged(
        errc::media_error,
        fmt::format("the picture can't be decoded: it is no whole {} file", format.name)
    );
    if (content.size == 0 || content.size > std::numeric_limits<int>::max() / 2)
        return damaged;
    std::unique_lock<std::mutex> turn(large_one, std::defer_lock);
    if (content.size > large_bytes || header.pixels() > large_pixels)
        turn.lock();
    av_ptr<AVPacket> packet(av_packet_alloc());
    auto decoder = open_decoder(picture_codec(format), nullptr, decoded_pixels);
    if (!packet || !decoder || av_new_packet(packet.get(), static_cast<int>(content.size)) < 0)
        return failure(errc::media_error, "there is no memory or no decoder for the picture");
    if (!read_exactly(content, 0, {packet->data, static_cast<std::size_t>(packet->size)}))
        return damaged;
    const auto size = without_bombs({packet->data, static_cast<std::size_t>(packet->size)});
    if (size == 0)
        return damaged;
    av_shrink_packet(packet.get(), static_cast<int>(size));
    packet->flags |= AV_PKT_FLAG_KEY;
    if (!decodes(*decoder, packet.get()))
        return damaged;
    return outcome<void>();
}

outcome<void>
check_track(const media_format& format, media_class track, const media_bytes& content) {
    auto input = open_track(format, track, content);
    if (!input)
        return input.error();
    const auto& codec = *(*input)->select(type_of(track))->codecpar;
    switch (decode_first(**input, codec)) {
    case first_frame::decoded:
        return outcome<void>();
    case first_frame::no_decoder:
        return failure(
            errc::media_error,
            fmt::format("{} can't be decoded here", avcodec_get_name(codec.codec_id))
        );
    case first_frame::damaged:
        break;
    }
    return failure(errc::media_error, fmt::format("the {} file can't be decoded", format.name));
}

outcome<double> sound_length(const media_format& format, const media_bytes& content, double most) {
    auto input = open_track(format, media_class::audio, content);
    if (!input)
        return input.error();
    const auto* track = (*input)->select(AVMEDIA_TYPE_AUDIO);
    const double claimed = claimed_length(**input, *track);
    const double counted = counted_length(**input, *track, most);
    const double seconds = claimed > 0 ? claimed : counted;
    if (seconds > most || counted > most)
        return failure(
            errc::media_error,
            fmt::format("the sound lasts longer than {:.0f} seconds, which is the most", most)
        );
    if (seconds <= 0)
        return failure(errc::media_error, "audio duration calculation failed");
    // Time is what is paid for, so nobody claims an hour with a second's bytes.
    if (claimed > counted * 1.5 + 5)
        return failure(
            errc::media_error,
            fmt::format(
                "the {} file says it lasts {:.1f} seconds and holds {:.1f}",
                format.name,
                claimed,
                counted
            )
        );
    return seconds;
}

} // namespace rivulet::batch
