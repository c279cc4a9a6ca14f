#include "ingest/legacy_tag.hpp"

namespace rivulet::ingest {
namespace {

using media::flv_packet;
using media::flv_tag_type;

bytes joined(std::vector<std::uint8_t> head, std::span<const std::uint8_t> tail) {
    head.insert(head.end(), tail.begin(), tail.end());
    auto held = std::make_shared<const std::vector<std::uint8_t>>(std::move(head));
    const std::span<const std::uint8_t> view(*held);
    return {std::move(held), view};
}

std::optional<bytes> legacy_video(const bytes& body) {
    const auto view = body.view();
    const auto header = media::parse_flv_video(view);
    if (!header || !header->enhanced)
        return body;
    if (header->type != media::codec::h264 || header->packet == flv_packet::other)
        return std::nullopt;
    const std::uint8_t packet = header->packet == flv_packet::sequence_header ? 0
                                : header->packet == flv_packet::frame         ? 1
                                                                              : 2;
    const auto time = static_cast<std::uint32_t>(header->composition_time);
    const auto frame_type = static_cast<std::uint8_t>(view[0] & 0x70);
    return joined(
        {static_cast<std::uint8_t>(frame_type | 7),
         packet,
         static_cast<std::uint8_t>(time >> 16),
         static_cast<std::uint8_t>(time >> 8),
         static_cast<std::uint8_t>(time)},
        view.subspan(header->header_bytes)
    );
}

std::optional<bytes> legacy_audio(const bytes& body) {
    const auto view = body.view();
    const auto header = media::parse_flv_audio(view);
    if (!header || !header->enhanced)
        return body;
    if (header->packet == flv_packet::other)
        return std::nullopt;
    const bool config = header->packet == flv_packet::sequence_header;
    const auto payload = view.subspan(header->header_bytes);
    // Rate, size and channels of the first byte say nothing for AAC; for MP3 its frames say it.
    if (header->type == media::codec::aac)
        return joined({0xaf, static_cast<std::uint8_t>(config ? 0 : 1)}, payload);
    if (header->type == media::codec::mp3 && !config)
        return joined({0x2f}, payload);
    return std::nullopt;
}

} // namespace

std::optional<bytes> legacy_tag(flv_tag_type type, const bytes& body) {
    switch (type) {
    case flv_tag_type::video:
        return legacy_video(body);
    case flv_tag_type::audio:
        return legacy_audio(body);
    case flv_tag_type::script:
        break;
    }
    return body;
}

bool is_multitrack(flv_tag_type type, std::span<const std::uint8_t> body) {
    if (body.empty())
        return false;
    if (type == flv_tag_type::video)
        return (body[0] & 0x80) && (body[0] & 0x0f) == 6;
    return type == flv_tag_type::audio && body[0] == 0x95;
}

} // namespace rivulet::ingest
