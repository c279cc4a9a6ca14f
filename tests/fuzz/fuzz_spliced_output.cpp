// What orchestrators send, in pieces of any size, with losses and others that take over anywhere:
// no crash, memory bounded by the input, and once it is spliced the clock of each track rises.
#include "live/spliced_output.hpp"
#include "media/ts_demuxer.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

using namespace rivulet;

namespace {

// A reader of the spliced part.
struct reader {
    std::optional<std::int64_t> last[2];
    media::ts_demuxer demuxer{{{}, [this](media::access_unit unit) {
                                   auto& before = last[static_cast<std::size_t>(unit.kind)];
                                   // Several audio frames of a PES share its time.
                                   const bool is_video = unit.kind == media::track_kind::video;
                                   if (is_video && before && unit.dts <= *before)
                                       std::abort();
                                   before = unit.dts;
                               }}};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3)
        return 0;
    const std::size_t piece = 1 + data[0] * 11;
    unsigned events = data[1] * 257u + 1;
    const auto filler =
        data[2] & 1 ? live::swap_filler::source : live::swap_filler::none; // freezing has a thread
    std::span<const std::uint8_t> rest(data + 3, size - 3);

    auto now = time_point{} + std::chrono::hours(1);
    auto channel =
        std::make_shared<trickle::channel>("fuzz", "video/mp2t", trickle::channel_limits{}, now);
    trickle::channel_writer writer(channel);
    live::spliced_output output(writer, filler, logger("fuzz"));
    // The same bytes are the source too.
    media::ts_demuxer source(
        {[&](const media::stream_format& format) { output.source_format(format); },
         [&](media::access_unit unit) { output.source_unit(unit, now); }}
    );

    reader viewer;
    bool spliced = false;
    std::int64_t seq = 0;
    std::size_t seen = 0;
    const auto read = [&](bool judge) {
        for (;;) {
            const auto segment = channel->open_read(seq);
            if (!segment)
                return;
            const auto& blocks = (*segment)->blocks();
            for (; seen < blocks.size(); ++seen)
                if (judge)
                    viewer.demuxer.push(blocks[seen].view());
            if (!(*segment)->closed() || seq >= channel->next())
                return;
            ++seq;
            seen = 0;
        }
    };
    while (!rest.empty()) {
        events = events * 1'664'525u + 1'013'904'223u;
        now += std::chrono::milliseconds(events >> 24);
        const auto what = events >> 20 & 15;
        read(spliced);
        if (what == 0)
            output.lost(now);
        else if (what == 1)
            output.joined(now);
        const auto taken = std::min(piece, rest.size());
        trickle::subscriber_item item;
        item.segment_begins = what == 2;
        item.segment_ends = what == 3;
        item.blocks.push_back(bytes::copy_of(rest.first(taken)));
        source.push(rest.first(taken));
        rest = rest.subspan(taken);
        // The block in which it begins has bytes of both kinds.
        read(spliced);
        output.take(std::move(item), now);
        read(spliced);
        spliced = output.counters().spliced;
        if (output.take_frame_times().size() > 256)
            std::abort();
    }
    output.end();
    viewer.demuxer.flush();
    return 0;
}
