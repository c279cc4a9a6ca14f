// Frames of ICE-TCP: the same however the stream is cut, and never longer than the limit.
#include "webrtc/ice_tcp.hpp"

#include <algorithm>
#include <cstdlib>

using namespace rivulet::webrtc;

namespace {

std::vector<std::vector<std::uint8_t>> read(std::span<const std::uint8_t> in, std::size_t step) {
    frame_reader reader;
    std::vector<std::vector<std::uint8_t>> frames;
    while (!in.empty()) {
        const auto room = reader.room();
        if (room.empty())
            std::abort();
        const auto part = in.first(std::min({step, in.size(), room.size()}));
        std::copy(part.begin(), part.end(), room.begin());
        in = in.subspan(part.size());
        if (!reader.filled(part.size()))
            break;
        for (auto frame = reader.next(); !frame.empty(); frame = reader.next()) {
            if (frame.size() > frame_reader::max_frame)
                std::abort();
            frames.emplace_back(frame.begin(), frame.end());
        }
        if (!reader.filled(0))
            break;
    }
    return frames;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span in(data, size);
    const auto whole = read(in, size + 1);
    for (const std::size_t step : {1u, 3u, 700u})
        if (read(in, step) != whole)
            std::abort();
    return 0;
}
