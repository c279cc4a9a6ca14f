#include "worker/ts_frame_counter.hpp"

#include <algorithm>
#include <cstring>

namespace rivulet::worker {

void ts_frame_counter::push(std::span<const std::uint8_t> data) {
    while (!data.empty()) {
        if (held_ == 0 && data.size() >= packet_size && data[0] == 0x47) {
            packet(data.data());
            data = data.subspan(packet_size);
            continue;
        }
        if (held_ == 0 && data[0] != 0x47) { // lost: look for the next sync byte
            const auto sync = std::find(data.begin(), data.end(), std::uint8_t{0x47});
            data = data.subspan(static_cast<std::size_t>(sync - data.begin()));
            continue;
        }
        const auto take = std::min(packet_size - held_, data.size());
        std::memcpy(part_.data() + held_, data.data(), take);
        held_ += take;
        data = data.subspan(take);
        if (held_ == packet_size) {
            packet(part_.data());
            held_ = 0;
        }
    }
}

void ts_frame_counter::packet(const std::uint8_t* at) {
    const bool starts_unit = (at[1] & 0x40) != 0;
    const bool has_payload = (at[3] & 0x10) != 0;
    if (!starts_unit || !has_payload)
        return;
    std::size_t payload = 4;
    if (at[3] & 0x20)
        payload += 1 + std::size_t{at[4]};
    if (payload + 4 > packet_size)
        return;
    // packet_start_code_prefix and a video stream id
    if (at[payload] == 0 && at[payload + 1] == 0 && at[payload + 2] == 1 &&
        (at[payload + 3] & 0xf0) == 0xe0)
        ++frames_;
}

} // namespace rivulet::worker
