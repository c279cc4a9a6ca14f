#include "ingest/srt_payload.hpp"

namespace rivulet::ingest {

void srt_payload::append(std::span<const std::uint8_t> data) {
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    held_.insert(held_.end(), data.begin(), data.end());
}

std::span<const std::uint8_t> srt_payload::take(std::size_t size) {
    const std::span<const std::uint8_t> taken(held_.data() + at_, size);
    at_ += size;
    return taken;
}

std::span<const std::uint8_t> srt_payload::next() {
    return pending() < message_size ? std::span<const std::uint8_t>{} : take(message_size);
}

std::span<const std::uint8_t> srt_payload::rest() {
    const auto whole = pending() / packet_size * packet_size;
    return take(whole < message_size ? whole : message_size);
}

void srt_payload::align() {
    held_.resize(held_.size() - pending() % packet_size);
}

} // namespace rivulet::ingest
