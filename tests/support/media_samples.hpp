// The small recordings below tests/data/media, and access units made from them without GStreamer.
#pragma once

#include "media/aac.hpp"
#include "media/flv_tag.hpp"
#include "media/h264.hpp"

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace rivulet::test {

inline std::vector<std::uint8_t> read_sample(const std::string& name) {
    std::ifstream file(std::string(RIVULET_TEST_DATA) + "/media/" + name, std::ios::binary);
    if (!file)
        throw std::runtime_error("no sample " + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<media::flv_tag> read_flv(const std::string& name) {
    auto data = read_sample(name);
    return media::parse_flv_file(data).value();
}

struct recording {
    media::stream_format format;
    std::vector<media::access_unit> units; // in file order
};

// Access units of an H.264 and AAC or MP3 recording, SPS and PPS in front of every IDR.
inline recording units_of(const std::string& flv) {
    using namespace media;
    recording out;
    for (const auto& tag : read_flv(flv)) {
        if (tag.type == flv_tag_type::video) {
            auto header = parse_flv_video(tag.body.view()).value();
            auto payload = tag.body.view().subspan(header.header_bytes);
            if (header.packet == flv_packet::sequence_header) {
                auto record = h264::parse_avcc_record(payload).value();
                auto& video = out.format.video.emplace();
                video.type = codec::h264;
                video.sps = record.sps.at(0);
                video.pps = record.pps.at(0);
                auto info = h264::parse_sps(video.sps).value();
                video.width = info.width;
                video.height = info.height;
            } else if (header.packet == flv_packet::frame) {
                access_unit unit;
                unit.dts = tag.timestamp * 90;
                unit.pts = unit.dts + header.composition_time * 90;
                std::vector<std::uint8_t> data{0, 0, 0, 1, 9, 0xf0};
                if (header.keyframe)
                    for (auto* set : {&out.format.video->sps, &out.format.video->pps}) {
                        data.insert(data.end(), {0, 0, 0, 1});
                        data.insert(data.end(), set->begin(), set->end());
                    }
                auto body = h264::to_annexb(payload).value();
                data.insert(data.end(), body.begin(), body.end());
                unit.keyframe = header.keyframe;
                unit.data = bytes::copy_of(data);
                out.units.push_back(std::move(unit));
            }
        } else if (tag.type == flv_tag_type::audio) {
            auto header = parse_flv_audio(tag.body.view()).value();
            auto payload = tag.body.view().subspan(header.header_bytes);
            if (header.packet == flv_packet::sequence_header) {
                auto info = aac::parse_config(payload).value();
                auto& audio = out.format.audio.emplace();
                audio = {
                    codec::aac, info.sample_rate, info.channels, {payload.begin(), payload.end()}};
            } else if (!payload.empty()) {
                if (header.type == codec::mp3 && !out.format.audio) {
                    auto info = mpeg_audio::parse_header(payload).value();
                    out.format.audio =
                        audio_format{codec::mp3, info.sample_rate, info.channels, {}};
                }
                access_unit unit;
                unit.kind = track_kind::audio;
                unit.pts = unit.dts = tag.timestamp * 90;
                unit.keyframe = true;
                unit.data = bytes::copy_of(payload);
                out.units.push_back(std::move(unit));
            }
        }
    }
    return out;
}

// One line of `ffprobe -show_entries packet=codec_type,pts,dts,size,flags -of csv=p=0`.
struct probed_packet {
    media::track_kind kind;
    std::int64_t pts, dts;
    std::size_t size;
    bool key;
};

inline std::vector<probed_packet> read_probe(const std::string& name) {
    auto text = read_sample(name);
    std::istringstream lines(std::string(text.begin(), text.end()));
    std::vector<probed_packet> out;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string kind, pts, dts, size, flags;
        std::getline(fields, kind, ',');
        std::getline(fields, pts, ',');
        std::getline(fields, dts, ',');
        std::getline(fields, size, ',');
        std::getline(fields, flags, ',');
        out.push_back(
            {kind == "video" ? media::track_kind::video : media::track_kind::audio,
             std::stoll(pts),
             std::stoll(dts),
             std::stoull(size),
             flags.starts_with('K')}
        );
    }
    return out;
}

} // namespace rivulet::test
