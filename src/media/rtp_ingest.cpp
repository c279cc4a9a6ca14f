#include "media/rtp_ingest.hpp"

#include "base/ids.hpp"
#include "media/dts_repair.hpp"
#include "media/h264.hpp"
#include "media/keyframe_policy.hpp"
#include "media/rtcp_receive.hpp"
#include "media/rtp_clock.hpp"
#include "media/rtp_depayloader.hpp"
#include "media/rtp_packet.hpp"
#include "media/rtp_reorder.hpp"
#include "media/timestamp_corrector.hpp"
#include "media/twcc_feedback.hpp"

#include <algorithm>
#include <array>

namespace rivulet::media {

namespace {

constexpr duration report_interval = std::chrono::seconds(1);
// Room below the first picture for those that are shown before it, in the depayloader's time.
constexpr std::int64_t depayloader_start = 100 * clock_rate;
constexpr std::int64_t audio_rate = 48'000;
// Another SSRC takes over from one that is silent for so long; else it is a layer nobody asked for.
constexpr duration ssrc_pause = std::chrono::milliseconds(500);
// A step of the publisher's clock that no pause explains.
constexpr std::int64_t clock_jump = 30 * clock_rate;
// No picture is that large; without a marker a depayloader would collect for ever.
constexpr std::size_t max_picture_bytes = 8u << 20;
// Of a parameter set, ten times a real one's: it is repeated in front of every keyframe.
constexpr std::size_t max_set_bytes = 4'096;

// One stream of the publisher.
struct inbound {
    rtp_track track;
    rtp_reorder order;
    std::optional<std::uint32_t> ssrc;
    time_point last{};
    std::uint32_t last_report = 0;
    time_point last_report_at{};
};

std::uint32_t random_ssrc() {
    auto ssrc = std::uint32_t(std::stoul(random_hex(4), nullptr, 16));
    return ssrc ? ssrc : 1;
}

} // namespace

struct rtp_ingest::impl {
    // given
    rtp_ingest_options options;
    rtp_ingest_events events;
    logger log;

    // owned
    std::unique_ptr<rtp_depayloader> depayloader;
    inbound video, audio;
    twcc_feedback feedback;
    keyframe_policy keyframes;
    rtp_clock clock;
    timestamp_corrector corrector;
    dts_repair decoding_times;

    // state
    const std::uint32_t own = random_ssrc();
    const std::string cname = random_hex(8);
    time_point report_at = time_point::max();
    time_point now{}; // of the call
    // The publisher's video clock, and ours that begins at 0: `ticks` since `sent_zero`, on top of
    // `ticks_before`.
    unwrapper<32> sent_time;
    std::optional<std::int64_t> sent_zero;
    std::int64_t ticks_before = 0, last_ticks = 0;
    time_point last_ticks_at{};
    bool wait_for_keyframe = true, lost_pictures = false;
    std::optional<std::int64_t> damaged_from, damaged_to; // depayloader's time
    std::size_t unfinished = 0; // bytes in the depayloader since its last picture
    std::optional<std::int64_t> last_time;
    bool last_marker = true;
    std::vector<std::uint8_t> sps, pps;
    video_format format;
    std::optional<std::int64_t> last_audio_pts;
    std::uint8_t fir_count = 0;
    bool repaired_logged = false;
    std::uint64_t pictures = 0, keyframe_pictures = 0, damaged = 0;

    impl(rtp_ingest_options given, rtp_ingest_events to, logger to_log)
        : options(std::move(given)), events(std::move(to)), log(std::move(to_log)),
          keyframes(options.keyframe_interval), corrector(options.correct_timestamps) {
        video.track = options.video;
        rtp_reorder_options wanted;
        wanted.nack = options.video.nack;
        video.order = rtp_reorder(wanted);
        if (options.audio) {
            audio.track = *options.audio;
            wanted.clock_rate = audio_rate;
            wanted.nack = options.audio->nack;
            wanted.min_hold = std::chrono::milliseconds(40);
            audio.order = rtp_reorder(wanted);
        }
    }

