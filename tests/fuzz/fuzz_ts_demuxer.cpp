// Any bytes, in pieces of any size, with boundaries anywhere: no crash, memory bounded, every unit
// has bytes and every format a codec.
#include "media/ts_demuxer.hpp"

#include <cstddef>
#include <cstdlib>

using namespace rivulet::media;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1)
        return 0;
    std::span<const std::uint8_t> rest(data + 1, size - 1);
    // The first byte says how the rest is cut, and whether every piece ends a segment.
    std::size_t piece = data[0] % 64 == 0 ? 188 : 1 + data[0] % 64 * 37;
    bool boundaries = data[0] & 0x80;

    ts_demuxer demuxer(
        {[](const stream_format& format) {
             if (format.video && format.video->type == codec::none)
                 std::abort();
             if (format.audio && format.audio->type == codec::none)
                 std::abort();
         },
         [](access_unit unit) {
             if (unit.data.empty() || unit.pts < unit.dts)
                 std::abort();
             // Touches every byte: a view past its block is found.
             volatile std::uint8_t sum = 0;
             for (std::uint8_t byte : unit.data.view())
                 sum = std::uint8_t(sum + byte);
         }},
        {.max_pes_bytes = 1 << 16}
    );
    while (!rest.empty()) {
        std::size_t n = std::min(piece, rest.size());
        demuxer.push(rest.first(n));
        rest = rest.subspan(n);
        if (boundaries)
            demuxer.reset_continuity();
    }
    demuxer.flush();
    return 0;
}
