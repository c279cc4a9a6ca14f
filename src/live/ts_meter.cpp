#include "live/ts_meter.hpp"

#include <algorithm>
#include <cstring>

namespace rivulet::live {
namespace {

constexpr std::uint8_t sync_byte = 0x47;

bool is_video(std::uint8_t stream_type) {
    return stream_type == 0x1b || stream_type == 0x24 || stream_type == 0x01 ||
           stream_type == 0x02 || stream_type == 0x10;
}

} // namespace

void ts_meter::feed(std::span<const std::uint8_t> data) {
    while (!data.empty()) {
        if (held_ == 0) {
            const auto sync = std::ranges::find(data, sync_byte);
            data = data.subspan(static_cast<std::size_t>(sync - data.begin()));
            if (data.size() >= packet_bytes) {
                packet(data.first<packet_bytes>());
                data = data.subspan(packet_bytes);
                continue;
            }
        }
        const auto take = std::min(data.size(), packet_bytes - held_);
        std::memcpy(partial_.data() + held_, data.data(), take);
        held_ += take;
        data = data.subspan(take);
        if (held_ == packet_bytes) {
            held_ = 0;
            packet(partial_);
        }
    }
}

void ts_meter::packet(std::span<const std::uint8_t, packet_bytes> p) {
    const bool starts = p[1] & 0x40;
    const auto pid = static_cast<std::uint16_t>((p[1] & 0x1f) << 8 | p[2]);
    if (!starts || !(p[3] & 0x10))
        return;
    std::size_t offset = 4;
    if (p[3] & 0x20)
        offset += 1 + std::size_t{p[4]};
    if (offset >= packet_bytes)
        return;
    const auto payload = std::span<const std::uint8_t>(p).subspan(offset);
    if (pid == 0)
        section(payload, true);
    else if (pid == pmt_pid_)
        section(payload, false);
    else if (pid == video_pid_)
        pes(payload);
}

// PAT and PMT of one program fit one packet; longer tables are read as far as they do.
void ts_meter::section(std::span<const std::uint8_t> payload, bool pat) {
    const std::size_t pointer = payload[0];
    if (payload.size() < 1 + pointer + 12)
        return;
    auto s = payload.subspan(1 + pointer);
    if (s[0] != (pat ? 0x00 : 0x02))
        return;
    const std::size_t length = (s[1] & 0x0f) << 8 | s[2]; // after these three bytes, CRC included
    if (length < 9)
        return;
    s = s.first(std::min(s.size(), 3 + length - 4));
    const auto pid_at = [&s](std::size_t at) {
        return static_cast<std::uint16_t>((s[at] & 0x1f) << 8 | s[at + 1]);
    };
    if (pat) {
        for (std::size_t at = 8; at + 4 <= s.size(); at += 4) {
            if ((s[at] << 8 | s[at + 1]) != 0) { // 0 is the network table
                pmt_pid_ = pid_at(at + 2);
                return;
            }
        }
        return;
    }
    if (s.size() < 12)
        return;
    std::size_t at = 12 + ((s[10] & 0x0f) << 8 | s[11]);
    while (at + 5 <= s.size()) {
        if (is_video(s[at])) {
            video_pid_ = pid_at(at + 1);
            return;
        }
        at += 5 + ((s[at + 3] & 0x0f) << 8 | s[at + 4]);
    }
}

void ts_meter::pes(std::span<const std::uint8_t> p) {
    if (p.size() < 9 || p[0] != 0 || p[1] != 0 || p[2] != 1)
        return;
    ++frames_;
    if (!(p[7] & 0x80) || p.size() < 14 || !frame_)
        return;
    const auto pts = static_cast<std::int64_t>(p[9] >> 1 & 7) << 30 | std::int64_t{p[10]} << 22 |
                     static_cast<std::int64_t>(p[11] >> 1) << 15 | std::int64_t{p[12]} << 7 |
                     static_cast<std::int64_t>(p[13] >> 1);
    frame_(pts);
}

} // namespace rivulet::live
