#include "media/flv_write.hpp"

#include "media/h264.hpp"

#include <algorithm>

namespace rivulet::media {
namespace {

constexpr std::uint8_t keyframe_avc = 0x17, interframe_avc = 0x27;
constexpr std::uint8_t aac_44k_stereo_16 = 0xaf; // fixed for AAC, whatever the real values
constexpr std::uint8_t mp3_44k_stereo_16 = 0x2f;

bytes hold(std::vector<std::uint8_t> raw) {
    auto held = std::make_shared<const std::vector<std::uint8_t>>(std::move(raw));
    const std::span<const std::uint8_t> view(*held);
    return {std::move(held), view};
}

void put(std::vector<std::uint8_t>& out, std::uint32_t value, int octets) {
    for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> more) {
    out.insert(out.end(), more.begin(), more.end());
}

} // namespace

result<bytes> flv_video_config(const video_format& format) {
    if (format.type != codec::h264)
        return make_error_code(errc::unsupported);
    if (format.sps.size() < 4 || format.pps.empty())
        return make_error_code(errc::media_error);
    std::vector<std::uint8_t> body{keyframe_avc, 0, 0, 0, 0};
    append(body, h264::make_avcc_record(format.sps, format.pps));
    return hold(std::move(body));
}

result<bytes> flv_audio_config(const audio_format& format) {
    if (format.type != codec::aac)
        return make_error_code(errc::unsupported);
    if (format.config.empty())
        return make_error_code(errc::media_error);
    std::vector<std::uint8_t> body{aac_44k_stereo_16, 0};
    append(body, format.config);
    return hold(std::move(body));
}

bytes flv_video_body(const access_unit& unit) {
    const auto payload = h264::to_avcc(unit.data.view());
    // Rounded as differences of milliseconds, so that pts keeps its distance to the tag's time.
    const auto offset = std::clamp<std::int64_t>(
        unit.pts * 1000 / clock_rate - unit.dts * 1000 / clock_rate, -0x800000, 0x7fffff
    );
    std::vector<std::uint8_t> body;
    body.reserve(5 + payload.size());
    body.push_back(unit.keyframe ? keyframe_avc : interframe_avc);
    body.push_back(1);
    put(body, static_cast<std::uint32_t>(offset), 3);
    append(body, payload);
    return hold(std::move(body));
}

bytes flv_audio_body(const access_unit& unit, codec type) {
    std::vector<std::uint8_t> body;
    body.reserve(2 + unit.data.size());
    if (type == codec::mp3) {
        body.push_back(mp3_44k_stereo_16);
    } else {
        body.push_back(aac_44k_stereo_16);
        body.push_back(1);
    }
    append(body, unit.data.view());
    return hold(std::move(body));
}

std::vector<std::uint8_t> flv_file_header() {
    return {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};
}

void append_flv_tag(std::vector<std::uint8_t>& file, const flv_tag& tag) {
    const auto size = static_cast<std::uint32_t>(tag.body.size());
    const auto time = static_cast<std::uint32_t>(tag.timestamp);
    file.push_back(static_cast<std::uint8_t>(tag.type));
    put(file, size, 3);
    put(file, time & 0xffffff, 3);
    file.push_back(static_cast<std::uint8_t>(time >> 24));
    put(file, 0, 3);
    append(file, tag.body.view());
    put(file, size + 11, 4);
}

} // namespace rivulet::media
