#include "media/ts_demuxer.hpp"

#include "media/aac.hpp"
#include "media/entry_points.hpp"
#include "media/h264.hpp"
#include "media/timestamps.hpp"
#include "media/ts_tables.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace rivulet::media {

namespace {

constexpr std::size_t packet_size = 188;
constexpr std::uint8_t sync_byte = 0x47;
// Longest audio frame remainder that is kept for the next PES.
constexpr std::size_t max_remainder = 8192;

using block = std::vector<std::uint8_t>;

struct pes_header {
    std::size_t payload_at = 0;
    std::optional<std::uint64_t> pts, dts;
};

std::uint64_t read_timestamp(byte_span p) {
    return std::uint64_t(p[0] >> 1 & 7) << 30 | std::uint64_t(p[1]) << 22 |
           std::uint64_t(p[2] >> 1) << 15 | std::uint64_t(p[3]) << 7 | std::uint64_t(p[4] >> 1);
}

std::optional<pes_header> parse_pes_header(byte_span pes) {
    if (pes.size() < 9 || pes[0] != 0 || pes[1] != 0 || pes[2] != 1 || (pes[6] & 0xc0) != 0x80)
        return std::nullopt;
    pes_header header;
    header.payload_at = 9 + std::size_t(pes[8]);
    if (header.payload_at > pes.size())
        return std::nullopt;
    int present = pes[7] >> 6;
    if (present >= 2 && pes[8] >= 5)
        header.pts = read_timestamp(pes.subspan(9, 5));
    if (present == 3 && pes[8] >= 10)
        header.dts = read_timestamp(pes.subspan(14, 5));
    return header;
}

// One elementary stream while its PES packets are put together.
struct track {
    ts_stream stream;
    track_kind kind = track_kind::video;

    bool collecting = false;
    block pes;
    std::size_t expected = 0; // whole PES; 0: unbounded
    std::size_t last_size = 4096;

    std::optional<std::uint8_t> last_counter;
    std::array<std::uint8_t, packet_size> last_packet{};
    bool tables_since = false; // a PAT came after the last packet of this PID

    // Whether stuffing ends a PES with this sender: learned from a few, given up for good when a
    // PES goes on after stuffing.
    int stuffing_ends = 0;
    bool stuffed = false;
    bool ended_early = false;

    bool trusts_stuffing() const { return stuffing_ends >= 3; }

    // Audio frame that goes on in the next PES.
    block remainder;
    std::int64_t remainder_pts = 0;
};

} // namespace

struct ts_demuxer::impl {
    ts_demuxer_events events;
    ts_demuxer_options options;
    ts_demuxer_counters counters;

    block carry;
    bool synced = true;
    section_reader pat, pmt;
    int pmt_pid = -1;
    std::vector<ts_stream> program;
    std::optional<track> video, audio;
    unwrap33 clock;
    entry_points entries;
    stream_format format, announced;

    impl(ts_demuxer_events e, ts_demuxer_options o) : events(std::move(e)), options(o) {}

    // ---- packets -------------------------------------------------------------------------------

    // Handles whole packets at the front of `data`; returns how many bytes are done with.
    std::size_t consume(byte_span data) {
        std::size_t at = 0;
        while (data.size() - at >= packet_size) {
            if (data[at] != sync_byte)
                synced = false;
            if (!synced) {
                // A real sync byte has another one a packet later.
                if (data.size() - at <= packet_size)
                    break;
                if (data[at] != sync_byte || data[at + packet_size] != sync_byte) {
                    ++at;
                    ++counters.lost_sync_bytes;
                    continue;
                }
                synced = true;
            }
            packet(data.subspan(at, packet_size));
            at += packet_size;
        }
        return at;
    }

