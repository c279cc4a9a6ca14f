#include "egress/rtp_log.hpp"

#include <algorithm>
#include <utility>

namespace rivulet::egress {

namespace {

// With what keeping a frame costs besides its payload: a source may send very many tiny ones.
std::size_t cost_of(const rtp_frame& frame) {
    return frame.payload_bytes + sizeof(rtp_frame) + frame.packets() * sizeof(media::rtp_payload);
}

} // namespace

rtp_frame_ptr rtp_log::push(rtp_frame frame) {
    frame.before = packets_;
    packets_[static_cast<std::size_t>(frame.track)] += frame.packets();
    if (frame.track == media::track_kind::video && frame.keyframe)
        newest_keyframe_ = end();
    auto made = std::make_shared<const rtp_frame>(std::move(frame));
    bytes_ += cost_of(*made);
    frames_.push_back(made);
    trim();
    return made;
}

void rtp_log::trim() {
    // The newest frame stays whatever its size: somebody is about to send it.
    while (bytes_ > limits_.bytes && frames_.size() > 1)
        drop_front();
    // A clock that jumped makes any distance look long, in either direction.
    auto distance = [](std::int64_t a, std::int64_t b) { return a > b ? a - b : b - a; };
    const auto newest = frames_.back()->time;
    if (newest_keyframe_ && distance(newest, at(*newest_keyframe_)->time) > limits_.longest_group)
        while (newest_keyframe_)
            drop_front();
    const auto keep_from = newest_keyframe_ ? *newest_keyframe_ : end() - 1;
    const auto start = at(keep_from)->time;
    while (begin_ < keep_from && distance(start, frames_.front()->time) > limits_.history)
        drop_front();
}

void rtp_log::drop_front() {
    bytes_ -= cost_of(*frames_.front());
    frames_.pop_front();
    ++begin_;
    if (newest_keyframe_ && begin_ > *newest_keyframe_)
        newest_keyframe_.reset();
}

rtp_log::packet rtp_log::find(media::track_kind track, std::uint64_t number) const {
    const auto which = static_cast<std::size_t>(track);
    // The last frame that begins at or before the packet; frames of the other track and the one
    // that holds the packet may begin at the same number, and of those the last one has it.
    auto after = std::upper_bound(
        frames_.begin(),
        frames_.end(),
        number,
        [&](std::uint64_t wanted, const auto& frame) { return wanted < frame->before[which]; }
    );
    while (after != frames_.begin()) {
        --after;
        const auto& frame = **after;
        if (frame.track != track)
            continue;
        const auto index = number - frame.first_packet();
        if (index >= frame.packets())
            return {};
        return {*after, index};
    }
    return {};
}

} // namespace rivulet::egress