    outcome<void> make_depayloader() {
        auto made = rtp_depayloader::create(
            options.video.type,
            options.video.payload_type,
            options.video.parameters,
            [this](std::int64_t time, bool keyframe, bytes data) {
                picture(time, keyframe, std::move(data));
            }
        );
        if (!made)
            return made.error();
        depayloader = std::move(*made);
        unfinished = 0;
        return {};
    }

    // ---- packets in --------------------------------------------------------------------------

    void rtp(std::span<const std::uint8_t> packet) {
        auto header = parse_rtp(packet);
        if (!header)
            return;
        if (options.transport_cc)
            if (auto value = header->extension(*options.transport_cc); value && value->size() >= 2)
                feedback.arrived(std::uint16_t((*value)[0] << 8 | (*value)[1]), now);
        if (report_at == time_point::max())
            report_at = now + report_interval / 4;
        if (header->payload_type == video.track.payload_type)
            take(video, *header, bytes::copy_of(packet), false);
        else if (options.audio && header->payload_type == audio.track.payload_type)
            take(audio, *header, bytes::copy_of(packet), false);
        else if (video.track.rtx && header->payload_type == *video.track.rtx)
            take_again(video, *header, packet);
        else if (options.audio && audio.track.rtx && header->payload_type == *audio.track.rtx)
            take_again(audio, *header, packet);
    }

    // RFC 4588: the payload begins with the sequence number that the packet had at first.
    void take_again(inbound& to, const rtp_header& header, std::span<const std::uint8_t> packet) {
        if (header.payload_size < 2 || !to.ssrc)
            return;
        auto payload = packet.subspan(header.size, header.payload_size);
        std::vector<std::uint8_t> first;
        first.reserve(12 + payload.size());
        first.insert(first.end(), packet.begin(), packet.begin() + 12);
        first[0] = 0x80; // extensions and sources of a retransmission are of no use
        first[1] = std::uint8_t((first[1] & 0x80) | to.track.payload_type);
        first[2] = payload[0];
        first[3] = payload[1];
        for (int i = 0; i < 4; ++i)
            first[std::size_t(8 + i)] = std::uint8_t(*to.ssrc >> (24 - 8 * i));
        first.insert(first.end(), payload.begin() + 2, payload.end());
        if (auto restored = parse_rtp(first))
            take(to, *restored, bytes::copy_of(first), true);
    }

    void take(inbound& to, const rtp_header& header, bytes packet, bool again) {
        if (!to.ssrc) {
            to.ssrc = header.ssrc;
            if (&to == &video)
                keyframes.began(now);
        } else if (*to.ssrc != header.ssrc) {
            if (now - to.last < ssrc_pause)
                return;
            change_stream(to, header.ssrc);
        }
        if (!again)
            to.last = now;
        if (to.order.push(header, std::move(packet), again, now))
            drain(to);
    }

    void change_stream(inbound& to, std::uint32_t ssrc) {
        to.ssrc = ssrc;
        to.last_report_at = {};
        to.order.begin_anew();
        if (&to == &video) {
            rebase();
            last_marker = true;
            lose_pictures();
        } else {
            clock.audio_begins_anew();
        }
    }

    void drain(inbound& from) {
        while (auto packet = from.order.pop(now)) {
            if (&from == &video)
                picture_packet(*packet);
            else
                sound_packet(*packet);
        }
    }

    // ---- video -------------------------------------------------------------------------------

    void lose_pictures() {
        wait_for_keyframe = true;
        keyframes.wanted(now);
    }

    // The next packet's clock goes on where this one is, however far its own has jumped.
    void rebase() {
        sent_zero.reset();
        sent_time.reset();
        corrector = timestamp_corrector(options.correct_timestamps);
        if (last_ticks_at != time_point{})
            ticks_before =
                last_ticks +
                std::max<std::int64_t>(
                    std::int64_t(
                        std::chrono::duration<double>(now - last_ticks_at).count() * clock_rate
                    ),
                    clock_rate / 30
                );
    }