    void push(byte_span data) {
        while (!carry.empty() && !data.empty()) {
            std::size_t taken = std::min(data.size(), 2 * packet_size);
            carry.insert(carry.end(), data.begin(), data.begin() + std::ptrdiff_t(taken));
            std::size_t left = carry.size() - consume(carry);
            if (left <= taken) { // what is left lies within `data`: go on there
                data = data.subspan(taken - left);
                carry.clear();
                break;
            }
            carry.erase(carry.begin(), carry.end() - std::ptrdiff_t(left));
            data = data.subspan(taken);
        }
        if (data.empty())
            return;
        std::size_t done = consume(data);
        carry.assign(data.begin() + std::ptrdiff_t(done), data.end());
    }

    track* find(int pid) {
        if (video && video->stream.pid == pid)
            return &*video;
        if (audio && audio->stream.pid == pid)
            return &*audio;
        return nullptr;
    }

    void packet(byte_span ts) {
        ++counters.packets;
        int pid = (ts[1] & 0x1f) << 8 | ts[2];
        bool damaged = ts[1] & 0x80, starts = ts[1] & 0x40;
        bool scrambled = ts[3] & 0xc0, has_adaptation = ts[3] & 0x20, has_payload = ts[3] & 0x10;
        track* to = find(pid);
        bool is_table = pid == 0 || (pid == pmt_pid && pmt_pid >= 0);
        if ((!to && !is_table) || scrambled)
            return;
        if (damaged) {
            if (to)
                abandon(*to);
            return;
        }

        std::size_t at = 4;
        bool stuffed = false, discontinuity = false;
        if (has_adaptation) {
            std::size_t length = ts[4];
            at += 1 + length;
            if (at > packet_size)
                return;
            stuffed = has_stuffing(ts.subspan(5, length), length);
            discontinuity = length > 0 && (ts[5] & 0x80);
        }
        if (!has_payload)
            return;
        byte_span payload = ts.subspan(at);

        if (is_table) {
            table(pid, payload, starts);
            return;
        }
        if (!follows(*to, ts, starts, discontinuity))
            return;
        if (starts) {
            finish(*to);
            to->collecting = true;
            to->expected = 0;
            to->stuffed = false;
            to->ended_early = false;
            to->pes.clear();
            to->pes.reserve(to->last_size);
        } else if (!to->collecting) {
            if (to->ended_early) { // it was not the end after all
                to->stuffing_ends = -1'000'000'000;
                to->ended_early = false;
                ++counters.dropped_units;
            }
            return;
        } else if (to->stuffed) {
            to->stuffing_ends = -1'000'000'000;
        }
        collect(*to, payload, stuffed);
    }

    // Stuffing beyond the fields that an adaptation field says it has.
    static bool has_stuffing(byte_span field, std::size_t length) {
        if (length == 0)
            return true; // the one-byte form is stuffing by itself
        std::uint8_t flags = field[0];
        std::size_t used = 1;
        if (flags & 0x10)
            used += 6;
        if (flags & 0x08)
            used += 6;
        if (flags & 0x04)
            used += 1;
        if (flags & 0x02)
            used += 1 + (used < length ? field[used] : 0u);
        if (flags & 0x01)
            used += 1 + (used < length ? field[used] : 0u);
        return used < length;
    }

    // Checks the continuity counter. False: the packet is to be ignored.
    bool follows(track& to, byte_span ts, bool starts, bool discontinuity) {
        std::uint8_t counter = ts[3] & 0xf;
        bool restarted = to.tables_since;
        to.tables_since = false;
        if (to.last_counter && !discontinuity) {
            if (counter == *to.last_counter && std::ranges::equal(ts, to.last_packet))
                return false; // sent twice, as the standard allows
            if (counter != ((*to.last_counter + 1) & 0xf)) {
                ++counters.discontinuities;
                // Behind new tables it is a muxer that began again, and nothing was lost.
                if (!(starts && restarted))
                    abandon(to);
            }
        }
        to.last_counter = counter;
        std::ranges::copy(ts, to.last_packet.begin());
        return true;
    }

    void abandon(track& from) {
        if (from.collecting)
            ++counters.dropped_units;
        from.collecting = false;
        from.ended_early = false;
        from.remainder.clear();
    }

