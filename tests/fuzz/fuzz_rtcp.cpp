// A viewer's RTCP, and what the viewer's state machine makes of it.
#include "egress/rtp_viewer.hpp"
#include "media/rtcp.hpp"

#include <cstdlib>

using namespace rivulet;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto said = media::parse_rtcp({data, size});
    if (!said)
        return 0;
    if (said->nacks.size() > media::max_nacks || said->reports.size() * 24 > size)
        std::abort();

    egress::rtp_log log{egress::rtp_log_limits{}};
    for (int i = 0; i < 40; ++i) {
        egress::rtp_frame frame;
        frame.keyframe = i == 0;
        frame.time = i * 3000;
        frame.payloads.packets.resize(3);
        log.push(std::move(frame));
    }
    egress::rtp_viewer_setup setup;
    setup.video.emplace();
    setup.video->ssrc = 0x01020304;
    setup.video->first_sequence = 0xfff0;
    std::size_t sent = 0;
    egress::rtp_viewer viewer(log, setup, [&](auto header, auto) {
        if (header.size() < 12)
            std::abort();
        return ++sent % 7 != 0;
    });
    const time_point begin{std::chrono::seconds(1000)};
    egress::report_clock clock(begin, std::chrono::system_clock::time_point{});
    for (auto now = begin; viewer.pump(now); now += std::chrono::milliseconds(5))
        ;
    const auto first = sent;
    viewer.feedback(*said, clock, begin + std::chrono::seconds(2));
    if (sent - first > said->nacks.size())
        std::abort();
    return 0;
}
