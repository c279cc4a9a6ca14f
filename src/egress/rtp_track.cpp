#include "egress/rtp_track.hpp"

#include <algorithm>

namespace rivulet::egress {

void rtp_track::write_fixed(
    rtp_header& out,
    const rtp_frame& frame,
    std::size_t index,
    std::uint8_t type,
    std::uint16_t sequence,
    std::uint32_t ssrc
) const {
    const bool extended = setup_.playout_delay && frame.keyframe;
    out.octet(extended ? 0x90 : 0x80);
    const bool marker = frame.payloads.packets[index].marker;
    out.octet(static_cast<std::uint8_t>((marker ? 0x80 : 0) | type));
    out.u16(sequence);
    out.u32(frame.timestamp);
    out.u32(ssrc);
    if (!extended)
        return;
    out.u16(0xbede);
    out.u16(1);
    out.octet(static_cast<std::uint8_t>(*setup_.playout_delay << 4 | 2));
    // Lowest and highest delay, 12 bits each, in 10 ms: 0 and 400 ms, or the longest one.
    out.octet(0);
    out.u16(shown_at_once(frame.first_packet() + index) ? 40 : 0xfff);
}

bool rtp_track::shown_at_once(std::uint64_t packet) const {
    const auto later = std::ranges::upper_bound(switched_, packet);
    return std::distance(switched_.begin(), later) % 2 == 1;
}

rtp_header rtp_track::next(const rtp_frame& frame, std::size_t index) {
    const auto number = frame.first_packet() + index;
    if (!last_ || number != *last_ + 1)
        unbroken_from_ = number;
    last_ = number;
    if (frame.keyframe && show_at_once_ != shown_at_once(number))
        switched_.push_back(number);
    const auto& payload = frame.payloads.packets[index];
    ++packets_;
    octets_ += static_cast<std::uint32_t>(payload.size());
    rtp_header header;
    write_fixed(header, frame, index, setup_.payload_type, next_++, setup_.ssrc);
    for (auto octet : payload.prefix_view())
        header.octet(octet);
    return header;
}

std::optional<std::uint64_t> rtp_track::sent_as(std::uint16_t sequence) const {
    if (!last_)
        return {};
    const auto newest = static_cast<std::uint16_t>(next_ - 1);
    const std::uint64_t back = static_cast<std::uint16_t>(newest - sequence);
    // In the far half it is a number that was not sent yet.
    if (back > 0x7fff || back > *last_ - unbroken_from_)
        return {};
    return *last_ - back;
}

rtp_header rtp_track::again(const rtp_frame& frame, std::size_t index) {
    const auto number = frame.first_packet() + index;
    const auto sequence = static_cast<std::uint16_t>(next_ - 1 - (*last_ - number));
    rtp_header header;
    if (setup_.rtx) {
        write_fixed(header, frame, index, setup_.rtx->payload_type, next_rtx_++, setup_.rtx->ssrc);
        header.u16(sequence);
    } else {
        write_fixed(header, frame, index, setup_.payload_type, sequence, setup_.ssrc);
    }
    for (auto octet : frame.payloads.packets[index].prefix_view())
        header.octet(octet);
    return header;
}

void resend_limit::sent(std::size_t payload) {
    budget_ = std::min(cap, budget_ + static_cast<double>(payload) / 2);
}

bool resend_limit::allow(
    std::uint64_t packet, std::size_t payload, time_point now, duration round_trip
) {
    if (refilled_)
        budget_ = std::min(
            cap, budget_ + floor_rate * std::chrono::duration<double>(now - *refilled_).count()
        );
    refilled_ = now;
    auto& last = recent_[packet % recent_.size()];
    if (last.packet == packet && now - last.at < round_trip)
        return false;
    if (budget_ < static_cast<double>(payload))
        return false;
    budget_ -= static_cast<double>(payload);
    last = {packet, now};
    return true;
}

} // namespace rivulet::egress