    void collect(track& to, byte_span payload, bool stuffed) {
        if (to.pes.size() + payload.size() > options.max_pes_bytes) {
            abandon(to);
            return;
        }
        to.pes.insert(to.pes.end(), payload.begin(), payload.end());
        to.stuffed = stuffed;
        if (to.expected == 0 && to.pes.size() >= 6) {
            std::size_t length = std::size_t(to.pes[4]) << 8 | to.pes[5];
            if (length != 0)
                to.expected = 6 + length;
        }
        if (to.expected != 0) {
            if (to.pes.size() >= to.expected)
                finish(to);
        } else if (stuffed && to.trusts_stuffing()) {
            finish(to);
            to.ended_early = true;
        }
    }

    // ---- tables --------------------------------------------------------------------------------

    void table(int pid, byte_span payload, bool starts) {
        if (pid == 0) {
            for (auto* each : {&video, &audio})
                if (*each)
                    (*each)->tables_since = true;
            auto section = pat.push(payload, starts);
            if (!section)
                return;
            if (auto found = parse_pat(*section); found && *found != pmt_pid) {
                pmt_pid = *found;
                pmt = {};
            }
            return;
        }
        auto section = pmt.push(payload, starts);
        if (!section)
            return;
        auto streams = parse_pmt(*section);
        if (!streams || *streams == program)
            return;
        program = *streams;
        choose(video, track_kind::video);
        choose(audio, track_kind::audio);
        announce();
    }

    void choose(std::optional<track>& slot, track_kind kind) {
        auto is_kind = [&](const ts_stream& s) {
            bool v = s.type == codec::h264 || s.type == codec::h265;
            return s.type != codec::none && v == (kind == track_kind::video);
        };
        auto chosen = std::ranges::find_if(program, is_kind);
        if (slot && chosen != program.end() && slot->stream == *chosen)
            return;
        if (slot)
            finish(*slot);
        slot.reset();
        if (kind == track_kind::video)
            format.video.reset();
        else
            format.audio.reset();
        if (chosen == program.end())
            return;
        slot.emplace();
        slot->stream = *chosen;
        slot->kind = kind;
        if (kind == track_kind::video) {
            format.video.emplace().type = chosen->type;
        } else {
            format.audio.emplace().type = chosen->type;
            if (chosen->type == codec::opus) {
                format.audio->sample_rate = 48'000;
                format.audio->channels = chosen->channels;
            }
        }
    }

    void announce() {
        if (format == announced)
            return;
        announced = format;
        if (events.format)
            events.format(format);
    }

    // ---- units ---------------------------------------------------------------------------------

    // The PES of this track is complete, or nothing more of it comes.
    void finish(track& from) {
        if (!from.collecting)
            return;
        from.collecting = false;
        if (from.expected == 0 && from.stuffed)
            ++from.stuffing_ends;
        if (from.expected != 0 && from.pes.size() < from.expected) {
            ++counters.dropped_units;
            return;
        }
        if (from.expected != 0)
            from.pes.resize(from.expected);
        auto header = parse_pes_header(from.pes);
        if (!header || header->payload_at == from.pes.size()) {
            ++counters.dropped_units;
            return;
        }
        std::optional<std::int64_t> dts, pts;
        if (header->pts) {
            std::uint64_t raw = header->dts.value_or(*header->pts);
            dts = clock(raw);
            std::uint64_t ahead = (*header->pts - raw) & ((std::uint64_t{1} << 33) - 1);
            // A PTS before its DTS is a sender's mistake.
            pts = *dts + (ahead < std::uint64_t{1} << 32 ? std::int64_t(ahead) : 0);
        }
        from.last_size = from.pes.size() + from.pes.size() / 4;
        auto whole = std::make_shared<block>(std::move(from.pes));
        from.pes = {};
        bytes payload(whole, byte_span(*whole).subspan(header->payload_at));
        switch (from.stream.type) {
        case codec::h264:
        case codec::h265:
            video_unit(from.stream.type, std::move(payload), pts, dts);
            break;
        case codec::opus:
            opus_units(payload, pts);
            break;
        default:
            framed_units(from, std::move(payload), pts);
            break;
        }
    }