    // A packet's time on our clock. Times of browsers that count wrong are mended here, so that
    // everything behind sees 90 kHz.
    std::int64_t place(std::uint32_t timestamp) {
        std::int64_t sent = sent_time(timestamp);
        if (sent_zero && std::abs(sent - *sent_zero + ticks_before - last_ticks) > clock_jump &&
            !corrector.correcting()) {
            rebase();
            sent = sent_time(timestamp);
        }
        if (!sent_zero)
            sent_zero = sent;
        const std::int64_t ticks = ticks_before + corrector(sent - *sent_zero, now);
        last_ticks = ticks;
        last_ticks_at = now;
        return ticks;
    }

    void picture_packet(const rtp_stored& stored) {
        if (stored.gap_before) {
            lose_pictures();
            lost_pictures = true;
        }
        if (stored.payload_size == 0)
            return; // only probes the way
        const std::int64_t ticks = place(stored.timestamp);
        clock.video(std::uint32_t(ticks), now);
        const std::int64_t time = ticks + depayloader_start;
        if (lost_pictures) {
            // The picture that was cut, and the one whose beginning may be lost.
            if (last_time && !last_marker)
                damaged_from = *last_time;
            damaged_to = time;
            lost_pictures = false;
        }
        last_time = time;
        last_marker = stored.marker;

        auto whole = stored.packet.view();
        unfinished += whole.size();
        if (whole[0] & 0x20) { // without its padding
            std::vector<std::uint8_t> plain(
                whole.begin(),
                whole.begin() + std::int64_t(stored.header_size + stored.payload_size)
            );
            plain[0] &= 0xdf;
            depayloader->push(plain, time, stored.gap_before);
        } else {
            depayloader->push(whole, time, stored.gap_before);
        }
        if (unfinished > max_picture_bytes)
            give_up_picture();
    }

    // Frees what the depayloader has collected; not inside its calls.
    void give_up_picture() {
        ++damaged;
        if (auto made = make_depayloader(); !made)
            log.warn("a picture without end can't be left: {}", made.error().detail);
        lose_pictures();
    }

    // Depayloaders hand out parameter sets alone when a delimiter follows them.
    bool has_picture(const bytes& data) {
        const bool avc = video.track.type == codec::h264;
        if (!avc && video.track.type != codec::h265)
            return true;
        nal_range nals(data.view());
        for (auto nal = nals.peek(); nal; nals.next(), nal = nals.peek()) {
            const auto type = avc ? *nal & 0x1f : (*nal >> 1) & 0x3f;
            if (avc ? type >= h264::slice && type <= h264::slice_idr : type < 32)
                return true;
        }
        return false;
    }

    void picture(std::int64_t time, bool keyframe, bytes data) {
        unfinished = 0;
        if (!has_picture(data)) {
            if (video.track.type == codec::h264)
                complete(data, false);
            return;
        }
        ++pictures;
        bool cut = (damaged_from && time == *damaged_from) || (damaged_to && time == *damaged_to);
        if (cut || (wait_for_keyframe && !keyframe)) {
            ++damaged;
            if (cut && keyframe)
                keyframes.wanted(now);
            return;
        }
        access_unit unit;
        unit.kind = track_kind::video;
        unit.keyframe = keyframe;
        unit.pts = time - depayloader_start;
        if (video.track.type == codec::h264) {
            if (!complete(data, keyframe)) {
                ++damaged; // nobody could decode it
                keyframes.wanted(now);
                return;
            }
            decoding_times(unit);
        } else {
            unit.dts = unit.pts;
        }
        unit.data = std::move(data);
        if (keyframe) {
            wait_for_keyframe = false;
            ++keyframe_pictures;
            keyframes.keyframe(now);
        }
        if (events.unit)
            events.unit(std::move(unit));
    }

