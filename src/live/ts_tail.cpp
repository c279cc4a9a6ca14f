#include "live/ts_tail.hpp"

#include "media/ts_tables.hpp"

#include <algorithm>
#include <cstring>

namespace rivulet::live {
namespace {

constexpr std::uint8_t sync_byte = 0x47;

enum counter : std::size_t { pat, pmt, first, second, none };

counter counter_of(int pid) {
    switch (pid) {
    case 0:
        return pat;
    case media::ts_muxer::pmt_pid:
        return pmt;
    case media::ts_muxer::first_pid:
        return first;
    case media::ts_muxer::first_pid + 1:
        return second;
    default:
        return none;
    }
}

} // namespace

std::size_t ts_tail::feed(media::byte_span data, const on_frame& frame) {
    std::size_t at = 0;
    while (at < data.size()) {
        auto rest = data.subspan(at);
        if (held_ == 0) {
            if (rest[0] != sync_byte) {
                const auto sync = std::ranges::find(rest, sync_byte);
                at += static_cast<std::size_t>(sync - rest.begin());
                continue;
            }
            if (rest.size() >= packet_bytes) {
                if (!packet(rest.first<packet_bytes>(), frame))
                    return at;
                at += packet_bytes;
                continue;
            }
        }
        const auto take = std::min(rest.size(), packet_bytes - held_);
        std::memcpy(partial_.data() + held_, rest.data(), take);
        if (held_ + take == packet_bytes) {
            if (!packet(partial_, frame))
                return at;
            held_ = 0;
        } else {
            held_ += take;
        }
        at += take;
    }
    return at;
}

bool ts_tail::packet(packet_view p, const on_frame& frame) {
    const int pid = (p[1] & 0x1f) << 8 | p[2];
    const bool starts = p[1] & 0x40, has_payload = p[3] & 0x10;
    std::size_t offset = 4;
    if (p[3] & 0x20)
        offset += 1 + std::size_t{p[4]};
    if (has_payload && offset < packet_bytes) {
        const auto payload = media::byte_span(p).subspan(offset);
        auto* of = pid == video_.pid ? &video_ : pid == audio_.pid ? &audio_ : nullptr;
        if (of) {
            if (starts && !pes(*of, payload, frame))
                return false;
            // Stuffing ends a PES: its last packet is the only one that isn't full, but for the
            // clock reference that a first one may have.
            of->unfinished = payload.size() >= packet_bytes - 4 - (starts ? 8 : 0);
            of->next_counter = (p[3] + 1) & 0xf;
        } else if (starts && pid == 0) {
            section(payload, p, true);
        } else if (starts && pid == pmt_pid_) {
            section(payload, p, false);
        }
        if (const auto which = counter_of(pid); which != none)
            counters_[which] = (p[3] + 1) & 0xf;
    }
    return true;
}

// PAT and PMT of one program fit one packet; longer tables are read as far as they do.
void ts_tail::section(media::byte_span payload, packet_view whole, bool is_pat) {
    const std::size_t pointer = payload[0];
    if (payload.size() < 1 + pointer + 12)
        return;
    auto s = payload.subspan(1 + pointer);
    const std::size_t length = (s[1] & 0x0fu) << 8 | s[2]; // after these three bytes, CRC included
    if (length < 9)
        return;
    s = s.first(std::min(s.size(), 3 + length - 4));
    if (is_pat) {
        if (const auto pid = media::parse_pat(s)) {
            if (*pid != pmt_pid_)
                tables_.clear();
            pmt_pid_ = *pid;
            tables_.resize(std::max(tables_.size(), packet_bytes));
            std::ranges::copy(whole, tables_.begin());
        }
        return;
    }
    const auto streams = media::parse_pmt(s);
    if (!streams || tables_.empty())
        return;
    version_ = s[5] >> 1 & 31;
    tables_.resize(packet_bytes);
    tables_.insert(tables_.end(), whole.begin(), whole.end());
    const auto pid_of = [&](bool video) {
        for (const auto& stream : *streams) {
            const bool is_video =
                stream.type == media::codec::h264 || stream.type == media::codec::h265;
            if (stream.type != media::codec::none && is_video == video)
                return stream.pid;
        }
        return -1;
    };
    choose(video_, pid_of(true));
    choose(audio_, pid_of(false));
}

void ts_tail::choose(track& slot, int pid) {
    if (slot.pid == pid)
        return;
    slot.pid = pid;
    slot.unfinished = false;
}

bool ts_tail::pes(track& of, media::byte_span p, const on_frame& frame) {
    if (p.size() < 9 || p[0] != 0 || p[1] != 0 || p[2] != 1)
        return true;
    const bool is_video = &of == &video_;
    if (!(p[7] & 0x80) || p.size() < 14) {
        ++(is_video ? frames_ : sounds_);
        return true;
    }
    const auto raw = static_cast<std::int64_t>(p[9] >> 1 & 7) << 30 | std::int64_t{p[10]} << 22 |
                     static_cast<std::int64_t>(p[11] >> 1) << 15 | std::int64_t{p[12]} << 7 |
                     static_cast<std::int64_t>(p[13] >> 1);
    auto clock = clock_;
    const auto time = clock(static_cast<std::uint64_t>(raw));
    if (of.newest && (time < *of.newest - back || time > *of.newest + ahead))
        return false;
    clock_ = clock;
    of.newest = std::max(of.newest.value_or(time), time);
    if (is_video) {
        ++frames_;
        if (frame)
            frame(raw);
    } else {
        ++sounds_;
    }
    return true;
}

media::ts_continuation ts_tail::continuation() const {
    return {version_, counters_[pat], counters_[pmt], counters_[first], counters_[second]};
}

std::vector<std::uint8_t> ts_tail::closing() const {
    std::vector<std::uint8_t> out;
    if (held_ > 0)
        out.assign(packet_bytes - held_, 0xff);
    for (const auto* each : {&video_, &audio_}) {
        if (each->pid < 0 || !(each->unfinished || held_ > 0))
            continue;
        const auto begin = out.size();
        out.resize(begin + packet_bytes, 0xff);
        out[begin] = sync_byte;
        out[begin + 1] = static_cast<std::uint8_t>(0x80 | each->pid >> 8); // transport error
        out[begin + 2] = static_cast<std::uint8_t>(each->pid);
        out[begin + 3] = static_cast<std::uint8_t>(0x10 | each->next_counter);
    }
    return out;
}

} // namespace rivulet::live
