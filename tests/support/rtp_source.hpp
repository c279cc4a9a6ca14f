// RTP packets of a test picture or tone as a publisher sends them, made by GStreamer, and the
// publisher's side of losing them: it answers NACK with RTX.
#pragma once

#include "media/gst_ptr.hpp"
#include "media/rtp_packet.hpp"
#include "media/runtime.hpp"

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace rivulet::test {

using rtp_bytes = std::vector<std::uint8_t>;

// The packets of a launch line that ends with a payloader.
inline std::vector<rtp_bytes> rtp_packets(const std::string& line) {
    using namespace media;
    init();
    GError* problem = nullptr;
    auto pipeline =
        sink(gst_parse_launch((line + " ! appsink name=out sync=false").c_str(), &problem));
    if (problem)
        throw std::runtime_error(adopt(problem)->message);
    auto out = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    std::vector<rtp_bytes> packets;
    while (auto sample =
               adopt(gst_app_sink_try_pull_sample(GST_APP_SINK(out.get()), 10 * GST_SECOND))) {
        auto data = map_buffer(gst_sample_get_buffer(sample.get()));
        packets.emplace_back(data.view().begin(), data.view().end());
    }
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    return packets;
}

// `encode` is "vp8enc … ! rtpvp8pay".
inline std::vector<rtp_bytes> rtp_video(
    const std::string& encode,
    int pictures,
    int payload_type,
    std::uint32_t ssrc,
    int width = 320,
    int height = 240
) {
    return rtp_packets(
        "videotestsrc num-buffers=" + std::to_string(pictures) +
        " pattern=ball ! video/x-raw,format=I420,framerate=30/1,width=" + std::to_string(width) +
        ",height=" + std::to_string(height) + " ! " + encode +
        " mtu=1200 pt=" + std::to_string(payload_type) + " ssrc=" + std::to_string(ssrc) +
        " seqnum-offset=65500 timestamp-offset=4294900000"
    );
}

// 20 ms each.
inline std::vector<rtp_bytes> rtp_opus(int packets, int payload_type, std::uint32_t ssrc) {
    return rtp_packets(
        "audiotestsrc num-buffers=" + std::to_string(packets) +
        " samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=" +
        std::to_string(payload_type) + " ssrc=" + std::to_string(ssrc)
    );
}

// One picture's packets, in order.
inline std::vector<std::vector<rtp_bytes>> by_picture(const std::vector<rtp_bytes>& packets) {
    std::vector<std::vector<rtp_bytes>> out;
    std::uint32_t last = 0;
    for (const auto& packet : packets) {
        auto header = media::parse_rtp(packet).value();
        if (out.empty() || header.timestamp != last)
            out.emplace_back();
        last = header.timestamp;
        out.back().push_back(packet);
    }
    return out;
}

// RFC 4588.
class rtx_sender {
  public:
    rtx_sender(int payload_type, std::uint32_t ssrc) : payload_type_(payload_type), ssrc_(ssrc) {}

    rtp_bytes wrap(const rtp_bytes& packet) {
        auto header = media::parse_rtp(packet).value();
        rtp_bytes out(packet.begin(), packet.begin() + 12);
        out[0] = 0x80;
        out[1] = std::uint8_t((out[1] & 0x80) | payload_type_);
        out[2] = std::uint8_t(next_ >> 8);
        out[3] = std::uint8_t(next_++);
        for (int i = 0; i < 4; ++i)
            out[std::size_t(8 + i)] = std::uint8_t(ssrc_ >> (24 - 8 * i));
        out.push_back(packet[2]);
        out.push_back(packet[3]);
        out.insert(
            out.end(),
            packet.begin() + std::int64_t(header.size),
            packet.begin() + std::int64_t(header.size + header.payload_size)
        );
        return out;
    }

  private:
    int payload_type_;
    std::uint32_t ssrc_;
    std::uint16_t next_ = 0;
};

// `packet` with a one-byte header extension of two octets.
inline rtp_bytes with_extension(const rtp_bytes& packet, int id, std::uint16_t value) {
    rtp_bytes out(packet.begin(), packet.begin() + 12);
    out[0] |= 0x10;
    const rtp_bytes extension{
        0xbe,
        0xde,
        0,
        1,
        std::uint8_t(id << 4 | 1),
        std::uint8_t(value >> 8),
        std::uint8_t(value),
        0};
    out.insert(out.end(), extension.begin(), extension.end());
    out.insert(out.end(), packet.begin() + 12, packet.end());
    return out;
}

} // namespace rivulet::test