    // H.264: keeps the newest parameter sets and puts them in front of a keyframe that has none.
    bool complete(bytes& data, bool keyframe) {
        auto sets = h264::find_parameter_sets(data.view());
        if (sets.sps.size() > max_set_bytes || sets.pps.size() > max_set_bytes)
            return false;
        if (!sets.sps.empty())
            sps.assign(sets.sps.begin(), sets.sps.end());
        if (!sets.pps.empty())
            pps.assign(sets.pps.begin(), sets.pps.end());
        if (!keyframe)
            return format.type != codec::none;
        if (sps.empty() || pps.empty())
            return false;
        learn_format();
        if (!sets.sps.empty() && !sets.pps.empty())
            return format.type != codec::none;
        std::vector<std::uint8_t> whole;
        whole.reserve(data.size() + sps.size() + pps.size() + 14);
        auto add = [&](byte_span nal) {
            whole.insert(whole.end(), {0, 0, 0, 1});
            whole.insert(whole.end(), nal.begin(), nal.end());
        };
        std::vector<byte_span> rest;
        nal_range nals(data.view());
        for (auto nal = nals.next(); !nal.empty(); nal = nals.next())
            switch (h264::type_of(nal)) {
            case h264::access_unit_delimiter:
                add(nal);
                break;
            case h264::sps:
            case h264::pps:
                break;
            default:
                rest.push_back(nal);
            }
        add(sps);
        add(pps);
        for (auto nal : rest)
            add(nal);
        data = bytes::copy_of(whole);
        return format.type != codec::none;
    }

    void learn_format() {
        if (format.type != codec::none && format.sps == sps && format.pps == pps)
            return;
        auto info = h264::parse_sps(sps);
        if (!info)
            return;
        format.type = codec::h264;
        format.width = info->width;
        format.height = info->height;
        format.sps = sps;
        format.pps = pps;
        decoding_times.reorder_frames(info->reorder_frames);
        if (info->reorder_frames > 0 && !repaired_logged) {
            repaired_logged = true;
            log.info("the publisher sends B-frames: decoding times are made up");
        }
        if (events.format)
            events.format(format);
    }

    // ---- audio -------------------------------------------------------------------------------

    void sound_packet(const rtp_stored& stored) {
        if (stored.payload_size == 0)
            return;
        auto pts = clock.audio(stored.timestamp, now);
        // After a correction backwards the sound overlaps: what was played is not played again.
        if (!pts ||
            (last_audio_pts && *pts <= *last_audio_pts && *last_audio_pts - *pts < clock_rate))
            return;
        last_audio_pts = *pts;
        access_unit unit;
        unit.kind = track_kind::audio;
        unit.pts = unit.dts = *pts;
        unit.keyframe = true;
        unit.data = stored.packet.slice(stored.header_size, stored.payload_size);
        if (events.unit)
            events.unit(std::move(unit));
    }

    // ---- RTCP --------------------------------------------------------------------------------

    void rtcp(std::span<const std::uint8_t> compound) {
        auto read = read_sender_rtcp(compound);
        if (!read)
            return;
        for (const auto& report : read->reports) {
            for (auto* stream : {&video, &audio})
                if (stream->ssrc && *stream->ssrc == report.ssrc) {
                    stream->last_report = std::uint32_t(report.ntp >> 16);
                    stream->last_report_at = now;
                }
            if (audio.ssrc && *audio.ssrc == report.ssrc)
                clock.audio_report(report.ntp, report.rtp);
            // Which clock a mended browser's reports show is anybody's guess.
            if (video.ssrc && *video.ssrc == report.ssrc && sent_zero && !corrector.correcting()) {
                auto near = sent_time;
                clock.video_report(
                    report.ntp, std::uint32_t(near(report.rtp) - *sent_zero + ticks_before)
                );
            }
        }
    }

    std::optional<rtcp_reception_block> block_of(inbound& stream) {
        if (!stream.ssrc)
            return std::nullopt;
        const auto& seen = stream.order.reception();
        rtcp_reception_block block;
        block.ssrc = *stream.ssrc;
        block.fraction_lost = stream.order.fraction_lost();
        block.packets_lost = std::int32_t(std::clamp<std::int64_t>(
            std::int64_t(seen.expected) - std::int64_t(seen.received), -0x80'0000, 0x7f'ffff
        ));
        block.highest_sequence = seen.highest;
        block.jitter = seen.jitter;
        if (stream.last_report_at != time_point{}) {
            block.last_sender_report = stream.last_report;
            block.delay = std::uint32_t(
                std::chrono::duration<double>(now - stream.last_report_at).count() * 65'536
            );
        }
        return block;
    }