    void deliver(access_unit unit) {
        announce();
        if (events.unit)
            events.unit(std::move(unit));
    }

    void video_unit(
        codec type, bytes data, std::optional<std::int64_t> pts, std::optional<std::int64_t> dts
    ) {
        access_unit unit;
        if (type == codec::h264) {
            const bool brings_sets = learn_h264(data.view());
            const auto& known = *format.video;
            // Nothing begins with a picture whose format nobody knows.
            unit.keyframe = dts && known.width > 0 && entries(data.view(), *dts);
            if (unit.keyframe && !brings_sets && !known.pps.empty())
                data = h264::with_parameter_sets(data, known.sps, known.pps);
        } else {
            unit.keyframe = h265::has_random_access(data.view());
            learn_h265(data.view());
        }
        if (!pts || format.video->width == 0) {
            ++counters.dropped_units;
            return;
        }
        unit.kind = track_kind::video;
        unit.pts = *pts;
        unit.dts = *dts;
        unit.data = std::move(data);
        deliver(std::move(unit));
    }

    // Keeps the newest parameter sets; true when an SPS is in this unit.
    bool learn_h264(byte_span data) {
        auto sets = h264::find_parameter_sets(data);
        auto differs = [](byte_span a, const block& b) { return !std::ranges::equal(a, b); };
        video_format& known = *format.video;
        if (!sets.sps.empty() && differs(sets.sps, known.sps)) {
            if (auto info = h264::parse_sps(sets.sps)) {
                known.sps.assign(sets.sps.begin(), sets.sps.end());
                known.width = info->width;
                known.height = info->height;
            }
        }
        if (!sets.pps.empty() && differs(sets.pps, known.pps))
            known.pps.assign(sets.pps.begin(), sets.pps.end());
        return !sets.sps.empty();
    }

    void learn_h265(byte_span data) {
        nal_range nals(data);
        for (auto head = nals.peek(); head; head = nals.peek()) {
            int type = *head >> 1 & 0x3f;
            if (type < 32)
                return;
            byte_span nal = nals.next();
            video_format& known = *format.video;
            if (type == 33 && !std::ranges::equal(nal, known.sps)) {
                if (auto info = h265::parse_sps(nal)) {
                    known.sps.assign(nal.begin(), nal.end());
                    known.width = info->width;
                    known.height = info->height;
                }
            } else if (type == 34 && !std::ranges::equal(nal, known.pps)) {
                known.pps.assign(nal.begin(), nal.end());
            }
        }
    }

    void audio_unit(bytes data, std::int64_t pts) {
        access_unit unit;
        unit.kind = track_kind::audio;
        unit.pts = unit.dts = pts;
        unit.keyframe = true;
        unit.data = std::move(data);
        deliver(std::move(unit));
    }

    // Several Opus packets may share a PES, each behind a control header.
    void opus_units(const bytes& payload, std::optional<std::int64_t> pts) {
        if (!pts) {
            ++counters.dropped_units;
            return;
        }
        byte_span data = payload.view();
        std::size_t at = 0;
        std::int64_t samples = 0;
        while (data.size() - at >= 2) {
            auto packet = parse_opus_control(data.subspan(at));
            if (!packet || packet->size == 0) {
                ++counters.dropped_units;
                return;
            }
            at += packet->header_size;
            bytes one = payload.slice(at, packet->size);
            at += packet->size;
            std::int64_t when = *pts + samples * 15 / 8; // 48 kHz in 90 kHz ticks
            samples += opus::packet_samples(one.view());
            audio_unit(std::move(one), when);
        }
    }

    struct frame {
        std::size_t header_size, size;
        int samples, sample_rate;
    };

