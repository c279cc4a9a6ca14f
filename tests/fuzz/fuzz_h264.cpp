// The parsers of video and audio units: H.264, H.265, AVC records, AAC, MP3, Opus.
#include "media/aac.hpp"
#include "media/h264.hpp"

#include <cstddef>
#include <cstdlib>

using namespace rivulet::media;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    byte_span input(data, size);

    std::size_t total = 0;
    nal_range nals(input);
    for (byte_span nal = nals.next(); !nal.empty(); nal = nals.next()) {
        total += nal.size();
        if (auto info = h264::parse_sps(nal); info && (info->width <= 0 || info->height <= 0))
            std::abort();
        if (auto info = h265::parse_sps(nal); info && (info->width <= 0 || info->height <= 0))
            std::abort();
    }
    if (total > size)
        std::abort();
    h264::has_idr(input);
    h265::has_random_access(input);
    auto sets = h264::find_parameter_sets(input);
    h264::make_avcc_record(sets.sps, sets.pps);

    // The way to AVC and back keeps the NAL units.
    auto avcc = h264::to_avcc(input, true);
    auto annexb = h264::to_annexb(avcc);
    if (!annexb || h264::to_avcc(*annexb, true) != avcc)
        std::abort();
    for (int length_size = 0; length_size <= 5; ++length_size)
        h264::to_annexb(input, length_size);
    h264::parse_avcc_record(input);

    aac::parse_config(input);
    if (auto adts = aac::parse_adts(input); adts && adts->frame_size <= adts->header_size)
        std::abort();
    if (auto config = aac::parse_config(input))
        aac::make_adts_header(*config, size);
    mpeg_audio::parse_header(input);
    opus::packet_samples(input);
    return 0;
}
