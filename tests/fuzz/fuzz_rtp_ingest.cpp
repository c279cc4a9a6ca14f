// What a connected publisher may send: RTP and RTCP packets, each behind a length of two octets.
// The first octet of the input chooses the codec.
#include "media/rtp_ingest.hpp"
#include "media/rtp_packet.hpp"

#include <cstdlib>

using namespace rivulet;
using namespace rivulet::media;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1)
        return 0;
    constexpr codec codecs[] = {codec::h264, codec::vp8, codec::vp9, codec::h265};
    rtp_ingest_options options;
    options.video.type = codecs[data[0] & 3];
    options.video.payload_type = 102;
    options.video.rtx = 103;
    options.video.nack = true;
    options.video.pli = data[0] & 4;
    options.video.fir = data[0] & 8;
    options.audio = rtp_track{codec::opus, 111};
    options.transport_cc = 5;
    options.correct_timestamps = data[0] & 16;
    rtp_ingest_events events;
    events.unit = [&](access_unit unit) {
        if (unit.data.empty() || unit.dts > unit.pts)
            std::abort();
    };
    events.rtcp = [](std::span<const std::uint8_t> compound) {
        if (compound.size() % 4 != 0 || compound.size() > 1'400)
            std::abort();
    };
    auto made = rtp_ingest::create(options, std::move(events), logger("fuzz"));
    if (!made)
        return 0;
    auto& ingest = **made;
    time_point now{std::chrono::seconds(1'000)};
    for (std::size_t at = 1; at + 2 <= size;) {
        const std::size_t length = std::size_t(data[at] & 7) << 8 | data[at + 1];
        now += std::chrono::milliseconds(data[at] >> 3);
        at += 2;
        const auto packet = std::span(data + at, std::min(length, size - at));
        at += packet.size();
        if (looks_like_rtcp(packet))
            ingest.rtcp(packet, now);
        else
            ingest.rtp(packet, now);
        if (ingest.deadline() <= now)
            ingest.tick(now);
    }
    for (int i = 0; i < 20; ++i) {
        now += std::chrono::milliseconds(100);
        ingest.tick(now);
    }
    ingest.stats();
    return 0;
}
