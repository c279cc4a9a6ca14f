// Made-up frames for the tests of what WebRTC viewers are sent, and the reading of what they were.
#pragma once

#include "egress/rtp_log.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace rivulet::test {

// Packets of `size` bytes, whose first byte is their place in the frame.
inline egress::rtp_frame
video_frame(std::int64_t time, bool keyframe, std::size_t packets = 2, std::size_t size = 100) {
    egress::rtp_frame frame;
    frame.keyframe = keyframe;
    frame.time = time;
    frame.timestamp = static_cast<std::uint32_t>(time);
    std::vector<std::uint8_t> block(packets * size);
    for (std::size_t i = 0; i < packets; ++i)
        block[i * size] = static_cast<std::uint8_t>(i);
    frame.payloads.unit = bytes::copy_of(block);
    for (std::size_t i = 0; i < packets; ++i) {
        media::rtp_payload packet;
        packet.data = frame.payloads.unit.view().subspan(i * size, size);
        packet.marker = i + 1 == packets;
        frame.payloads.packets.push_back(packet);
    }
    frame.payload_bytes = packets * size;
    return frame;
}

inline egress::rtp_frame audio_frame(std::int64_t time) {
    auto frame = video_frame(time, true, 1, 60);
    frame.track = media::track_kind::audio;
    frame.timestamp = static_cast<std::uint32_t>(time * 8 / 15);
    return frame;
}

struct sent_rtp {
    std::uint8_t payload_type;
    bool marker;
    std::uint16_t sequence;
    std::uint32_t timestamp, ssrc;
    std::vector<std::uint8_t> extension, payload;
};

inline sent_rtp
read_rtp(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload) {
    std::vector<std::uint8_t> all(header.begin(), header.end());
    all.insert(all.end(), payload.begin(), payload.end());
    auto u16 = [&](std::size_t at) { return std::uint32_t{all.at(at)} << 8 | all.at(at + 1); };
    auto u32 = [&](std::size_t at) { return u16(at) << 16 | u16(at + 2); };
    sent_rtp read{};
    read.payload_type = all.at(1) & 0x7f;
    read.marker = all.at(1) & 0x80;
    read.sequence = static_cast<std::uint16_t>(u16(2));
    read.timestamp = u32(4);
    read.ssrc = u32(8);
    std::size_t begin = 12;
    if (all.at(0) & 0x10) {
        const auto size = u16(14) * 4;
        begin = 16 + size;
        read.extension = {all.begin() + 12, all.begin() + static_cast<long>(begin)};
    }
    read.payload = {all.begin() + static_cast<long>(begin), all.end()};
    return read;
}

} // namespace rivulet::test
