#include "media/flv_tag.hpp"

#include <array>
#include <utility>

namespace rivulet::media {
namespace {

constexpr std::size_t file_header = 9, tag_header = 11, tag_trailer = 4;

std::uint32_t big_endian(std::span<const std::uint8_t> at, std::size_t octets) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < octets; ++i)
        value = value << 8 | at[i];
    return value;
}

std::int32_t signed_24(std::span<const std::uint8_t> at) {
    const auto raw = static_cast<std::int32_t>(big_endian(at, 3));
    return raw >= 0x800000 ? raw - 0x1000000 : raw;
}

struct fourcc_name {
    std::string_view fourcc;
    codec type;
    std::string_view name;
};

constexpr std::array<fourcc_name, 12> fourccs{{
    {"avc1", codec::h264, "H.264 (avc1)"},
    {"hvc1", codec::h265, "HEVC (hvc1)"},
    {"vvc1", codec::none, "VVC (vvc1)"},
    {"av01", codec::av1, "AV1 (av01)"},
    {"vp09", codec::vp9, "VP9 (vp09)"},
    {"vp08", codec::vp8, "VP8 (vp08)"},
    {"mp4a", codec::aac, "AAC (mp4a)"},
    {"Opus", codec::opus, "Opus"},
    {".mp3", codec::mp3, "MP3"},
    {"fLaC", codec::none, "FLAC"},
    {"ac-3", codec::none, "AC-3"},
    {"ec-3", codec::none, "E-AC-3"},
}};

std::pair<codec, std::string> lookup(std::span<const std::uint8_t> at) {
    const std::string_view text(reinterpret_cast<const char*>(at.data()), 4);
    for (const auto& known : fourccs)
        if (known.fourcc == text)
            return {known.type, std::string(known.name)};
    std::string shown;
    for (char c : text)
        shown += c >= 0x20 && c < 0x7f ? c : '?';
    return {codec::none, "'" + shown + "'"};
}

result<flv_video_header> parse_enhanced_video(std::span<const std::uint8_t> body) {
    enum packet : std::uint8_t { start = 0, frames = 1, end = 2, frames_x = 3, multitrack = 6 };

    if (body.size() < 5)
        return make_error_code(errc::media_error);
    flv_video_header header;
    header.enhanced = true;
    header.keyframe = (body[0] >> 4 & 7) == 1;
    const auto kind = body[0] & 0x0f;
    std::size_t at = 1;
    if (kind == multitrack)
        ++at; // multitrack kind and inner packet type
    if (body.size() < at + 4)
        return make_error_code(errc::media_error);
    std::tie(header.type, header.name) = lookup(body.subspan(at));
    at += 4;
    header.packet = kind == start                        ? flv_packet::sequence_header
                    : kind == frames || kind == frames_x ? flv_packet::frame
                    : kind == end                        ? flv_packet::end_of_sequence
                                                         : flv_packet::other;
    const bool has_offset =
        kind == frames && (header.type == codec::h264 || header.type == codec::h265);
    if (has_offset) {
        if (body.size() < at + 3)
            return make_error_code(errc::media_error);
        header.composition_time = signed_24(body.subspan(at));
        at += 3;
    }
    header.header_bytes = at;
    return header;
}

} // namespace

result<flv_video_header> parse_flv_video(std::span<const std::uint8_t> body) {
    if (body.empty())
        return make_error_code(errc::media_error);
    if (body[0] & 0x80)
        return parse_enhanced_video(body);
    static constexpr std::array<std::string_view, 8> old_names{
        "codec 0",
        "JPEG",
        "Sorenson H.263",
        "Screen video",
        "VP6",
        "VP6 with alpha",
        "Screen video 2",
        "H.264"};
    flv_video_header header;
    header.keyframe = body[0] >> 4 == 1;
    const unsigned id = body[0] & 0x0f;
    header.name =
        id < old_names.size() ? std::string(old_names[id]) : "codec " + std::to_string(id);
    if (id == 12) { // a wide-spread private number
        header.type = codec::h265;
        header.name = "HEVC (codec 12)";
    }
    header.header_bytes = 1;
    if (id != 7)
        return header;
    header.type = codec::h264;
    if (body.size() < 5)
        return make_error_code(errc::media_error);
    header.packet = body[1] == 0   ? flv_packet::sequence_header
                    : body[1] == 1 ? flv_packet::frame
                    : body[1] == 2 ? flv_packet::end_of_sequence
                                   : flv_packet::other;
    header.composition_time = signed_24(body.subspan(2));
    header.header_bytes = 5;
    return header;
}

result<flv_audio_header> parse_flv_audio(std::span<const std::uint8_t> body) {
    if (body.empty())
        return make_error_code(errc::media_error);
    flv_audio_header header;
    const unsigned id = body[0] >> 4;
    header.header_bytes = 1;
    if (id == 9) { // Enhanced RTMP
        if (body.size() < 5)
            return make_error_code(errc::media_error);
        header.enhanced = true;
        std::tie(header.type, header.name) = lookup(body.subspan(1));
        header.packet = (body[0] & 0x0f) == 0   ? flv_packet::sequence_header
                        : (body[0] & 0x0f) == 1 ? flv_packet::frame
                                                : flv_packet::other;
        header.header_bytes = 5;
        return header;
    }
    static constexpr std::array<std::string_view, 16> names{
        "PCM",
        "ADPCM",
        "MP3",
        "PCM",
        "Nellymoser",
        "Nellymoser",
        "Nellymoser",
        "G.711",
        "G.711",
        "codec 9",
        "AAC",
        "Speex",
        "codec 12",
        "Opus (codec 13)",
        "MP3",
        "codec 15"};
    header.name = std::string(names[id]);
    if (id == 2 || id == 14)
        header.type = codec::mp3;
    if (id == 13)
        header.type = codec::opus;
    if (id != 10)
        return header;
    header.type = codec::aac;
    if (body.size() < 2)
        return make_error_code(errc::media_error);
    header.packet = body[1] == 0   ? flv_packet::sequence_header
                    : body[1] == 1 ? flv_packet::frame
                                   : flv_packet::other;
    header.header_bytes = 2;
    return header;
}

result<std::vector<flv_tag>> parse_flv_file(std::span<const std::uint8_t> file) {
    if (file.size() < file_header || file[0] != 'F' || file[1] != 'L' || file[2] != 'V')
        return make_error_code(errc::media_error);
    const std::size_t data_offset = big_endian(file.subspan(5), 4);
    if (data_offset < file_header || data_offset > file.size() ||
        file.size() - data_offset < tag_trailer)
        return make_error_code(errc::media_error);
    auto rest = file.subspan(data_offset + tag_trailer);
    std::vector<flv_tag> tags;
    while (rest.size() >= tag_header) {
        const auto type = static_cast<std::uint8_t>(rest[0] & 0x1f);
        const std::size_t length = big_endian(rest.subspan(1), 3);
        if (rest.size() < tag_header + length)
            break;
        if (type == 8 || type == 9 || type == 18) {
            flv_tag tag;
            tag.type = static_cast<flv_tag_type>(type);
            tag.timestamp = static_cast<std::int64_t>(
                big_endian(rest.subspan(4), 3) | static_cast<std::uint32_t>(rest[7]) << 24
            );
            tag.body = bytes::copy_of(rest.subspan(tag_header, length));
            tags.push_back(std::move(tag));
        }
        const auto used = tag_header + length + tag_trailer;
        if (used > rest.size())
            break;
        rest = rest.subspan(used);
    }
    return tags;
}

} // namespace rivulet::media
