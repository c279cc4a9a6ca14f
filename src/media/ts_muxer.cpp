#include "media/ts_muxer.hpp"

#include "media/aac.hpp"
#include "media/av_ptr.hpp"

#include <array>
#include <limits>
#include <vector>

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
}

namespace rivulet::media {

namespace {

constexpr std::size_t packet_size = 188;
constexpr int sdt_pid = 0x11;
// Whole packets, so that a flush never cuts one in two.
constexpr int io_buffer_size = int(packet_size) * 256;
// PCR runs this far before DTS, as players' buffers expect; nothing is delayed by it.
constexpr std::int64_t pcr_lead_us = 100'000;

AVCodecID to_av(codec type) {
    switch (type) {
    case codec::h264:
        return AV_CODEC_ID_H264;
    case codec::h265:
        return AV_CODEC_ID_HEVC;
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

bool is_video(codec type) {
    return type == codec::h264 || type == codec::h265;
}

bool is_audio(codec type) {
    return type == codec::aac || type == codec::opus || type == codec::mp3;
}

// The sizes, parameter sets and AAC details travel with the units.
bool tables_say_the_same(const stream_format& a, const stream_format& b) {
    auto type = [](const auto& track) { return track ? track->type : codec::none; };
    if (type(a.video) != type(b.video) || type(a.audio) != type(b.audio))
        return false;
    return type(a.audio) != codec::opus || a.audio->channels == b.audio->channels;
}

struct close_context {
    void operator()(AVFormatContext* context) const noexcept {
        if (context->pb) {
            av_freep(&context->pb->buffer);
            avio_context_free(&context->pb);
        }
        avformat_free_context(context);
    }
};

} // namespace

struct ts_muxer::impl {
    stream_format format;
    aac::config_info aac_config;
    std::unique_ptr<AVFormatContext, close_context> context;
    av_ptr<AVPacket> packet{av_packet_alloc()};
    std::array<int, 2> index{-1, -1};              // libavformat's stream of each track
    std::array<std::int64_t, 2> last_dts{};        // per track, in this context
    std::array<std::uint8_t, 0x2000> continuity{}; // per PID: next counter
    std::vector<std::uint8_t> out;
    std::vector<std::uint8_t> framed; // audio frame with its ADTS header
    int tables_version = 0;
    bool new_segment = false;
    bool misaligned = false;

    static int on_bytes(void* self, std::uint8_t* data, int size) {
        static_cast<impl*>(self)->take({data, std::size_t(size)});
        return size;
    }

    // Packets as libavformat wrote them: the service description goes (segments start with PAT),
    // and the counters are ours, since a context may be replaced while the stream goes on.
    void take(byte_span data) {
        if (data.size() % packet_size != 0) {
            misaligned = true;
            return;
        }
        for (std::size_t at = 0; at < data.size(); at += packet_size) {
            auto ts = data.subspan(at, packet_size);
            int pid = (ts[1] & 0x1f) << 8 | ts[2];
            if (pid == sdt_pid)
                continue;
            out.insert(out.end(), ts.begin(), ts.end());
            std::uint8_t& flags = out[out.size() - packet_size + 3];
            std::uint8_t& next = continuity[std::size_t(pid)];
            if (flags & 0x10) { // only packets with payload count
                flags = std::uint8_t((flags & 0xf0) | next);
                next = (next + 1) & 0xf;
            } else {
                flags = std::uint8_t((flags & 0xf0) | ((next + 15) & 0xf));
            }
        }
    }

    bool add_stream(track_kind kind, codec type) {
        AVStream* stream = avformat_new_stream(context.get(), nullptr);
        if (!stream)
            return false;
        stream->codecpar->codec_type =
            kind == track_kind::video ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO;
        stream->codecpar->codec_id = to_av(type);
        stream->time_base = {1, int(clock_rate)};
        if (kind == track_kind::audio) {
            stream->codecpar->sample_rate = format.audio->sample_rate;
            stream->codecpar->frame_size = type == codec::mp3 ? 1152 : 1024; // a hint
            av_channel_layout_default(&stream->codecpar->ch_layout, format.audio->channels);
        } else {
            stream->codecpar->width = format.video->width;
            stream->codecpar->height = format.video->height;
        }
        index[std::size_t(kind)] = stream->index;
        return true;
    }

    error_code open() {
        context.reset();
        index = {-1, -1};
        last_dts.fill(std::numeric_limits<std::int64_t>::min());
        AVFormatContext* raw = nullptr;
        if (avformat_alloc_output_context2(&raw, nullptr, "mpegts", nullptr) < 0)
            return errc::media_error;
        context.reset(raw);
        auto* buffer = static_cast<std::uint8_t*>(av_malloc(io_buffer_size));
        raw->pb = avio_alloc_context(buffer, io_buffer_size, 1, this, nullptr, &on_bytes, nullptr);
        raw->flags |= AVFMT_FLAG_CUSTOM_IO;
        raw->flags &= ~AVFMT_FLAG_AUTO_BSF;
        raw->max_delay = pcr_lead_us;
        raw->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
        if (format.video && !add_stream(track_kind::video, format.video->type))
            return errc::media_error;
        if (format.audio && !add_stream(track_kind::audio, format.audio->type))
            return errc::media_error;
        AVDictionary* options = nullptr;
        av_dict_set(&options, "mpegts_copyts", "1", 0); // times as given, PCR before them
        av_dict_set(&options, "pes_payload_size", "0", 0);
        av_dict_set(&options, "omit_video_pes_length", "0", 0); // ends known without the next frame
        av_dict_set(&options, "pat_period", "3600", 0);
        av_dict_set(&options, "sdt_period", "3600", 0);
        av_dict_set_int(&options, "tables_version", tables_version, 0);
        int rc = avformat_write_header(raw, &options);
        av_dict_free(&options);
        if (rc < 0) {
            context.reset();
            return errc::media_error;
        }
        return {};
    }
};

ts_muxer::ts_muxer() : impl_(std::make_unique<impl>()) {}

ts_muxer::~ts_muxer() = default;
ts_muxer::ts_muxer(ts_muxer&&) noexcept = default;
ts_muxer& ts_muxer::operator=(ts_muxer&&) noexcept = default;

const stream_format& ts_muxer::format() const {
    return impl_->format;
}

error_code ts_muxer::set_format(const stream_format& format) {
    if (!format.video && !format.audio)
        return errc::invalid_argument;
    if ((format.video && !is_video(format.video->type)) ||
        (format.audio && !is_audio(format.audio->type)))
        return errc::unsupported;
    aac::config_info config;
    if (format.audio && format.audio->type == codec::aac) {
        auto parsed = aac::parse_config(format.audio->config);
        if (!parsed)
            return errc::invalid_argument;
        if (parsed->object_type > 4 || parsed->rate_index > 12)
            return errc::unsupported; // ADTS can't say it
        config = *parsed;
    }
    // Readers take new tables for old ones unless their version moves on.
    bool had_one = impl_->context != nullptr;
    bool same_tables = had_one && tables_say_the_same(impl_->format, format);
    impl_->format = format;
    impl_->aac_config = config;
    if (same_tables)
        return {};
    if (had_one)
        impl_->tables_version = (impl_->tables_version + 1) & 31;
    return impl_->open();
}

void ts_muxer::go_on_after(const ts_continuation& other) {
    impl_->tables_version = (other.tables_version + 1) & 31;
    impl_->continuity[0] = other.pat;
    impl_->continuity[pmt_pid] = other.pmt;
    impl_->continuity[first_pid] = other.video;
    impl_->continuity[first_pid + 1] = other.audio;
}

void ts_muxer::begin_segment() {
    impl_->new_segment = true;
}

result<bytes> ts_muxer::write(const access_unit& unit) {
    impl& self = *impl_;
    auto track = std::size_t(unit.kind);
    if (!self.context || self.index[track] < 0 || unit.data.empty() ||
        unit.data.size() > (std::size_t{1} << 30))
        return make_error_code(errc::invalid_argument);

    // libavformat refuses a clock that does not rise. Decoders cope with one, so the context is
    // replaced and the stream goes on with its own counters.
    if (unit.dts <= self.last_dts[track])
        if (auto ec = self.open())
            return ec;

    byte_span data = unit.data.view();
    if (unit.kind == track_kind::audio && self.format.audio->type == codec::aac) {
        auto header = aac::make_adts_header(self.aac_config, data.size());
        if (!header)
            return make_error_code(errc::invalid_argument);
        self.framed.assign(header->begin(), header->end());
        self.framed.insert(self.framed.end(), data.begin(), data.end());
        data = self.framed;
    }

    if (self.new_segment)
        av_opt_set(self.context->priv_data, "mpegts_flags", "+resend_headers", 0);
    self.new_segment = false;

    AVPacket& packet = *self.packet;
    packet.data = const_cast<std::uint8_t*>(data.data());
    packet.size = int(data.size());
    packet.stream_index = self.index[track];
    packet.dts = unit.dts;
    packet.pts = std::max(unit.pts, unit.dts);
    packet.flags = unit.keyframe ? AV_PKT_FLAG_KEY : 0;

    self.out.clear();
    self.out.reserve((data.size() / 184 + 8) * packet_size);
    int rc = av_write_frame(self.context.get(), &packet);
    // The muxer gathers audio frames of up to 170 bytes, whatever pes_payload_size says.
    if (rc >= 0 && unit.kind == track_kind::audio)
        rc = av_write_frame(self.context.get(), nullptr);
    avio_flush(self.context->pb);
    packet.data = nullptr;
    packet.size = 0;
    if (rc < 0 || self.misaligned || self.out.empty()) {
        self.misaligned = false;
        return make_error_code(errc::media_error);
    }
    self.last_dts[track] = unit.dts;
    auto block = std::make_shared<std::vector<std::uint8_t>>(std::move(self.out));
    self.out = {};
    byte_span view = *block;
    return bytes(std::move(block), view);
}

} // namespace rivulet::media