    // The frame header at the front of `data`, and what it says about the format.
    std::optional<frame> next_frame(codec type, byte_span data) {
        audio_format& known = *format.audio;
        if (type == codec::aac) {
            auto adts = aac::parse_adts(data);
            if (!adts)
                return std::nullopt;
            if (adts->frame_size <= data.size()) {
                const auto& info = adts->info;
                known.sample_rate = info.sample_rate;
                known.channels = info.channels;
                known.config = aac::make_config(info.object_type, info.rate_index, info.channels);
            }
            return frame{
                adts->header_size,
                adts->frame_size,
                aac::samples_per_frame,
                adts->info.sample_rate};
        }
        auto header = mpeg_audio::parse_header(data);
        if (!header || header->frame_size < 4)
            return std::nullopt;
        if (header->frame_size <= data.size()) {
            known.sample_rate = header->sample_rate;
            known.channels = header->channels;
        }
        return frame{0, header->frame_size, header->samples, header->sample_rate};
    }

    // AAC and MP3: frames follow each other; the last one may go on in the next PES.
    void framed_units(track& from, bytes payload, std::optional<std::int64_t> pts) {
        // Where the frames of this PES begin; those before continue the last one.
        std::size_t own_from = 0;
        if (!from.remainder.empty()) {
            own_from = from.remainder.size();
            auto joined = std::make_shared<block>(std::move(from.remainder));
            from.remainder = {};
            joined->insert(joined->end(), payload.view().begin(), payload.view().end());
            byte_span view = *joined;
            payload = bytes(std::move(joined), view);
        }
        byte_span data = payload.view();
        std::optional<std::int64_t> base = pts;
        std::int64_t start = from.remainder_pts;
        bool stamped = own_from == 0; // the PES's own PTS is in use
        if (stamped) {
            if (!base) {
                ++counters.dropped_units;
                return;
            }
            start = *base;
        }
        std::int64_t samples = 0;
        int rate = 48'000;
        auto now = [&] { return start + samples * clock_rate / rate; };
        std::size_t at = 0;
        while (at < data.size()) {
            if (!stamped && at >= own_from) { // the PTS is that of the first frame that begins here
                start = base.value_or(now());
                samples = 0;
                stamped = true;
            }
            auto found = next_frame(from.stream.type, data.subspan(at));
            if (!found) {
                // Too short to tell, or not a frame: look for the next header.
                if (data.size() - at < aac::adts_header_size)
                    break;
                ++at;
                continue;
            }
            if (found->size > data.size() - at)
                break;
            bytes one = payload.slice(at + found->header_size, found->size - found->header_size);
            audio_unit(std::move(one), now());
            if (samples != 0 && found->sample_rate != rate) {
                start = now();
                samples = 0;
            }
            rate = found->sample_rate;
            samples += found->samples;
            at += found->size;
        }
        if (at < data.size() && data.size() - at <= max_remainder) {
            from.remainder.assign(data.begin() + std::ptrdiff_t(at), data.end());
            from.remainder_pts = !stamped && at >= own_from ? base.value_or(now()) : now();
        }
    }

    void end_of_pes() {
        for (auto* each : {&video, &audio})
            if (*each)
                finish(**each);
    }
};

ts_demuxer::ts_demuxer(ts_demuxer_events events, ts_demuxer_options options)
    : impl_(std::make_unique<impl>(std::move(events), options)) {}

ts_demuxer::~ts_demuxer() = default;
ts_demuxer::ts_demuxer(ts_demuxer&&) noexcept = default;
ts_demuxer& ts_demuxer::operator=(ts_demuxer&&) noexcept = default;

void ts_demuxer::push(std::span<const std::uint8_t> data) {
    impl_->push(data);
}

void ts_demuxer::reset_continuity() {
    impl_->end_of_pes();
    for (auto* each : {&impl_->video, &impl_->audio})
        if (*each) {
            (*each)->last_counter.reset();
            (*each)->ended_early = false;
            (*each)->remainder.clear();
        }
    impl_->pat.reset();
    impl_->pmt.reset();
    impl_->counters.lost_sync_bytes += impl_->carry.size();
    impl_->carry.clear();
    impl_->synced = true;
}

void ts_demuxer::flush() {
    impl_->end_of_pes();
}

const stream_format& ts_demuxer::format() const {
    return impl_->format;
}

const ts_demuxer_counters& ts_demuxer::counters() const {
    return impl_->counters;
}

} // namespace rivulet::media