    void send(const std::vector<std::uint8_t>& compound) {
        if (events.rtcp && !compound.empty())
            events.rtcp(compound);
    }

    void tick() {
        drain(video);
        if (options.audio)
            drain(audio);
        std::vector<std::uint8_t> out;
        auto begin = [&] {
            if (out.empty())
                out = write_receiver_report(own, {});
        };
        if (now >= report_at) {
            std::vector<rtcp_reception_block> blocks;
            for (auto* stream : {&video, &audio})
                if (auto block = block_of(*stream))
                    blocks.push_back(*block);
            out = write_receiver_report(own, blocks, cname);
            report_at = now + report_interval;
        }
        for (auto* stream : {&video, &audio}) {
            auto lost = stream->order.nacks(now);
            if (lost.empty())
                continue;
            begin();
            add_nack(out, own, *stream->ssrc, lost);
        }
        if (video.ssrc && keyframes.step(now)) {
            begin();
            if (options.video.fir && !options.video.pli)
                add_fir(out, own, *video.ssrc, fir_count++);
            else
                add_pli(out, own, *video.ssrc); // understood even where it was not offered
        }
        send(out);
        out = write_receiver_report(own, {});
        if (video.ssrc || audio.ssrc)
            if (feedback.add_report(out, own, video.ssrc.value_or(audio.ssrc.value_or(0)), now))
                send(out);
    }

    time_point deadline() const {
        auto at = std::min({report_at, video.order.deadline(), keyframes.deadline()});
        if (options.audio)
            at = std::min(at, audio.order.deadline());
        if (video.ssrc || audio.ssrc)
            at = std::min(at, feedback.deadline());
        return at;
    }
};

rtp_ingest::rtp_ingest(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}

rtp_ingest::~rtp_ingest() = default;

outcome<std::unique_ptr<rtp_ingest>>
rtp_ingest::create(rtp_ingest_options options, rtp_ingest_events events, logger log) {
    auto made = std::make_unique<impl>(std::move(options), std::move(events), std::move(log));
    if (auto depayloader = made->make_depayloader(); !depayloader)
        return depayloader.error();
    return std::unique_ptr<rtp_ingest>(new rtp_ingest(std::move(made)));
}

void rtp_ingest::rtp(std::span<const std::uint8_t> packet, time_point now) {
    impl_->now = now;
    impl_->rtp(packet);
    if (now >= impl_->deadline())
        impl_->tick();
}

void rtp_ingest::rtcp(std::span<const std::uint8_t> compound, time_point now) {
    impl_->now = now;
    impl_->rtcp(compound);
}

void rtp_ingest::request_keyframe(time_point now) {
    impl_->now = now;
    if (impl_->video.ssrc)
        impl_->keyframes.wanted(now);
    if (now >= impl_->deadline())
        impl_->tick();
}

void rtp_ingest::tick(time_point now) {
    impl_->now = now;
    impl_->tick();
}

time_point rtp_ingest::deadline() const {
    return impl_->deadline();
}

rtp_ingest_stats rtp_ingest::stats() const {
    rtp_ingest_stats out;
    for (const auto* stream : {&impl_->video, &impl_->audio}) {
        const auto& seen = stream->order.reception();
        out.packets += seen.received;
        out.bytes += seen.bytes;
        out.lost += seen.expected > seen.received ? seen.expected - seen.received : 0;
        out.recovered += seen.recovered;
        out.given_up += seen.given_up;
        out.nacks += seen.nacked;
    }
    const auto& seen = impl_->video.order.reception();
    out.keyframe_requests = impl_->keyframes.asked();
    out.pictures = impl_->pictures;
    out.keyframes = impl_->keyframe_pictures;
    out.damaged = impl_->damaged;
    out.round_trip = seen.round_trip;
    out.jitter = std::chrono::microseconds(std::int64_t(seen.jitter) * 1'000'000 / clock_rate);
    out.aligned = impl_->clock.by_reports();
    out.corrected = impl_->corrector.correcting();
    out.reordered = impl_->decoding_times.depth();
    return out;
}

} // namespace rivulet::media
